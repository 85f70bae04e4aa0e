import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Measurement } from './dns-table.ts';
import { httpGoalTable } from './http-goals.ts';
import { httpTable, latencyTable } from './http-table.ts';

function measured(
  workload: string,
  server: string,
  cpus: readonly number[],
  { lost = 0, otherCodes = '', p50 = 1, p99 = 100 } = {},
): readonly Measurement[] {
  return cpus.map((cpuPerMillion, index) => ({
    workload,
    server,
    round: index + 1,
    fromMs: 0,
    toMs: 1,
    answersPerSecond: 1000,
    cpuPerMillion,
    lost,
    otherCodes,
    p50,
    p99,
    p999: 1,
    othersShare: 0,
    generatorShare: 0,
  }));
}

const NOTHING = { loads: [], steady: [], idle: [] };

test('httpGoalTable() compares within rounds, and by the minima in parentheses', () => {
  const loads = [
    ...measured('get-64', 'Meridian', [2, 9, 3]),
    ...measured('get-64', 'HAProxy', [2, 10, 2]),
    ...measured('get-64', 'nginx', [1, 1, 1]),
  ];
  const table = httpGoalTable({ ...NOTHING, loads });
  assert.equal(table.length, 4);
  assert.match(table[2]!, /at most 1\.00 of HAProxy \| 1\.00 \(1\.00\) \| yes/);
  assert.match(table[3]!, /at most 1\.00 of nginx \| 3\.00 \(2\.00\) \| \*\*no\*\*/);
});

test('httpGoalTable() takes the cheapest proxy on Node of each round', () => {
  const loads = [
    ...measured('get-256', 'Meridian portable', [6, 6]),
    ...measured('get-256', 'undici', [10, 30]),
    ...measured('get-256', 'fast-proxy', [20, 15]),
  ];
  const table = httpGoalTable({ ...NOTHING, loads });
  assert.equal(table.length, 3);
  assert.match(table[2]!, /at most 0\.60 of the best Node proxy \| 0\.50 \(0\.60\) \| yes/);
});

test('httpGoalTable() judges what is added to the backend asked directly', () => {
  const steady = [
    ...measured('steady', 'direct', [1], { p50: 50, p99: 100 }),
    ...measured('steady', 'HAProxy', [1], { p50: 80, p99: 200 }),
    ...measured('steady', 'Meridian', [1], { p50: 150, p99: 350 }),
  ];
  const table = httpGoalTable({ ...NOTHING, steady });
  assert.equal(table.length, 5);
  assert.match(table[2]!, /p50 .* under 0\.2 ms \| 0\.100 ms \| yes/);
  assert.match(table[3]!, /p99 .* under 1 ms \| 0\.250 ms \| yes/);
  assert.match(table[4]!, /at most 2 of what HAProxy adds \| 2\.50 \| \*\*no\*\*/);
  assert.match(
    latencyTable(steady, ['Meridian'])[3]!,
    /\| Meridian \| 150 \/ 350 \| 100 \/ 250 \|/,
  );
});

test('httpGoalTable() judges memory by the engine', () => {
  const memory = { residentBytes: [0, 0, 0], perConnectionBytes: 2048, slopeBytes: 1 } as const;
  const idle = ['Meridian', 'Meridian portable', 'nginx'].map((server) => ({ ...memory, server }));
  const table = httpGoalTable({ ...NOTHING, idle });
  assert.equal(table.length, 4);
  assert.match(table[2]!, /at most 1 KiB \| 2\.00 KiB \| \*\*no\*\*/);
  assert.match(table[3]!, /portable .* at most 3 KiB \| 2\.00 KiB \| yes/);
});

test('httpGoalTable() has no table where nothing can be compared', () => {
  assert.deepEqual(httpGoalTable({ ...NOTHING, loads: measured('get-64', 'Meridian', [1]) }), []);
});

test('httpTable() tells errors in the row', () => {
  const loads = [
    ...measured('close', 'nginx', [4], { lost: 3, otherCodes: '**2 responses not 2xx**' }),
    ...measured('close', 'HAProxy', [2]),
  ];
  const [, , haproxy, nginx] = httpTable(loads, ['HAProxy', 'nginx']);
  assert.match(haproxy!, /\| 1\.00 \| 0\.50 \|.*no errors/);
  assert.match(nginx!, /\| 2\.00 \| 1\.00 \|.*\*\*3 errors\*\*; \*\*2 responses not 2xx\*\*/);
});
