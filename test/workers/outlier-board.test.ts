import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outlier } from '../../src/balancer/standing.ts';
import { createOutlierBoard } from '../../src/workers/outlier-board.ts';

const outlier = (level: Outlier['level'], untilMs: number, server = 'a'): Outlier => ({
  ...{ upstream: 'web', server, level, untilMs },
  why: `${level} until ${untilMs}`,
});

test('of several workers the one that holds most against a server has the word', () => {
  const board = createOutlierBoard();
  for (const worker of ['w1', 'w2', 'w3', 'w4']) board.serve(worker, ['web', 'more']);
  board.serve('w5', ['other']);
  const tell = (worker: string, ...outliers: Outlier[]) => board.tell(worker, outliers);
  tell('w1', outlier('reduced', 90), outlier('reduced', 10, 'b'));
  tell('w2', outlier('ejected', 20));
  tell('w3', outlier('ejected', 30));
  assert.deepEqual(board.read(), [
    { ...outlier('ejected', 30), workers: 3, workersTotal: 4 },
    { ...outlier('reduced', 10, 'b'), workers: 1, workersTotal: 4 },
  ]);
  tell('w1');
  board.forget('w3');
  assert.deepEqual(board.read(), [{ ...outlier('ejected', 20), workers: 1, workersTotal: 3 }]);
  board.forget('w2');
  assert.deepEqual(board.read(), []);
});
