import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goalTable } from './dns-goals.ts';
import { HALF, loadName, type Measurement, MOST, rateLoad } from './dns-table.ts';

function measured(
  [workload, load]: readonly [string, string],
  server: string,
  cpus: readonly number[],
  p99 = 100,
): readonly Measurement[] {
  return cpus.map((cpuPerMillion, index) => ({
    workload: loadName(workload, load),
    server,
    round: index + 1,
    fromMs: 0,
    toMs: 1,
    answersPerSecond: 1,
    cpuPerMillion,
    lost: 0,
    otherCodes: '',
    p50: 1,
    p99,
    p999: 1,
    othersShare: 0,
    generatorShare: 0,
  }));
}

test('goalTable() compares within rounds, and by the minima in parentheses', () => {
  const most = ['steered-ecs', MOST] as const;
  const table = goalTable([
    ...measured(most, 'Meridian', [2, 9, 3]),
    ...measured(most, 'gdnsd', [2, 10, 2]),
    ...measured(most, 'echo', [1, 1, 1]),
  ]);
  assert.equal(table.length, 4);
  assert.match(table[2]!, /at most 1\.00 of gdnsd \| 1\.00 \(1\.00\) \| yes/);
  assert.match(table[3]!, /at most 1\.15 of echo \| 3\.00 \(2\.00\) \| \*\*no\*\*/);
});

test('goalTable() has rows only for what was measured of both', () => {
  const at = ['steered-ecs', rateLoad(50_000)] as const;
  assert.deepEqual(goalTable(measured(at, 'Meridian', [1])), []);
  const table = goalTable([
    ...measured(at, 'Meridian', [1]),
    ...measured(at, 'gdnsd', [1]),
    ...measured(['steered-ecs', HALF], 'Meridian', [1], 130),
    ...measured(['steered-ecs', HALF], 'gdnsd', [1], 100),
  ]);
  assert.equal(table.length, 4);
  assert.match(table[2]!, /CPU .* 50k a second: at most 1\.10 of gdnsd .* yes/);
  assert.match(table[3]!, /p99 .* half of it: at most 1\.20 of gdnsd .* \*\*no\*\*/);
});
