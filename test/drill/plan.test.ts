import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  drainOverride,
  drillPhase,
  planDrill,
  stopDrillPlan,
  untilNextPhaseMs,
} from '../../src/drill/plan.ts';

const request = { region: 'virginia', durationSeconds: 60, by: 'ana', reason: 'monthly' };
const plan = planDrill(request, 1_000_000, 'd1', { baselineMs: 5_000, settleMs: 10_000 });

test('drillPhase() transitions', () => {
  const phases = [999_999, 1_000_000, 1_004_999, 1_005_000, 1_064_999, 1_065_000, 1_075_000].map(
    (nowMs) => drillPhase(plan, nowMs),
  );
  assert.deepEqual(phases, [undefined, 'before', 'before', 'during', 'during', 'after', undefined]);
});

test('untilNextPhaseMs() leads from each phase exactly to the next', () => {
  const waits = [1_000_000, 1_005_000, 1_064_999, 1_065_000, 1_075_000].map((nowMs) =>
    untilNextPhaseMs(plan, nowMs),
  );
  assert.deepEqual(waits, [5_000, 60_000, 1, 10_000, 0]);
});

test('drainOverride() lapses at the deadline, however late it is set', () => {
  assert.deepEqual(drainOverride(plan, 1_005_000), {
    target: { kind: 'region', name: 'virginia' },
    action: 'drain',
    forSeconds: 60,
    reason: 'drill d1: monthly',
    by: 'ana',
    force: false,
  });
  assert.equal(drainOverride(plan, 1_035_000)?.forSeconds, 30);
  assert.equal(drainOverride(plan, 1_065_000), undefined);
});

test('stopDrillPlan() ends the drill now, in every phase', () => {
  for (const nowMs of [1_002_000, 1_020_000, 1_070_000]) {
    const stopped = stopDrillPlan(plan, nowMs);
    assert.equal(drillPhase(stopped, nowMs), undefined);
    assert.equal(drainOverride(stopped, nowMs), undefined);
    assert.ok(stopped.endsAtMs <= plan.endsAtMs);
  }
});
