import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { jitteredTtl, TTL_JITTER } from '../../src/nameserver/jitter.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';
import { allUp, ask, compiled, createConfig, startWorker, UP, WEB_POOL } from './fixture.ts';

const snapshot = compiled();

test('jitteredTtl() takes at most a tenth, never more than the TTL nor less than the least', () => {
  const seconds = fc.integer({ min: 0, max: 604_800 });
  fc.assert(
    fc.property(seconds, seconds, fc.nat(), fc.nat(), (one, other, nameHash, bucket) => {
      const [least, ttl] = [Math.min(one, other), Math.max(one, other)];
      const told = jitteredTtl(ttl, least, nameHash, bucket);
      assert.ok(Number.isInteger(told));
      assert.ok(told <= ttl && told >= least && told >= ttl * (1 - TTL_JITTER) - 1e-9);
      assert.equal(jitteredTtl(ttl, least, nameHash, bucket), told, 'always the same');
    }),
    { seed: fuzzSeed(20_261_130), numRuns: fuzzRuns(500) },
  );
});

test('jitteredTtl() parts clients evenly over the seconds that it may take', () => {
  const counts = new Map<number, number>();
  const total = 4000;
  for (let bucket = 0; bucket < total; bucket += 1) {
    const ttl = jitteredTtl(30, 5, 12_345, bucket);
    counts.set(ttl, (counts.get(ttl) ?? 0) + 1);
  }
  assert.deepEqual([...counts.keys()].sort(), [27, 28, 29, 30]);
  for (const count of counts.values()) assert.ok(Math.abs(count / total - 0.25) < 0.03);
});

test('respond() tells resolvers apart by a little of the TTL, records and families of one alike', () => {
  const words = allUp(snapshot);
  const worker = startWorker(snapshot, words.fill(UP));
  const seen = new Set<number>();
  for (let i = 0; i < 64; i += 1) {
    const how = { subnet: `80.${i}.9.0/24` };
    const [a, aaaa, chained] = [
      ask(worker, 'www.gslb.example', 'A', how),
      ask(worker, 'www.gslb.example', 'AAAA', how),
      ask(worker, 'to-steered.gslb.example', 'A', how),
    ];
    const [ttl] = a.ttls;
    seen.add(ttl!);
    assert.deepEqual(aaaa.ttls, [ttl]);
    assert.deepEqual(ask(startWorker(snapshot), 'www.gslb.example', 'A', how).ttls, [ttl]);
    assert.equal(chained.ttls[0], 300, 'a record that is not steered keeps its own');
  }
  assert.deepEqual([...seen].sort(), [27, 28, 29, 30]);
});

test('respond() tells all records of an answer the same TTL, also behind an alias', () => {
  const addresses = ['192.0.2.71', '192.0.2.72', '2001:db8::71', '2001:db8::72'];
  const web = { ...WEB_POOL, endpoints: [{ region: 'eu', weight: 1, addresses }] };
  const worker = startWorker(compiled(createConfig({ pools: { ...createConfig().pools, web } })));
  const seen = new Set<string>();
  for (let i = 0; i < 64; i += 1) {
    const how = { subnet: `80.${i}.9.0/24` };
    const { ttls } = ask(worker, 'www.gslb.example', 'A', how);
    const [alias, ...chained] = ask(worker, 'to-steered.gslb.example', 'AAAA', how).ttls;
    assert.deepEqual([ttls.length, alias], [2, 300]);
    assert.deepEqual(new Set([...ttls, ...chained]).size, 1);
    seen.add(ttls.join());
  }
  assert.equal(seen.size, 4);
});

test('respond() takes nothing from a TTL that is the least, or too short to part', () => {
  for (const [word, ttl] of [
    [1, 5],
    [7, 7],
    [9, 9],
  ] as const) {
    const worker = startWorker(snapshot, allUp(snapshot).fill(word));
    for (let i = 0; i < 32; i += 1) {
      const how = { subnet: `80.${i}.9.0/24` };
      assert.deepEqual(ask(worker, 'www.gslb.example', 'A', how).ttls, [ttl]);
    }
  }
});
