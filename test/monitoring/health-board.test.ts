import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boardBench, FOUR, HALF, REGIONS, WINDOW_MS } from './board-rig.ts';

test('createHealthBoard() does not believe a past that lies in the future', () => {
  const first = boardBench({ ...HALF, ramp: { from: 0.25, overMs: 60_000 } });
  first.clock.leap(86_400_000);
  first.say('up', ...REGIONS);
  first.say('down', 'a');
  first.say('up', 'a');
  first.say('down', 'b', 'c', 'd');
  const saved = JSON.parse(JSON.stringify(first.board.exportState())) as unknown;
  // The clock was set back by a day while the node was away.
  const { later, say, share, state } = boardBench(
    { ...HALF, ramp: { from: 0.25, overMs: 60_000 } },
    FOUR,
    saved,
  );
  say('up', 'a');
  say('down', 'b', 'c', 'd');
  assert.equal(state('d'), 'frozen');
  later(WINDOW_MS);
  assert.equal(share('a'), 1, 'the return has an end');
  assert.equal(state('d'), 'down', 'the window has one too');
});

test('createHealthBoard() takes over the later of two held judgements, but no echo of its own', () => {
  const { board, clock, say } = boardBench();
  const id = 'web/a 127.0.0.1';
  const hear = (health: 'up' | 'down', decidedAtMs: number): void =>
    board.hearJudgement({ id, health, decidedAtMs });
  say('up', 'a');
  hear('down', clock.nowMs() + 1);
  assert.equal(board.status('web/a')?.judged, 'up', 'votes that decide stand above hearsay');
  clock.leap(4000);
  board.sweep();
  const [held] = board.heldJudgements();
  assert.equal(held?.health, 'up');
  // A neighbour tells back what it heard from us; the way took a while.
  hear('up', held!.decidedAtMs + 200);
  assert.deepEqual(board.heldJudgements(), [held], 'or the two would keep it alive for ever');
  hear('down', held!.decidedAtMs - 1);
  assert.equal(board.status('web/a')?.judged, 'up');
  hear('down', held!.decidedAtMs + 1);
  assert.equal(board.status('web/a')?.judged, 'down');
});
