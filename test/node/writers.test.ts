import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTimeJudge, TIME_SETTLE_MS, TIME_UNKNOWN_MAX_MS } from '../../src/node/writers.ts';

test('the time is known when it is agreed and has settled, or when nobody tells it for long', () => {
  let nowMs = 1_000_000;
  let isAgreed = false;
  const ears = new Set<(stepMs: number) => void>();
  const onStep = (hear: (stepMs: number) => void) => {
    ears.add(hear);
    return () => ears.delete(hear);
  };
  const isKnown = createTimeJudge({ isAgreed: () => isAgreed, onStep }, { nowMs: () => nowMs });
  const after = (ms: number): boolean => {
    nowMs += ms;
    return isKnown();
  };
  const agree = (next: boolean): void => {
    isAgreed = next;
    for (const hear of ears) hear(0);
  };
  assert.deepEqual([isKnown(), after(TIME_SETTLE_MS)], [false, false]);
  agree(true);
  assert.deepEqual([isKnown(), after(TIME_SETTLE_MS - 1)], [false, false]);
  // A second node is heard, and the time is another.
  agree(true);
  assert.deepEqual([after(TIME_SETTLE_MS - 1), after(1)], [false, true]);
  agree(false);
  assert.deepEqual([after(TIME_UNKNOWN_MAX_MS - 1), after(1)], [false, true]);
});
