import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Desk } from '../../src/dns-transport/desk.ts';
import { serveDnsStream } from '../../src/dns-transport/dns-stream.ts';
import { createSessions } from '../../src/dns-transport/sessions.ts';
import type { Connection } from '../../src/io/stream.ts';
import { createStreamFraming, STREAM_BROKEN } from '../../src/nameserver/stream-framing.ts';
import { NO_STOPWATCH, NOW_MS, queryBytes, startWorker } from '../nameserver/fixture.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

/** One connection of DNS over TCP, cut and held in any way: what is asked is answered, once, in order. */
const options = { seed: fuzzSeed(20_261_122), numRuns: fuzzRuns(1500) };
const LIMITS = {
  connectionsMax: 1,
  perClientMax: 1,
  // Who waits for credit is idle, too.
  idleTimeoutMs: 86_400_000,
  queriesPerSecond: 5,
  connectionsPerSecond: 0,
};
const worker = startWorker();
const QUERIES = [
  queryBytes('static.gslb.example', 'A'),
  queryBytes('big.gslb.example', 'TXT'),
  queryBytes('nothing.gslb.example', 'A'),
  queryBytes('_explain.www.gslb.example', 'TXT'),
  queryBytes('gslb.example', 'AXFR'),
];
const EXPLAIN = 3;

/** Octets arrive; what was written has been sent; time passes; somebody answers what was deferred. */
const acts = fc.array(
  fc.oneof(
    fc.record({ act: fc.constant('data' as const), count: fc.integer({ min: 1, max: 200 }) }),
    fc.record({ act: fc.constant('drain' as const) }),
    fc.record({ act: fc.constant('time' as const), ms: fc.integer({ min: 0, max: 900 }) }),
    fc.record({ act: fc.constant('late' as const) }),
  ),
  { maxLength: 60 },
);

/** A connection that takes a drawn number of writes before it wants to be waited for. */
function rig(patience: readonly number[]) {
  const state = {
    nowMs: NOW_MS,
    writes: 0,
    paused: false,
    full: false,
    ended: false,
    gone: false,
    isLate: false,
  };
  const ids: number[] = [];
  const later: (() => void)[] = [];
  let room = patience[0] ?? 1;
  const connection: Connection = {
    id: 1,
    remoteAddress: '127.0.0.1',
    remotePort: 1,
    localAddress: '127.0.0.1',
    localPort: 53,
    write(bytes) {
      assert.ok(!state.gone && !state.ended);
      assert.ok(!state.full || state.isLate, 'more than the peer takes');
      for (let at = 0; at < bytes.length; at += 2 + ((bytes[at]! << 8) | bytes[at + 1]!)) {
        assert.ok(at + 2 + ((bytes[at]! << 8) | bytes[at + 1]!) <= bytes.length, 'half a message');
        ids.push((bytes[at + 2]! << 8) | bytes[at + 3]!);
      }
      state.writes += 1;
      const seconds = (state.nowMs - NOW_MS) / 1000;
      assert.ok(ids.length <= LIMITS.queriesPerSecond * (1 + seconds), 'more than it may ask');
      room -= 1;
      state.full = room <= 0;
      return !state.full;
    },
    end: () => {
      state.ended = true;
    },
    destroy: () => {
      state.gone = true;
    },
    reset() {},
    pause: () => {
      state.paused = true;
    },
    resume: () => {
      state.paused = false;
    },
    taken: () => 0,
    roundTripMs: () => 0,
  };
  const desk: Desk = {
    worker,
    nowMs: () => state.nowMs,
    tap: () => undefined,
    stopwatch: NO_STOPWATCH,
    defer(_kind, message, _client, _nowMs, take) {
      const reply = new Uint8Array(message);
      later.push(() => take(reply));
      return true;
    },
    sign: () => false,
  };
  const sessions = createSessions(LIMITS);
  const handlers = serveDnsStream(desk, sessions, connection);
  return {
    state,
    ids,
    handlers,
    late() {
      state.isLate = true;
      later.shift()?.();
      state.isLate = false;
    },
    pass(ms: number) {
      state.nowMs += ms;
      sessions.sweep(state.nowMs);
    },
    drain() {
      if (!state.full) return;
      state.full = false;
      room = patience[state.writes % patience.length] ?? 1;
      handlers.onDrain(0);
    },
  };
}

function streamOf(asked: readonly number[]): Uint8Array {
  return Buffer.concat(
    asked.flatMap((which, id) => {
      const query = QUERIES[which]!.slice();
      query[0] = id >> 8;
      query[1] = id & 255;
      return [Uint8Array.of(query.length >> 8, query.length), query];
    }),
  );
}

test('each query of a connection is answered once, in order, however it is cut and held', () => {
  const which = fc.array(fc.integer({ min: 0, max: QUERIES.length - 1 }), { maxLength: 40 });
  const patience = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(which, patience, acts, (asked, waits, drawn) => {
      const stream = streamOf(asked);
      const { drain, handlers, ids, late, pass, state } = rig(waits);
      let at = 0;
      const arrive = (count: number): void => {
        if (state.paused || at >= stream.length) return;
        // The octets are the engine's again when the call returns.
        const bytes = stream.slice(at, at + count);
        at += bytes.length;
        handlers.onData(bytes, 0);
        bytes.fill(0xee);
      };
      for (const step of drawn) {
        if (step.act === 'data') arrive(step.count);
        else if (step.act === 'drain') drain();
        else if (step.act === 'late') late();
        else pass(step.ms);
      }
      for (let round = 0; round < 400 && ids.length < asked.length; round += 1) {
        arrive(64);
        drain();
        late();
        pass(300);
      }
      const inTime = ids.filter((id) => asked[id] !== EXPLAIN);
      assert.deepEqual(
        inTime,
        [...inTime].sort((one, other) => one - other),
      );
      assert.deepEqual(
        [...ids].sort((one, other) => one - other),
        asked.map((_, id) => id),
      );
      drain();
      handlers.onEnd(0);
      assert.ok(state.ended && !state.gone);
    }),
    options,
  );
});

test('framing finds the messages of any bytes, however they are cut and held', () => {
  const message = fc.oneof(
    { weight: 9, arbitrary: fc.uint8Array({ minLength: 12, maxLength: 60 }) },
    fc.uint8Array({ maxLength: 11 }),
  );
  const cuts = fc.array(fc.record({ size: fc.integer({ min: 1, max: 90 }), credit: fc.nat(3) }), {
    maxLength: 40,
  });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 12 }), cuts, (messages, drawn) => {
      const stream = Buffer.concat(
        messages.flatMap((each) => [Uint8Array.of(0, each.length), each]),
      );
      const broken = messages.findIndex(({ length }) => length < 12);
      const whole = broken < 0 ? messages : messages.slice(0, broken);
      const framing = createStreamFraming();
      const taken: number[][] = [];
      let rest: Uint8Array = new Uint8Array();
      let at = 0;
      let isBroken = false;
      const receive = (size: number, credit: number): void => {
        rest = Buffer.concat([rest, stream.subarray(at, at + size)]);
        at += size;
        let left = credit;
        const count = framing.receive(
          rest,
          (bytes) => void taken.push([...bytes]),
          () => left-- > 0,
        );
        isBroken = count === STREAM_BROKEN;
        if (!isBroken) rest = rest.subarray(count);
      };
      for (const { size, credit } of drawn) if (!isBroken) receive(size, credit);
      if (!isBroken) receive(stream.length, Number.POSITIVE_INFINITY);
      assert.deepEqual(taken, whole.map((each) => [...each]).slice(0, taken.length));
      assert.equal(isBroken, broken >= 0);
      if (!isBroken) assert.deepEqual([taken.length, rest.length], [whole.length, 0]);
    }),
    options,
  );
});
