import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createProgress,
  describeProgress,
  PROGRESS_AFTER_MS,
  PROGRESS_EVERY_MS,
} from '../../src/workers/compile-progress.ts';

test('a short compilation tells nothing, a long one how far it is from time to time', () => {
  let nowMs = 5000;
  const told: string[] = [];
  const progress = createProgress(
    (message) => told.push(describeProgress(message)),
    () => nowMs,
  );
  const at = (ms: number, share: number): void => {
    nowMs = 5000 + ms;
    progress('reading city.mmdb', share);
  };
  at(0, 0);
  at(PROGRESS_AFTER_MS - 1, 0.2);
  assert.deepEqual(told, []);
  at(PROGRESS_AFTER_MS, 0.254);
  at(PROGRESS_AFTER_MS + PROGRESS_EVERY_MS - 1, 0.5);
  at(PROGRESS_AFTER_MS + PROGRESS_EVERY_MS, 0.75);
  assert.deepEqual(told, [
    'Compiling what is served: reading city.mmdb, 25 %.',
    'Compiling what is served: reading city.mmdb, 75 %.',
  ]);
});
