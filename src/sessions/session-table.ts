/**
 * The sessions that the workers of a node know, in flat shared memory: 17 octets each, none of it on the garbage
 * collector's list, and a look-up that allocates nothing. A key has one set of 16 neighbouring places (open addressing
 * with a bounded probe, one cache line of keys); when all of them are taken, a new session takes the place of one
 * that was not used again since the clock hand last came by (second chance, Corbató 1968).
 *
 * Workers write without a lock. Two that take one place at one moment leave a session that nobody finds, or one with
 * the other's server: that is a server of the upstream too, or it is not found in it and chosen anew.
 */
export type SessionTable = {
  readonly memory: SharedArrayBuffer;
  readonly setMask: number;
  readonly highs: Uint32Array;
  readonly lows: Uint32Array;
  /** First half of the server's id; `NO_SERVER` = the place is free. */
  readonly servers: Uint32Array;
  /** Seconds since 1970; the session is over from then on. */
  readonly expiries: Uint32Array;
  /** Lowest bit: used since the hand came by; the others: the generation that confirmed it. */
  readonly marks: Uint8Array;
  /** At `HAND`: where all sets begin looking for somebody to leave. At `GENERATION`: the present one. */
  readonly state: Uint32Array;
  /** Of this worker. */
  readonly counters: SessionTableCounters;
};

export type SessionTableCounters = {
  hits: number;
  /** Keys that are not there, also because their time is over. */
  misses: number;
  inserted: number;
  /** Sessions that were not over and had to make room. */
  evicted: number;
};

export const PLACES_PER_SET = 16;
/** 17 octets each: 1.1 GiB. */
export const TABLE_PLACES_MAX = 2 ** 26;
/** Sets fill unevenly: with so many places for a session nearly none has to leave early. */
const PLACES_PER_SESSION = 1.5;
const PLACE_OCTETS = 17;
/** A cache line, of which two words are used. */
const STATE_OCTETS = 64;
const HAND = 0;
const GENERATION = 1;

/** What a table for so many sessions needs; it has places for at least 1.5 times as many. */
export const sessionTableBytes = (sessionsMax: number): number =>
  STATE_OCTETS + PLACE_OCTETS * placesFor(sessionsMax);

/** @param memory of `sessionTableBytes(sessionsMax)`, all zeros or that of a table as large */
export function createSessionTable(
  sessionsMax: number,
  memory: SharedArrayBuffer = new SharedArrayBuffer(sessionTableBytes(sessionsMax)),
): SessionTable {
  const places = placesFor(sessionsMax);
  const column = (index: number): Uint32Array =>
    new Uint32Array(memory, STATE_OCTETS + 4 * index * places, places);
  return {
    memory,
    setMask: places / PLACES_PER_SET - 1,
    state: new Uint32Array(memory, 0, 2),
    highs: column(0),
    lows: column(1),
    servers: column(2),
    expiries: column(3),
    marks: new Uint8Array(memory, STATE_OCTETS + 16 * places, places),
    counters: { hits: 0, misses: 0, inserted: 0, evicted: 0 },
  };
}

function placesFor(sessionsMax: number): number {
  const wanted = Math.min(TABLE_PLACES_MAX, sessionsMax * PLACES_PER_SESSION);
  return PLACES_PER_SET * 2 ** Math.ceil(Math.log2(Math.max(1, wanted / PLACES_PER_SET)));
}

/** @returns the place of the session, to read `servers` and `expiries` at, or -1 */
export function findSession(
  table: SessionTable,
  high: number,
  low: number,
  nowSeconds: number,
): number {
  const place = placeOf(table, high, low);
  if (place < 0 || table.expiries[place]! <= nowSeconds) {
    table.counters.misses++;
    return -1;
  }
  table.marks[place]! |= USED;
  table.counters.hits++;
  return place;
}

/** When the session ends, in seconds since 1970; 0 when it is not here. Counts nothing. */
export function expiryOf(table: SessionTable, high: number, low: number): number {
  const place = placeOf(table, high, low);
  return place < 0 ? 0 : table.expiries[place]!;
}

/** The session's server, or `NO_SERVER`. Counts nothing, and does not count as use. */
export function serverOf(
  table: SessionTable,
  high: number,
  low: number,
  nowSeconds: number,
): number {
  const place = placeOf(table, high, low);
  return place < 0 || table.expiries[place]! <= nowSeconds ? 0 : table.servers[place]!;
}

/** Puts the session in, or changes it, and confirms it. */
export function putSession(
  table: SessionTable,
  high: number,
  low: number,
  server: number,
  expiresSeconds: number,
  nowSeconds: number,
): void {
  let place = placeOf(table, high, low);
  if (place < 0) {
    place = vacate(table, high, low, nowSeconds);
    // Nobody takes the half of it for a session.
    table.servers[place] = 0;
    table.highs[place] = high;
    table.lows[place] = low;
    // Not used yet: who comes once leaves before who comes back.
    table.marks[place] = 0;
    table.counters.inserted++;
  } else table.marks[place]! |= USED;
  table.expiries[place] = expiresSeconds;
  confirmSession(table, place);
  table.servers[place] = server;
}

/** Changes the session if it is here: another node has moved it. @returns whether it is */
export function changeSession(
  table: SessionTable,
  high: number,
  low: number,
  server: number,
  expiresSeconds: number,
): boolean {
  const place = placeOf(table, high, low);
  if (place < 0) return false;
  table.servers[place] = server;
  table.expiries[place] = expiresSeconds;
  confirmSession(table, place);
  return true;
}

/** Sessions move elsewhere without our being told: whatever is here now has to be confirmed again. */
export function doubtSessions(table: SessionTable): void {
  table.state[GENERATION] = (table.state[GENERATION]! + 1) & GENERATION_MASK;
}

/** Whether it was confirmed since the last doubt. */
export function isConfirmed(table: SessionTable, place: number): boolean {
  return table.marks[place]! >>> 1 === table.state[GENERATION];
}

/** From now on it counts as told in this generation. */
export function confirmSession(table: SessionTable, place: number): void {
  table.marks[place] = (table.state[GENERATION]! << 1) | (table.marks[place]! & USED);
}

const USED = 1;
const GENERATION_MASK = 0x7f;

/** The key's place, or -1. Keys are hashes already: their bits choose the set. */
function placeOf(
  { highs, lows, servers, setMask }: SessionTable,
  high: number,
  low: number,
): number {
  const first = ((low ^ (high >>> 7)) & setMask) * PLACES_PER_SET;
  for (let place = first; place < first + PLACES_PER_SET; place++) {
    if (lows[place] === low && highs[place] === high && servers[place] !== 0) return place;
  }
  return -1;
}

/** A place in the key's set: free, or over, or of whoever has to leave. */
function vacate(table: SessionTable, high: number, low: number, nowSeconds: number): number {
  const { expiries, marks, servers, setMask, state, counters } = table;
  const first = ((low ^ (high >>> 7)) & setMask) * PLACES_PER_SET;
  for (let place = first; place < first + PLACES_PER_SET; place++) {
    if (servers[place] === 0 || expiries[place]! <= nowSeconds) return place;
  }
  counters.evicted++;
  // The second time round somebody has lost the mark.
  for (let step = 0; ; step++) {
    const place = first + ((state[HAND]! + step) % PLACES_PER_SET);
    if ((marks[place]! & USED) === 0) {
      state[HAND] = (state[HAND]! + step + 1) % PLACES_PER_SET;
      return place;
    }
    marks[place]! &= ~USED;
  }
}
