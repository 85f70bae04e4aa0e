import assert from 'node:assert/strict';
import { test } from 'node:test';
import { roundRobin } from '../../src/balancing/round-robin.ts';
import { serversOf, stateOf } from './state.ts';

function sequence(weights: readonly number[], usable: readonly number[], count: number): string {
  const picker = roundRobin.build(serversOf(weights), {});
  const state = stateOf(weights, usable);
  return Array.from({ length: count }, () => 'abcdef'[picker.pick(state, 0, 0, 0)] ?? '-').join('');
}

test('pickSmooth() interleaves weights as nginx does', () => {
  assert.equal(sequence([5, 1, 1], [1, 1, 1], 7), 'aabacaa');
  assert.equal(sequence([1, 1, 1], [1, 1, 1], 6), 'abcabc');
});

test('pickSmooth() passes over unusable servers', () => {
  assert.equal(sequence([5, 1, 1], [0, 1, 1], 4), 'bcbc');
  assert.equal(sequence([1, 1], [0, 0], 2), '--');
});

test('pickSmooth() uses weight 0 only when nothing else is left', () => {
  assert.equal(sequence([0, 1], [1, 1], 3), 'bbb');
  assert.equal(sequence([0, 1], [1, 0], 2), 'aa');
});
