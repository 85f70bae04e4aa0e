import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createReplica } from '../../src/cluster/replica.ts';
import { regionLoads } from '../../src/control/drill-world.ts';
import { createReportedLoads, regionCapacities } from '../../src/control/reported-loads.ts';

const NOW_MS = 1_800_000_000_000;

function open() {
  let nowMs = NOW_MS;
  const replica = createReplica('a');
  const loads = createReportedLoads({
    ...{ replica, clock: { nowMs: () => nowMs } },
    settled: async () => ({ shared: true, detail: '' }),
  });
  return { loads, replica, pass: (ms: number) => (nowMs += ms) };
}
const load = (region: string, more: { requestsPerSecond?: number; capacity?: number }) => ({
  ...{ region, by: 'me', atMs: NOW_MS, expiresAtMs: NOW_MS + 60_000, ...more },
});

test('reports are known to all who share the replica, until their time is over', async () => {
  const { loads, pass, replica } = open();
  await loads.set(load('eu', { requestsPerSecond: 5 }));
  await loads.set(load('us', { capacity: 7 }));
  const other = createReportedLoads({
    ...{ replica, clock: { nowMs: () => NOW_MS } },
    settled: async () => ({ shared: true, detail: '' }),
  });
  assert.deepEqual([...other.current().keys()], ['eu', 'us']);
  pass(60_000);
  assert.equal(loads.current().size, 0);
});

test('what another version or a stranger wrote is passed over', () => {
  const { loads, replica } = open();
  replica.write('region-load/eu', 'no JSON', NOW_MS);
  replica.write('region-load/us', JSON.stringify(load('eu', {})), NOW_MS);
  replica.write('region-load/ap', JSON.stringify({ ...load('ap', {}), capacity: -1 }), NOW_MS);
  assert.equal(loads.current().size, 0);
});

test('a reported load stands above what balancers count, a reported capacity above the configured one', async () => {
  const { loads } = open();
  await loads.set(load('eu', { requestsPerSecond: 500 }));
  await loads.set(load('us', { capacity: 70 }));
  await loads.set(load('gone', { requestsPerSecond: 1 }));
  const report = (region: string) => ({
    ...{ region, requestsPerSecond: 10, heardAtMs: NOW_MS, leaseMs: 3000 },
  });
  const counted = regionLoads(
    [report('eu'), report('us')] as unknown as Parameters<typeof regionLoads>[0],
    ['eu', 'us'],
    NOW_MS,
    loads.current(),
  );
  assert.deepEqual(
    [...counted],
    [
      ['eu', 500],
      ['us', 10],
    ],
  );
  assert.deepEqual(
    regionCapacities({ eu: { capacity: 1 }, us: { capacity: 2 } }, loads.current()),
    [
      { name: 'eu', capacity: 1 },
      { name: 'us', capacity: 70 },
    ],
  );
});
