import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PickState } from '../../src/balancing/algorithm.ts';
import { balancingAlgorithms } from '../../src/balancing/registry.ts';
import { drawAt, keyAt, serversOf, stateOf } from '../balancing/state.ts';

/** What every balancing algorithm promises, checked for each line of the registry. */

const WEIGHTS = [1, 2, 3, 4];
const NOW_MS = 1_800_000_000_000;
const SERVERS = serversOf(WEIGHTS);
const createState = (usable?: readonly number[]): PickState => stateOf(WEIGHTS, usable);
const OUTCOME = { ok: true, elapsedMs: 10, retryAfterMs: 0 };

test('balancingAlgorithms have distinct kinds and say what they do', () => {
  const kinds = balancingAlgorithms.map(({ kind }) => kind);
  assert.equal(new Set(kinds).size, kinds.length);
  for (const { kind, summary } of balancingAlgorithms) {
    assert.match(kind, /^[a-z][a-z-]*$/);
    assert.ok(summary.endsWith('.'), kind);
  }
});

for (const algorithm of balancingAlgorithms) {
  const build = (servers = SERVERS) => algorithm.build(servers, algorithm.options.parse({}));

  test(`${algorithm.kind}: never picks an unusable server`, () => {
    for (let mask = 1; mask < 16; mask++) {
      const usable = WEIGHTS.map((_, index) => (mask >> index) & 1);
      const state = createState(usable);
      const picker = build();
      for (let step = 0; step < 60; step++) {
        const picked = picker.pick(state, keyAt(step), drawAt(step), NOW_MS + step);
        assert.equal(usable[picked], 1, `mask ${mask}, step ${step}`);
      }
    }
  });

  test(`${algorithm.kind}: gives -1 when no server is usable or there is none`, () => {
    assert.equal(build().pick(createState([0, 0, 0, 0]), 1, 0.5, NOW_MS), -1);
    assert.equal(build([]).pick(stateOf([]), 1, 0.5, NOW_MS), -1);
  });

  test(`${algorithm.kind}: shares idle servers by weight`, () => {
    const state = createState();
    const picker = build();
    const counts = [0, 0, 0, 0];
    const steps = 10_000;
    for (let step = 0; step < steps; step++) {
      const picked = picker.pick(state, keyAt(step), drawAt(step), NOW_MS + step);
      counts[picked]!++;
      picker.observe?.(state, picked, OUTCOME, NOW_MS + step + 10);
    }
    // Without load peak-ewma compares capacity too, so only the order is promised of all.
    for (let index = 1; index < counts.length; index++) {
      assert.ok(counts[index]! > counts[index - 1]! * 0.9, `${counts}`);
    }
  });

  test(`${algorithm.kind}: shares by weight when requests stay in flight`, () => {
    const state = createState();
    const picker = build();
    const inFlight: number[] = [];
    const counts = [0, 0, 0, 0];
    for (let step = 0; step < 10_000; step++) {
      const picked = picker.pick(state, keyAt(step), drawAt(step), NOW_MS + step);
      counts[picked]!++;
      state.active[picked]!++;
      state.connections[picked]!++;
      inFlight.push(picked);
      if (inFlight.length > 200) {
        const done = inFlight.shift()!;
        state.active[done]!--;
        state.connections[done]!--;
        picker.observe?.(state, done, { ...OUTCOME, elapsedMs: 200 }, NOW_MS + step);
      }
    }
    for (const [index, weight] of WEIGHTS.entries()) {
      assert.ok(Math.abs(counts[index]! / 1000 - weight) < 0.15 * weight + 0.1, `${counts}`);
    }
  });

  test(`${algorithm.kind}: uses a server of weight 0 only when no other is usable`, () => {
    const servers = serversOf([0, 1]);
    const picker = build(servers);
    const state = stateOf([0, 1]);
    for (let step = 0; step < 50; step++) {
      assert.equal(picker.pick(state, keyAt(step), drawAt(step), NOW_MS + step), 1);
    }
    assert.equal(picker.pick(stateOf([0, 1], [1, 0]), 7, 0.5, NOW_MS), 0);
  });

  test(`${algorithm.kind}: gives the same picks for the same state, keys and draws`, () => {
    const run = (): number[] => {
      const state = createState();
      const picker = build();
      return Array.from({ length: 200 }, (_, step) => {
        const picked = picker.pick(state, keyAt(step), drawAt(step), NOW_MS + step);
        if (step % 3 !== 0) state.active[picked]!++;
        return picked;
      });
    };
    assert.deepEqual(run(), run());
  });

  test(`${algorithm.kind}: takes draws at the edges of [0, 1)`, () => {
    for (const draw of [0, 1 - Number.EPSILON / 2, Number.MIN_VALUE]) {
      const picked = build().pick(createState(), 0, draw, NOW_MS);
      assert.ok(picked >= 0 && picked < 4, `draw ${draw}`);
    }
  });
}
