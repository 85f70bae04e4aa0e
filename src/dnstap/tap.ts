import type { Client } from '../nameserver/client.ts';
import { COUNT_DNSTAP_DROPPED, COUNT_DNSTAP_LOST } from '../nameserver/counters.ts';
import type { CounterRow } from '../telemetry/counters.ts';
import {
  AUTH_QUERY,
  AUTH_RESPONSE,
  CAME,
  encodeOrigin,
  eventBytes,
  LEFT,
  messageBytes,
  type TapEvent,
  UPDATE_QUERY,
  UPDATE_RESPONSE,
  writeEvent,
} from './message.ts';
import { leaveRing, NO_ROOM, openRingWriter } from './ring.ts';

/**
 * What a worker notes of queries and responses, if anybody wants to know: each becomes an event in the worker's
 * ring, without a wait, a system call or an object. Who reads it is elsewhere (sender.ts).
 */
export type Tap = {
  /**
   * A query has come. False = it is not noted: it is no query, or not one of the sample.
   * @param nowMs milliseconds since the epoch, as of the batch
   */
  query(client: Client, bytes: Uint8Array, length: number, nowMs: number): boolean;
  /** The response to the query that was noted last. */
  response(client: Client, bytes: Uint8Array, length: number): void;
  /** Likewise for a response that comes when others have been noted meanwhile: to be called now. */
  later(client: Client): (bytes: Uint8Array) => void;
  /** Notes nothing from now on: another plan holds. What still comes late is counted as lost. */
  close(): void;
};

/** What the main thread tells a worker of its tap. */
export type TapPlan = {
  readonly ring: SharedArrayBuffer;
  readonly queries: boolean;
  readonly responses: boolean;
  readonly identity: string | undefined;
  readonly version: string | undefined;
  /** One query of so many, drawn, with its response. */
  readonly sample: number;
};

export type TapParts = {
  /** Of the worker, as it is now. */
  counters(): CounterRow;
  /** A clock that nobody sets: milliseconds with fractions (performance.now). */
  steadyMs(): number;
  readonly seed: number;
};

const HEADER_BYTES = 12;
const TWO_32 = 2 ** 32;
const OPCODE_UPDATE = 5;

export function createTap(
  { identity, queries, responses, ring, sample, version }: TapPlan,
  { counters, seed, steadyMs }: TapParts,
): Tap {
  const writer = openRingWriter(ring);
  const origin = encodeOrigin(identity, version);
  const draw = createDraw(seed);
  const below = TWO_32 / sample;
  const stamp = createWallClock(steadyMs);
  let isClosed = false;
  const count = (slot: number, events: number): void => {
    const row = counters();
    row[slot] = row[slot]! + events;
  };
  const current: TapEvent = { type: AUTH_QUERY, timesMs: new Float64Array(3) };
  const note = (event: TapEvent, client: Client, bytes: Uint8Array, length: number): void => {
    const inner = messageBytes(event, client, length);
    const at = isClosed ? NO_ROOM : writer.reserve(eventBytes(origin, inner));
    if (at === NO_ROOM) {
      count(isClosed ? COUNT_DNSTAP_LOST : COUNT_DNSTAP_DROPPED, 1);
      return;
    }
    writeEvent(writer.bytes, at, origin, inner, event, client, bytes, length);
    writer.commit();
  };
  const noteResponse = (
    event: TapEvent,
    client: Client,
    bytes: Uint8Array,
    length: number,
  ): void => {
    if (!responses) return;
    const { timesMs } = event;
    event.type = opcodeOf(bytes) === OPCODE_UPDATE ? UPDATE_RESPONSE : AUTH_RESPONSE;
    timesMs[LEFT] = timesMs[CAME]! + steadyMs() - timesMs[CAME_STEADY]!;
    note(event, client, bytes, length);
  };
  return {
    query(client, bytes, length, nowMs) {
      if (length < HEADER_BYTES || isResponse(bytes)) return false;
      if (sample > 1 && draw() >= below) return false;
      stamp(current.timesMs, nowMs);
      current.timesMs[LEFT] = 0;
      if (!queries) return true;
      current.type = opcodeOf(bytes) === OPCODE_UPDATE ? UPDATE_QUERY : AUTH_QUERY;
      note(current, client, bytes, length);
      return true;
    },
    response: (client, bytes, length) => noteResponse(current, client, bytes, length),
    later(client) {
      const event = { ...current, timesMs: current.timesMs.slice() };
      const { address, localAddress } = client;
      const asked = { ...client, address: address.slice(), localAddress: localAddress.slice() };
      return (bytes) => noteResponse(event, asked, bytes, bytes.length);
    },
    close() {
      isClosed = true;
      count(COUNT_DNSTAP_LOST, leaveRing(ring));
    },
  };
}

const isResponse = (bytes: Uint8Array): boolean => (bytes[2]! & 0x80) !== 0;
const opcodeOf = (bytes: Uint8Array): number => (bytes[2]! >> 3) & 0x0f;

/** In an event's times, behind those that are told: when its query came by the steady clock. */
const CAME_STEADY = 2;

/**
 * Tells when a query came: the time of day with fractions, from a steady clock and the whole milliseconds that its
 * batch came at; never before these.
 */
function createWallClock(steadyMs: () => number): (timesMs: Float64Array, nowMs: number) => void {
  const aheadMs = new Float64Array(1);
  return (timesMs, nowMs) => {
    const steady = steadyMs();
    const wall = steady + aheadMs[0]!;
    timesMs[CAME_STEADY] = steady;
    // Somebody has set the clock, or the batch took long; then it soon catches up.
    if (wall >= nowMs && wall < nowMs + LATE_MAX_MS) timesMs[CAME] = wall;
    else {
      timesMs[CAME] = nowMs;
      aheadMs[0] = nowMs - steady;
    }
  };
}

/** How long after its batch a query may be looked at. */
const LATE_MAX_MS = 20;

/** Xorshift: 32 bits, seeded. A count would take every other query of who asks in pairs. */
function createDraw(seed: number): () => number {
  const state = Uint32Array.of(seed === 0 ? 1 : seed);
  return () => {
    let x = state[0]!;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    state[0] = x;
    return x >>> 0;
  };
}
