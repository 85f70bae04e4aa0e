import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SoakFailure } from './http-soak-clients.ts';
import { type HttpSoakResult, httpSoakFaults, httpSoakTable, rowsOf } from './http-soak-table.ts';
import type { MemorySample } from './memory-watch.ts';

const BEGAN_MS = 1_000_000;
const SECONDS = 160;

/** A process and a worker that hold so much at each second. */
function held(
  rss: (second: number) => number,
  heap: (second: number) => number,
): readonly MemorySample[] {
  return Array.from({ length: SECONDS }, (_, second) => {
    const sample = { atMs: BEGAN_MS + 1000 * second, rss: rss(second), external: 0 };
    return [
      { ...sample, thread: 'main', heapUsed: 50e6, arrayBuffers: 0 },
      { ...sample, thread: 'balancer-1', heapUsed: heap(second), arrayBuffers: 0 },
    ];
  }).flat();
}

function result(changes: Partial<HttpSoakResult>): HttpSoakResult {
  return {
    report: { right: { small: 1 }, wrong: [], failed: [] },
    memory: [],
    deathsMs: [],
    reloadMs: [],
    beganMs: BEGAN_MS,
    ...changes,
  };
}

/** Grows between collections and falls back. */
const saw = (second: number): number => 20e6 + (second % 10) * 5e6;

test('rowsOf() takes the least heap of ten seconds, and the most resident memory', () => {
  const rows = rowsOf(result({ memory: held((second) => second * 1e6, saw) }));
  assert.equal(rows.length, SECONDS / 10);
  assert.deepEqual([rows[0]!.atSeconds, rows[0]!.rss, rows[0]!.workerHeap], [10, 9e6, 20e6]);
});

test('httpSoakFaults() calls memory flat that goes up and down, and not what grows', () => {
  assert.deepEqual(httpSoakFaults(result({ memory: held(() => 300e6, saw) })), []);
  const grown = held(
    () => 300e6,
    (second) => 20e6 + second * 3e5,
  );
  assert.match(httpSoakFaults(result({ memory: grown })).join(), /^not flat: heap of the worker/);
  const swollen = held((second) => 300e6 + second * 4e5, saw);
  assert.match(httpSoakFaults(result({ memory: swollen })).join(), /^not flat: resident grew/);
  assert.match(httpSoakTable(result({ memory: swollen })).join('\n'), /\| \*\*no\*\* \|/);
});

test('httpSoakFaults() excuses what was under way when a server died, and no wrong answer', () => {
  const failure = (fromMs: number, toMs: number): SoakFailure => ({
    ...{ kind: 'post', what: 'answered 502' },
    ...{ fromMs: BEGAN_MS + fromMs, toMs: BEGAN_MS + toMs },
  });
  const deathsMs = [BEGAN_MS + 5000];
  const near = {
    right: { small: 1 },
    wrong: [],
    failed: [failure(4000, 5100), failure(6000, 6001)],
  };
  assert.deepEqual(httpSoakFaults(result({ report: near, deathsMs })), []);
  const far = { ...near, failed: [failure(4000, 4900), failure(7001, 7002)] };
  assert.match(httpSoakFaults(result({ report: far, deathsMs })).join(), /^2 failures while no/);
  const wrong = { ...near, wrong: [failure(5000, 5001)] };
  assert.match(
    httpSoakFaults(result({ report: wrong, deathsMs })).join(),
    /^1 wrong answers: 1 post/,
  );
  const silent = { right: {}, wrong: [], failed: [] };
  assert.deepEqual(httpSoakFaults(result({ report: silent })), ['nothing was answered']);
});
