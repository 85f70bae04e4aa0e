import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ClientReport, judge, OUTCOME } from './trouble-clients.ts';
import {
  clientFigures,
  leftOutAfter,
  serverRequests,
  settledAfter,
  shareOf,
} from './trouble-figures.ts';
import { BIN_MS, type ServerCounts } from './trouble-servers.ts';

const START_MS = 1_000_000;
const RATE = 100;
const ALL = { fromMs: START_MS, toMs: START_MS + 4000 };

/** A hundred requests a second, each of so many milliseconds as its second says. */
function reported(milliseconds: readonly number[], outcomes?: readonly number[]): ClientReport {
  const microseconds = milliseconds.flatMap((each) => new Array<number>(RATE).fill(each * 1000));
  return {
    startedMs: START_MS,
    rate: RATE,
    microseconds,
    outcomes: outcomes ?? microseconds.map(() => 200),
    repeated: 0,
    longestPauseMs: 0,
  };
}

/** Requests per bin of two servers. */
function counted(first: readonly number[], second: readonly number[]): ServerCounts {
  return { sinceMs: START_MS, bins: [first, second] };
}

test('clientFigures() takes what was due in the stretch, and failures with it', () => {
  const outcomes = new Array<number>(400)
    .fill(200)
    .fill(503, 100, 110)
    .fill(OUTCOME.late, 110, 115);
  const report = reported([1, 2, 3, 4], outcomes);
  const all = clientFigures(report, ALL);
  assert.deepEqual([all.requests, all.failed, all.p50, all.max], [400, 15, 3, 4]);
  assert.deepEqual(
    [...all.failures],
    [
      [503, 10],
      [OUTCOME.late, 5],
    ],
  );
  const third = clientFigures(report, { fromMs: START_MS + 2000, toMs: START_MS + 3000 });
  assert.deepEqual([third.requests, third.failed, third.p99], [100, 0, 3]);
});

test('leftOutAfter() is the first whole second below a fifth of an equal share', () => {
  const seconds = 4000 / BIN_MS;
  const well = new Array<number>(seconds).fill(10);
  const bad = new Array<number>(seconds).fill(10).fill(0, 1500 / BIN_MS);
  const counts = counted(bad, well);
  // The second from 1.4 on has a tenth of its share.
  assert.equal(leftOutAfter(counts, ALL, [0]), 1.4);
  assert.equal(leftOutAfter(counts, ALL, [1]), undefined);
  assert.deepEqual(serverRequests(counts, ALL), [150, 400]);
  assert.equal(shareOf([150, 450], [0]), 0.25);
});

test('settledAfter() wants two seconds in a row below twice of before', () => {
  assert.equal(settledAfter(reported([30, 9, 30, 9]), ALL, 5), undefined);
  assert.equal(settledAfter(reported([30, 30, 9, 9]), ALL, 5), 2);
  const failed = new Array<number>(400).fill(200).fill(503, 399);
  assert.equal(settledAfter(reported([30, 30, 9, 9], failed), ALL, 5), undefined);
});

test('judge() knows when an answer is whole, and whether it is right', () => {
  const head = 'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n';
  assert.equal(judge(`${head}hello from 1`, false), undefined);
  assert.equal(judge(`${head}hello from 1\n`, false), 200);
  assert.equal(judge(`${head}jello from 1\n`, false), OUTCOME.wrong);
  assert.equal(judge('HTTP/1.0 503 Service Unavailable\r\n\r\nsorry', false), undefined);
  assert.equal(judge('HTTP/1.0 503 Service Unavailable\r\n\r\nsorry', true), 503);
});
