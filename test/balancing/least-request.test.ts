import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leastRequest } from '../../src/balancing/least-request.ts';
import { serversOf, stateOf } from './state.ts';

function setup(weights: readonly number[], scan: 'two' | 'all') {
  return { picker: leastRequest.build(serversOf(weights), { scan }), state: stateOf(weights) };
}

test('leastRequest never picks the busiest of two, whatever the draw', () => {
  const { picker, state } = setup([1, 1], 'two');
  state.active.set([3, 2]);
  for (let draw = 0; draw < 1; draw += 0.01) assert.equal(picker.pick(state, 0, draw, 0), 1);
});

test('leastRequest compares two distinct servers, so the busiest of many is never picked', () => {
  const { picker, state } = setup([1, 1, 1, 1], 'two');
  state.active.set([9, 1, 1, 1]);
  for (let draw = 0; draw < 1; draw += 0.001) assert.notEqual(picker.pick(state, 0, draw, 0), 0);
});

test('leastRequest counts load per weight', () => {
  const { picker, state } = setup([4, 1], 'two');
  state.active.set([3, 1]);
  for (let draw = 0; draw < 1; draw += 0.01) assert.equal(picker.pick(state, 0, draw, 0), 0);
});

test('leastRequest finds the least busy of all when told to scan', () => {
  const { picker, state } = setup([1, 1, 1, 1, 1], 'all');
  state.active.set([4, 3, 9, 1, 2]);
  for (let draw = 0; draw < 1; draw += 0.1) assert.equal(picker.pick(state, 0, draw, 0), 3);
});

test('leastRequest keeps requests in flight in proportion to the weights', () => {
  for (const scan of ['two', 'all'] as const) {
    const { picker, state } = setup([1, 2, 5], scan);
    let draw = 0.1;
    for (let placed = 0; placed < 800; placed++) {
      draw = (draw + 0.6180339887) % 1;
      state.active[picker.pick(state, 0, draw, 0)]!++;
    }
    for (const [index, expected] of [100, 200, 500].entries()) {
      assert.ok(Math.abs(state.active[index]! - expected) <= 5, `${scan}: ${state.active}`);
    }
  }
});

test('leastRequest shares an idle pool by weight, also beside a server in its slow start', () => {
  const weights = [0.5, 1, 1, 1];
  for (const scan of ['two', 'all'] as const) {
    const { picker, state } = setup(weights, scan);
    const counts = weights.map(() => 0);
    for (let draw = 0.5 / DRAWS; draw < 1; draw += 1 / DRAWS) {
      counts[picker.pick(state, 0, draw, 0)]! += 1;
    }
    for (const [index, weight] of weights.entries()) {
      const expected = (DRAWS * weight) / 3.5;
      assert.ok(Math.abs(counts[index]! - expected) < 0.01 * DRAWS, `${scan}: ${counts}`);
    }
  }
});

const DRAWS = 10_000;
