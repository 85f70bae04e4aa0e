import assert from 'node:assert/strict';
import { test } from 'node:test';
import { overlapping, type Pause } from './pauses.ts';
import type { SoakReport } from './soak-generator.ts';
import { controlTable, type SoakResult, soakTable } from './soak-table.ts';

const pause = (fromMs: number, toMs: number): Pause => ({ fromMs, toMs, longestMs: toMs - fromMs });

const REPORT: SoakReport = {
  answered: 1000,
  lost: 0,
  late: 0,
  wrong: 0,
  examples: [],
  seconds: 60,
  p50: 1,
  p99: 1,
  p999: 1,
  maxMs: 1,
  echoAnswered: 1000,
  echoMaxMs: 20,
  pauses: [],
  echoPauses: [],
  ownPauses: [],
  turns: [],
};
const RESULT: SoakResult = {
  report: REPORT,
  flips: [],
  reloads: [],
  memory: [],
  collections: [],
  beganMs: 0,
  cpuSeconds: 1,
  gone: 0,
};

/** The figure beside the words. */
function figureOf(table: readonly string[], what: RegExp): string {
  const row = table.find((line) => what.test(line));
  assert.ok(row !== undefined, `${what}`);
  return row.split(' | ').at(-1)!.replace(' |', '');
}

test('overlapping() takes pauses that meet a span, also one within', () => {
  const [one, other] = [pause(100, 120), pause(200, 220)];
  const span = { fromMs: 105, toMs: 106 };
  assert.deepEqual([...overlapping([one, other], [span])], [one]);
  assert.deepEqual([...overlapping([one, other], [{ fromMs: 121, toMs: 199 }])], []);
});

test("a pause that meets a collection, a flip or a reload is the node's, though the echo was late", () => {
  const starts = [1000, 2000, 3000, 4000];
  const pauses = starts.map((fromMs) => pause(fromMs, fromMs + 20));
  const result: SoakResult = {
    ...RESULT,
    report: { ...REPORT, pauses: [...pauses, pause(5000, 5030)], echoPauses: pauses },
    collections: [{ thread: 'main', atMs: 990, durationMs: 15 }],
    flips: [{ fromMs: 2019, toMs: 2030, isWell: false }],
    reloads: [{ fromMs: 2500, toMs: 3500 }],
  };
  const table = soakTable(result);
  assert.equal(figureOf(table, /the node's own/), '4, longest 30.0 ms');
  assert.equal(figureOf(table, /of these, while the echo was late too/), '3, longest 20.0 ms');
  assert.equal(figureOf(table, /late too, and the node did none/), '1, longest 20.0 ms');
});

test("what the clients' own pauses explain is nobody else's", () => {
  const pauses = [pause(1000, 1020)];
  const reloads = [{ fromMs: 1000, toMs: 1010 }];
  const report = { ...REPORT, pauses, echoPauses: pauses, ownPauses: pauses };
  const table = soakTable({ ...RESULT, report, reloads });
  assert.equal(figureOf(table, /the node's own/), 'none');
  assert.equal(figureOf(table, /the clients themselves/), '1, longest 20.0 ms');
});

test('controlTable() tells how often and how long the echo alone was late', () => {
  const echoPauses = [pause(1000, 1020), pause(3000, 3015), pause(5000, 5050)];
  const table = controlTable({ ...REPORT, echoPauses, ownPauses: [pause(5000, 5050)] });
  assert.equal(figureOf(table, /clients were in time/), '2, longest 20.0 ms; 2.0 a minute');
  assert.equal(figureOf(table, /together/), '35.0 ms');
});
