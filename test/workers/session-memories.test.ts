import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BalancerSnapshot } from '../../src/balancer/snapshot.ts';
import { createSessionMemories } from '../../src/workers/session-memories.ts';
import { snapshotOf } from '../balancer/rig.ts';

const table = {
  key: { kind: 'header', name: 'x-user' },
  ...{ ttlSeconds: 60, shared: false, secret: '' },
} as const;

const snapshotWith = (sessionsMax: number): BalancerSnapshot =>
  snapshotOf({ servers: [1], shadows: [2], affinity: { table: { ...table, sessionsMax } } });

test('regions share the memory of an upstream, and it stays while its size does', () => {
  const memories = createSessionMemories();
  const first = memories.attach(
    new Map([
      ['eu', snapshotWith(1000)],
      ['us', snapshotWith(1000)],
    ]),
  );
  const memory = first.get('eu')!.upstreams[0]!.sessionMemory;
  assert.ok(memory && memory.byteLength > 17_000);
  assert.equal(first.get('us')!.upstreams[0]!.sessionMemory, memory);
  assert.equal(first.get('eu')!.upstreams[1]!.sessionMemory, undefined, 'it has no table');
  assert.equal(memories.of('web'), memory);
  const attach = (sessionsMax: number) =>
    memories.attach(new Map([['us', snapshotWith(sessionsMax)]])).get('us')!.upstreams[0]!
      .sessionMemory;
  assert.equal(attach(1000), memory);
  assert.notEqual(attach(5000), memory);
  memories.attach(new Map());
  assert.equal(memories.of('web'), undefined, 'nobody uses it');
});
