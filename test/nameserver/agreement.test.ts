import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';

import { DEGRADED, DOWN, FORCED, healthWord, UNKNOWN } from '../../src/health/health-word.ts';
import { type HealthWords, writeExceptions } from '../../src/health/health-words.ts';
import { type Explanation, explain } from '../../src/nameserver/explain.ts';
import { setHealth } from '../../src/nameserver/worker-state.ts';
import { fuzzHits, fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';
import {
  type Answered,
  ask,
  compiled,
  createConfig,
  geo,
  NOW_MS,
  startWorker,
  WEB_POOL,
} from './fixture.ts';

/**
 * Whatever the words are, regional views and slow returns included: what `explain` says is what a
 * query gets, and a worker that was told step by step answers as one that was told at once.
 */
const { pools } = createConfig();
const snapshots = [0, 0.6].flatMap((panicThreshold) =>
  [undefined, true].map((regionalHealth) => {
    const web = {
      ...WEB_POOL,
      panicThreshold,
      ...(regionalHealth === undefined ? {} : { regionalHealth }),
    };
    return compiled(createConfig({ pools: { ...pools, web } }));
  }),
);
const RESOLVER = '80.0.0.53';

const word = fc
  .record({
    flags: fc.constantFrom(0, 0, 0, DOWN, DOWN, DEGRADED, UNKNOWN, FORCED, DOWN | FORCED),
    ttl: fc.constantFrom(0, 3, 7, 12, 29, 60),
    share: fc.constantFrom(1, 1, 0.03, 0.25, 0.5, 0.9),
  })
  .map(({ flags, share, ttl }) => healthWord(flags >>> 0, ttl, (flags & DOWN) !== 0 ? 1 : share));
const ENDPOINTS = snapshots[0]!.endpoints.length;
const health: fc.Arbitrary<HealthWords> = fc.record({
  words: fc
    .array(word, { minLength: ENDPOINTS, maxLength: ENDPOINTS })
    .map((words) => Uint32Array.from(words)),
  exceptions: fc
    .uniqueArray(fc.record({ near: fc.nat(2), endpoint: fc.nat(ENDPOINTS - 1), word }), {
      selector: ({ endpoint, near }) => `${near} ${endpoint}`,
      maxLength: 4,
    })
    .map(writeExceptions),
});
const question = fc.record({
  name: fc.constantFrom('www', 'v4', 'share', 'any.app').map((name) => `${name}.gslb.example`),
  type: fc.constantFrom('A', 'AAAA'),
  subnet: fc.oneof(
    fc
      .tuple(fc.constantFrom(20, 80, 110, 203), fc.nat(255), fc.nat(255))
      .map(([a, b, c]) => `${a}.${b}.${c}.0/24`),
    fc.nat(0xffff).map((site) => `2001:db8:${(0x1000 + (site % 0x3000)).toString(16)}::/48`),
    fc.constantFrom('10.1.0.0/16', '0.0.0.0/0', undefined),
  ),
  nowMs: fc.nat(10_000_000).map((ms) => NOW_MS + ms),
});
type Question = { name: string; type: string; subnet: string | undefined; nowMs: number };

test('explain() chooses what respond() answers, in any state, for any client', () => {
  let staged = 0;
  let excepted = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...snapshots),
      health,
      fc.array(question, { minLength: 1, maxLength: 8 }),
      (snapshot, state, questions) => {
        const worker = startWorker(snapshot, new Uint32Array(ENDPOINTS).fill(60));
        setHealth(worker, state, snapshot.generation);
        const context = { snapshot, health: state, geo };
        for (const each of questions) {
          const said = explain(context, questionOf(each), each.nowMs);
          assert.ok(!('problem' in said));
          const got = ask(worker, each.name, each.type, howOf(each));
          compare(said, got, each);
          if ((said.draw?.part.of ?? 1) > 1) staged += 1;
          if (said.candidates.some(({ seenFrom }) => seenFrom !== undefined)) excepted += 1;
        }
      },
    ),
    { seed: fuzzSeed(20_261_132), numRuns: fuzzRuns(250) },
  );
  // Seen at all, or the property would say nothing of what it is for.
  assert.ok(staged > fuzzHits(50, 250) && excepted > fuzzHits(50, 250), `${staged} ${excepted}`);
});

test('setHealth() step by step comes to the answers of the last state alone', () => {
  const states = fc.array(health, { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(
      fc.constantFrom(...snapshots),
      states,
      fc.array(question),
      (snapshot, told, asked) => {
        const [slow, fresh] = [startWorker(snapshot), startWorker(snapshot)];
        for (const state of told) setHealth(slow, state, snapshot.generation);
        setHealth(fresh, told.at(-1)!, snapshot.generation);
        for (const each of asked) {
          const how = howOf(each);
          const [one, other] = [slow, fresh].map((worker) =>
            ask(worker, each.name, each.type, how),
          );
          assert.deepEqual(one!.bytes, other!.bytes);
        }
      },
    ),
    { seed: fuzzSeed(20_261_133), numRuns: fuzzRuns(150) },
  );
});

test('respond() gives A and AAAA of a name the same region and TTL, in any state', () => {
  fc.assert(
    fc.property(fc.constantFrom(...snapshots), health, question, (snapshot, state, each) => {
      const worker = startWorker(snapshot);
      setHealth(worker, state, snapshot.generation);
      if (each.name.startsWith('v4')) return;
      const [a, aaaa] = ['A', 'AAAA'].map((type) => ask(worker, each.name, type, howOf(each)));
      assert.deepEqual(a!.ttls, aaaa!.ttls);
      assert.equal(a!.data[0]?.at(-1), aaaa!.data[0]?.at(-1));
    }),
    { seed: fuzzSeed(20_261_134), numRuns: fuzzRuns(250) },
  );
});

function questionOf({ name, subnet, type }: Question) {
  const client = subnet === undefined ? {} : { client: subnet };
  return { name, type, resolver: RESOLVER, ...client };
}

function howOf({ nowMs, subnet }: Question) {
  return { nowMs, resolver: RESOLVER, ...(subnet === undefined ? {} : { subnet }) };
}

function compare(said: Explanation, got: Answered, { subnet }: Question): void {
  const hint = JSON.stringify([said.name, said.type, subnet, said.draw?.why]);
  assert.deepEqual(said.answer, got.data, hint);
  if (got.ttls.length > 0)
    assert.ok(
      got.ttls.every((ttl) => ttl === said.ttl.seconds),
      hint,
    );
  if (subnet !== undefined) assert.equal(said.scope.prefixLength, got.scope, hint);
  const { region } = said;
  const chosen = said.candidates.filter((each) => each.region === region);
  if (region !== undefined) assert.ok(chosen.length > 0, hint);
}
