import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDown } from '../../src/health/health-word.ts';
import { readExceptions } from '../../src/health/health-words.ts';
import type { Statement } from '../../src/health/statement.ts';
import { STOOD_STILL_MS } from '../../src/monitoring/health-rows.ts';
import { SWEEP_MS } from '../../src/monitoring/health-table.ts';
import { boardBench, FOUR, HALF, REGIONS, WINDOW_MS } from './board-rig.ts';
import { statement } from './statements.ts';

test('createHealthBoard() keeps in all of its share what the withdrawal limit keeps in', () => {
  const { say, share, state } = boardBench({ ...HALF, ramp: { from: 0.1, overMs: 60_000 } });
  say('up', ...REGIONS);
  say('down', 'a', 'b', 'c');
  assert.equal(state('c'), 'frozen');
  assert.equal(share('c'), 1, 'it never left: nothing to return from');
});

test('createHealthBoard() lets a kept endpoint go when the window has passed', () => {
  const { events, later, say, state } = boardBench(HALF);
  say('up', ...REGIONS);
  say('down', 'a', 'b');
  later(1000);
  say('down', 'c');
  assert.deepEqual(REGIONS.map(state), ['down', 'down', 'frozen', 'up']);
  assert.ok(events.some(({ kind }) => kind === 'pool.frozen'));
  later(WINDOW_MS - 2000);
  assert.equal(state('c'), 'frozen');
  later(1000);
  assert.equal(state('c'), 'down', 'the others are no news any more');
  assert.ok(events.some(({ kind }) => kind === 'pool.thawed'));
});

test('createHealthBoard() lets a person take out what it keeps, and keeps it when the word is gone', () => {
  const { board, clock, say, state } = boardBench(HALF);
  say('up', ...REGIONS);
  say('down', 'a', 'b', 'c');
  const word = {
    target: { kind: 'endpoint', name: 'web/c' },
    action: 'down',
    reason: '',
    by: 'kim',
    setAtMs: clock.nowMs(),
  } as const;
  board.setOverrides([word]);
  assert.equal(state('c'), 'forced-down');
  assert.ok(isDown(board.words().words[2]!));
  board.setOverrides([]);
  assert.equal(state('c'), 'frozen');
  assert.ok(!isDown(board.words().words[2]!));
});

test('createHealthBoard() keeps a frozen endpoint for those too who see it begin to come back', () => {
  const { board, clock, state } = boardBench(HALF);
  const eyes = ['a', 'b', 'd'];
  for (const vantage of eyes) {
    board.hear({ vantage, group: vantage, node: 'n', heardAtMs: 0, trusted: true, reason: '' });
  }
  const see = (
    region: string,
    verdict: Statement['verdict'],
    changes: Partial<Statement> = {},
    from: readonly string[] = eyes,
  ): void => {
    const key = FOUR[REGIONS.indexOf(region as 'a')]!.targets[0]!.address;
    for (const vantage of from)
      board.observe(statement(vantage, key, verdict, clock.nowMs(), changes));
  };
  for (const region of REGIONS) see(region, 'up');
  for (const region of ['a', 'b', 'c']) see(region, 'down');
  assert.equal(state('c'), 'frozen');
  // One success of two: nearer to up than the world.
  see('c', 'down', { secondsToChange: 1 }, ['a']);
  const { exceptions } = board.words();
  assert.ok(readExceptions(exceptions).every(({ word }) => !isDown(word)));
});

test('createHealthBoard() begins a slow return when an endpoint comes back, and anew after a new fall', () => {
  const { later, say, share } = boardBench({ ramp: { from: 0.25, overMs: 64_000 } });
  say('up', ...REGIONS);
  assert.equal(share('a'), 1, 'what was never out has all of its share');
  say('down', 'a');
  later(1000);
  say('up', 'a');
  assert.equal(share('a'), 0.25);
  let before = 0;
  for (let ms = 0; ms < 62_000; ms += 2000) {
    later(2000);
    assert.ok(share('a') >= before, 'it never falls');
    before = share('a');
  }
  assert.ok(before < 1 && before > 0.9);
  say('down', 'a');
  say('up', 'a');
  assert.equal(share('a'), 0.25, 'a new fall, a new return');
  later(64_000);
  assert.equal(share('a'), 1);
});

test('createHealthBoard() overthrows nothing by old news after it stood still', () => {
  const { board, clock, later, say, state } = boardBench();
  say('up', ...REGIONS);
  later(1000);
  clock.leap(STOOD_STILL_MS + SWEEP_MS);
  // What was said meanwhile, one after the other.
  say('down', 'a');
  assert.equal(state('a'), 'up');
  board.sweep();
  say('up', 'a');
  later(SWEEP_MS);
  assert.equal(state('a'), 'up');
  clock.leap(STOOD_STILL_MS + SWEEP_MS);
  say('down', 'a');
  board.sweep();
  assert.equal(state('a'), 'up');
  later(SWEEP_MS);
  assert.equal(state('a'), 'down', 'what is still said counts');
});
