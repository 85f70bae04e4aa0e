/**
 * The sessions that this worker knows, in flat memory: 17 octets each, none of it on the garbage collector's
 * list, and a look-up that allocates nothing. A key has one set of 16 neighbouring places (open addressing with
 * a bounded probe, one cache line of keys); when all of them are taken, a new session takes the place of one
 * that was not used again since the clock hand last came by (second chance, Corbató 1968).
 */
export type SessionTable = {
  readonly setMask: number;
  readonly highs: Uint32Array;
  readonly lows: Uint32Array;
  /** First half of the server's id; `NO_SERVER` = the place is free. */
  readonly servers: Uint32Array;
  /** Seconds since 1970; the session is over from then on. */
  readonly expiries: Uint32Array;
  /** Lowest bit: used since the hand came by; the others: the generation that confirmed it. */
  readonly marks: Uint8Array;
  /** One for all sets: where to begin looking for somebody to leave. */
  hand: number;
  generation: number;
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

/** @param sessionsMax how many sessions it is for; it has places for at least 1.5 times as many */
export function createSessionTable(sessionsMax: number): SessionTable {
  const wanted = Math.min(TABLE_PLACES_MAX, sessionsMax * PLACES_PER_SESSION);
  const sets = 2 ** Math.ceil(Math.log2(Math.max(1, wanted / PLACES_PER_SET)));
  const places = sets * PLACES_PER_SET;
  return {
    setMask: sets - 1,
    highs: new Uint32Array(places),
    lows: new Uint32Array(places),
    servers: new Uint32Array(places),
    expiries: new Uint32Array(places),
    marks: new Uint8Array(places),
    hand: 0,
    generation: 0,
    counters: { hits: 0, misses: 0, inserted: 0, evicted: 0 },
  };
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
    table.highs[place] = high;
    table.lows[place] = low;
    // Not used yet: who comes once leaves before who comes back.
    table.marks[place] = 0;
    table.counters.inserted++;
  } else table.marks[place]! |= USED;
  table.servers[place] = server;
  table.expiries[place] = expiresSeconds;
  confirmSession(table, place);
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
  table.generation = (table.generation + 1) & GENERATION_MASK;
}

/** Whether it was confirmed since the last doubt. */
export function isConfirmed(table: SessionTable, place: number): boolean {
  return table.marks[place]! >>> 1 === table.generation;
}

/** From now on it counts as told in this generation. */
export function confirmSession(table: SessionTable, place: number): void {
  table.marks[place] = (table.generation << 1) | (table.marks[place]! & USED);
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
  const { expiries, marks, servers, setMask, counters } = table;
  const first = ((low ^ (high >>> 7)) & setMask) * PLACES_PER_SET;
  for (let place = first; place < first + PLACES_PER_SET; place++) {
    if (servers[place] === 0 || expiries[place]! <= nowSeconds) return place;
  }
  counters.evicted++;
  // The second time round somebody has lost the mark.
  for (let step = 0; ; step++) {
    const place = first + ((table.hand + step) % PLACES_PER_SET);
    if ((marks[place]! & USED) === 0) {
      table.hand = (table.hand + step + 1) % PLACES_PER_SET;
      return place;
    }
    marks[place]! &= ~USED;
  }
}
