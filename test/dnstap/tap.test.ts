import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createRing, openRingReader } from '../../src/dnstap/ring.ts';
import { createTap, type TapPlan } from '../../src/dnstap/tap.ts';
import { COUNT_ANSWERS, COUNT_DNSTAP_DROPPED } from '../../src/nameserver/counters.ts';
import { createCounterRow } from '../../src/telemetry/counters.ts';
import { buildQuery } from '../dns/query-builder.ts';
import { clientAt, NOW_MS, queryBytes } from '../nameserver/fixture.ts';
import { decodeFrames } from './decode-event.ts';

const QUERY = queryBytes('www.gslb.example', 'A');
const REPLY = Uint8Array.from([...QUERY.subarray(0, 2), 0x84, ...QUERY.subarray(3)]);
const UPDATE = buildQuery({ flags: 5 << 11 });
const UPDATE_REPLY = buildQuery({ flags: 0x80_00 | (5 << 11) });

test('a query and its response are noted, with what lay between them', () => {
  const rig = open();
  assert.ok(rig.tap.query(rig.client, QUERY, QUERY.length, NOW_MS));
  rig.clock.steadyMs += 0.25;
  rig.tap.response(rig.client, REPLY, REPLY.length);
  const [query, response] = rig.events();
  assert.deepEqual([query!.type, response!.type], ['AUTH_QUERY', 'AUTH_RESPONSE']);
  assert.deepEqual(query!.queryMessage, Buffer.from(QUERY));
  assert.deepEqual(response!.responseMessage, Buffer.from(REPLY));
  assert.equal(query!.queryNanos, BigInt(NOW_MS) * 1_000_000n);
  assert.equal(response!.queryNanos, query!.queryNanos);
  assert.equal(response!.responseNanos! - query!.queryNanos!, 250_000n);
  // A thread that stood still meanwhile does not answer before it was asked.
  rig.tap.query(rig.client, QUERY, QUERY.length, NOW_MS);
  rig.clock.steadyMs += 500;
  rig.tap.response(rig.client, REPLY, REPLY.length);
  const [, late] = rig.events();
  assert.equal(late!.responseNanos! - late!.queryNanos!, 500_000_000n);
});

test('messages that nobody wants are not noted', () => {
  const queries = open({ responses: false });
  ask(queries);
  assert.deepEqual(
    queries.events().map(({ type }) => type),
    ['AUTH_QUERY'],
  );
  const responses = open({ queries: false });
  ask(responses);
  const [event, ...more] = responses.events();
  assert.deepEqual([event!.type, more.length], ['AUTH_RESPONSE', 0]);
  assert.equal(event!.queryNanos, BigInt(NOW_MS) * 1_000_000n);
});

test('updates have kinds of their own', () => {
  const rig = open();
  rig.tap.query(rig.client, UPDATE, UPDATE.length, NOW_MS);
  rig.tap.response(rig.client, UPDATE_REPLY, UPDATE_REPLY.length);
  assert.deepEqual(
    rig.events().map(({ type }) => type),
    ['UPDATE_QUERY', 'UPDATE_RESPONSE'],
  );
});

test('what is no query is not noted', () => {
  const rig = open();
  assert.ok(!rig.tap.query(rig.client, QUERY, 11, NOW_MS));
  assert.ok(!rig.tap.query(rig.client, REPLY, REPLY.length, NOW_MS));
  assert.equal(rig.events().length, 0);
});

test('a late response is of who asked then, and when, whoever has asked meanwhile', () => {
  const rig = open();
  rig.tap.query(rig.client, QUERY, QUERY.length, NOW_MS);
  const note = rig.tap.later(rig.client);
  rig.client.address.set([203, 0, 113, 99]);
  rig.client.port = 9;
  rig.clock.steadyMs += 5;
  rig.tap.query(rig.client, QUERY, QUERY.length, NOW_MS + 5);
  rig.tap.response(rig.client, REPLY, REPLY.length);
  rig.clock.steadyMs += 2000;
  note(REPLY);
  const [first, , , late] = rig.events();
  assert.equal(late!.query, first!.query);
  assert.equal(late!.queryNanos, first!.queryNanos);
  assert.equal(late!.responseNanos! - late!.queryNanos!, 2_005_000_000n);
});

test('of a sample queries come with their responses, and those who ask in pairs are not halved', () => {
  const rig = open({ sample: 10 });
  const noted = [0, 0];
  for (let index = 0; index < 20_000; index += 1) {
    if (!rig.tap.query(rig.client, QUERY, QUERY.length, NOW_MS)) continue;
    noted[index % 2]! += 1;
    rig.tap.response(rig.client, REPLY, REPLY.length);
  }
  const types = rig.events().map(({ type }) => type);
  assert.equal(types.length, 2 * (noted[0]! + noted[1]!));
  assert.ok(types.every((type, index) => type === ['AUTH_QUERY', 'AUTH_RESPONSE'][index % 2]));
  // A tenth, give or take five standard deviations: the draws are of a fixed seed.
  for (const count of noted) assert.ok(count > 850 && count < 1150, `${noted}`);
});

test('what there is no room for is dropped and counted, and there is room again', () => {
  const rig = open({}, 4096);
  for (let index = 0; index < 100; index += 1) ask(rig);
  const there = rig.events().length;
  assert.ok(there > 10 && there < 100, `${there}`);
  assert.equal(rig.counters[COUNT_DNSTAP_DROPPED], 200 - there);
  ask(rig);
  assert.equal(rig.events().length, 2);
});

test('the time follows a clock that is set, and does not go back within a batch', () => {
  const rig = open({ responses: false });
  const at = (steadyMs: number, nowMs: number): number => {
    rig.clock.steadyMs = steadyMs;
    rig.tap.query(rig.client, QUERY, QUERY.length, nowMs);
    return Number(rig.events()[0]!.queryNanos! / 1000n) / 1000 - NOW_MS;
  };
  assert.equal(at(0, NOW_MS), 0);
  assert.equal(at(0.5, NOW_MS), 0.5);
  // The wall's milliseconds are whole: the estimate keeps up with them.
  assert.equal(at(0.75, NOW_MS + 1), 1);
  assert.equal(at(1, NOW_MS + 1), 1.25);
  assert.equal(at(2, NOW_MS + 3_600_000), 3_600_000, 'set forward');
  assert.equal(at(3, NOW_MS + 1), 1, 'and back');
});

test('noting allocates nothing', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const rig = open({}, 2 ** 16);
  /** Where the writer is, and the reader: another thread, that allocates what it likes. */
  const positions = new Int32Array(rig.ring, 0, 32);
  const round = (count: number): void => {
    for (let index = 0; index < count; index += 1) {
      ask(rig);
      if (index % 64 === 0) positions[16] = positions[0]!;
    }
  };
  // Until it has optimized, the engine boxes numbers.
  let least = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 20 && least > 4; attempt += 1) {
    collect();
    const before = process.memoryUsage().heapUsed;
    round(60_000);
    least = Math.min(least, (process.memoryUsage().heapUsed - before) / 60_000);
  }
  assert.ok(least <= 4, `${least.toFixed(1)} octets for a query with its response`);
});

type Rig = ReturnType<typeof open>;

function ask({ client, tap }: Rig): void {
  if (tap.query(client, QUERY, QUERY.length, NOW_MS)) {
    tap.response(client, REPLY, REPLY.length);
  }
}

function open(plan: Partial<TapPlan> = {}, capacity = 2 ** 20) {
  const ring = createRing(capacity);
  const counters = createCounterRow(COUNT_ANSWERS);
  const reader = openRingReader(ring);
  const to = new Uint8Array(2 ** 20);
  const whole = { queries: true, responses: true, identity: 'test', version: undefined, sample: 1 };
  const clock = { steadyMs: 0 };
  const rig = {
    ring,
    counters,
    clock,
    client: clientAt('192.0.2.200'),
    tap: createTap(
      { ring, ...whole, ...plan },
      { counters: () => counters, steadyMs: () => clock.steadyMs, seed: 20261122 },
    ),
    events: () => decodeFrames(Buffer.from(to.subarray(0, reader.take(to, 0)))).events,
  };
  return rig;
}
