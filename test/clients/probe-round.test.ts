import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createProbeRound,
  EXCHANGES,
  type ProbeExchange,
  type ProbeTarget,
} from '../../src/clients/probe-round.ts';

const INTERVAL_MS = 600_000;
const target = (address: string): ProbeTarget => ({
  address,
  methods: [
    { kind: 'dns', port: 53 },
    { kind: 'tcp', port: 53 },
    { kind: 'icmp', port: 0 },
  ],
  networks: [{ first: 7, count: 1 }],
});

/** A round whose time is moved by its exchanges; `answer` says how long each takes. */
function open(targets: readonly ProbeTarget[], draw = () => 0.5) {
  const round = createProbeRound(() => INTERVAL_MS, draw);
  round.aim(targets, 0);
  return {
    round,
    /** All exchanges of a time, one each so many milliseconds. */
    run(
      fromMs: number,
      toMs: number,
      gapMs: number,
      answer: (exchange: ProbeExchange) => number | undefined,
    ) {
      const done: { readonly atMs: number; readonly exchange: ProbeExchange }[] = [];
      const readings = [];
      for (let atMs = fromMs; atMs < toMs; atMs += gapMs) {
        const exchange = round.next(atMs);
        if (exchange === undefined) continue;
        done.push({ atMs, exchange });
        const reading = round.heard(exchange, answer(exchange), atMs);
        if (reading !== undefined) readings.push(reading);
      }
      return { done, readings };
    },
  };
}

test('a target is measured once in an interval, by its shortest round trip', () => {
  const times = [30, 20, 25, 40];
  const { done, readings } = open([target('192.0.2.1')]).run(
    ...([0, 2 * INTERVAL_MS, 100] as const),
    () => times.shift(),
  );
  assert.equal(done.length, 2 * EXCHANGES);
  assert.deepEqual(
    readings.map(({ deviationMs, rttMs }) => [rttMs, deviationMs]),
    [
      [20, 10],
      [25, 15],
    ],
  );
});

test('a method that is not answered gives way to the next, which is kept', () => {
  const { done } = open([target('192.0.2.1')]).run(0, 2 * INTERVAL_MS, 100, ({ way }) =>
    way.kind === 'tcp' ? 10 : undefined,
  );
  assert.deepEqual(
    done.map(({ exchange }) => exchange.way.kind),
    ['dns', 'tcp', 'tcp', 'tcp', 'tcp'],
  );
});

test('who never answers is asked more and more seldom', () => {
  const { done, readings } = open([target('192.0.2.1')]).run(
    ...([0, 1000 * INTERVAL_MS, 1000] as const),
    () => undefined,
  );
  assert.deepEqual(readings, []);
  const gaps = done
    .filter((_, index) => index % 3 === 0)
    .map(({ atMs }, index, all) => Math.round((atMs - (all[index - 1]?.atMs ?? 0)) / INTERVAL_MS));
  assert.deepEqual(gaps.slice(0, 8), [0, 2, 4, 8, 16, 32, 32, 32]);
});

test('a target that answers every second time comes to an end', () => {
  let turn = 0;
  const { done } = open([target('192.0.2.1')]).run(0, INTERVAL_MS, 100, () => {
    turn += 1;
    return turn % 2 === 1 ? 10 : undefined;
  });
  assert.equal(done.length, 6);
});

test('however targets come and go, each is measured once in an interval', () => {
  const { round } = open([]);
  const at = new Map<string, number[]>();
  for (let second = 0; second < 3600; second += 1) {
    const nowMs = second * 1000;
    round.aim(second % 7 < 3 ? [target('192.0.2.1')] : [target('192.0.2.2')], nowMs);
    const exchange = round.next(nowMs);
    if (exchange === undefined) continue;
    const { address } = exchange.target;
    if (round.heard(exchange, 10, nowMs) !== undefined) {
      at.set(address, [...(at.get(address) ?? []), second]);
    }
  }
  for (const seconds of at.values()) {
    assert.ok(seconds.length > 3);
    for (const [index, second] of seconds.entries()) {
      if (index > 0) assert.ok(second - seconds[index - 1]! >= 600, seconds.join(' '));
    }
  }
});

test('an exchange that is under way is not begun again, and one that is gone is no news', () => {
  const { round } = open([target('192.0.2.1')]);
  const exchange = round.next(0)!;
  assert.equal(round.next(10_000), undefined);
  round.aim([], 10_000);
  assert.equal(round.heard(exchange, 10, 10_000), undefined);
  assert.deepEqual(round.counts(), { targets: 0, answering: 0 });
});

test('intervals differ, so that targets do not march in step', () => {
  const draws = [0, 0.999];
  const { run } = open([target('192.0.2.1')], () => draws.shift() ?? 0.5);
  const { done } = run(0, 3 * INTERVAL_MS, 1000, () => 10);
  const begins = done.filter((_, index) => index % EXCHANGES === 0).map(({ atMs }) => atMs);
  assert.deepEqual(begins.slice(0, 3), [0, 481_000, 1_202_000]);
});
