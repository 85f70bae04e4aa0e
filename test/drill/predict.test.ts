import assert from 'node:assert/strict';
import { test } from 'node:test';
import { meanShares, predictShares, type SteeredName } from '../../src/drill/predict.ts';
import { composeGeo } from '../../src/geo/database.ts';
import { buildMap } from '../../src/steering/map.ts';
import { compilePolicy } from '../../src/steering/policy.ts';
import type { Candidate } from '../../src/steering/step.ts';
import { places, three, type WordName, words } from '../steering/places.ts';

const geo = composeGeo(
  [],
  [
    { networks: ['16.0.0.0/4'], location: places.newYork },
    { networks: ['80.0.0.0/4'], location: places.paris },
    { networks: ['128.0.0.0/3'], location: places.tokyo },
  ],
);
const policy = compilePolicy(
  ['healthy', 'nearest', 'weighted', 'first'].map((kind) => ({ kind, options: {} })),
);
function steered(name: string, candidates: readonly Candidate[], hasSorry = false): SteeredName {
  const map = buildMap(policy, candidates, geo);
  return {
    name,
    policy,
    map,
    candidates,
    panicThreshold: 0,
    hasSorry,
    ttlMinSeconds: 5,
    ttlMaxSeconds: 30,
  };
}
const wordsOf =
  (...names: WordName[]) =>
  (endpoint: number): number =>
    words[names[endpoint] ?? 'up'];

test('predictShares() moves the share of the lost region to the next nearest', () => {
  const [www] = predictShares([steered('www.gslb.example.', three)], wordsOf(), 'virginia');
  assert.deepEqual(www?.before, [
    { region: 'virginia', share: 0.25 },
    { region: 'frankfurt', share: 0.25 },
    { region: 'singapore', share: 0.5 },
  ]);
  assert.deepEqual(www?.during, [
    { region: 'virginia', share: 0 },
    { region: 'frankfurt', share: 0.5 },
    { region: 'singapore', share: 0.5 },
  ]);
});

test('predictShares() starts from the state as it is', () => {
  const state = wordsOf('up', 'down', 'up');
  const [www] = predictShares([steered('www', three)], state, 'virginia');
  assert.deepEqual(www?.before[0], { region: 'virginia', share: 0.5 });
  assert.deepEqual(www?.during[2], { region: 'singapore', share: 1 });
});

test('predictShares() leaves out names without an endpoint in the region', () => {
  const names = [steered('www', three), steered('asia', three.slice(2))];
  assert.deepEqual(
    predictShares(names, wordsOf(), 'virginia').map(({ name }) => name),
    ['www'],
  );
});

test('predictShares() gives no region the share that sorry addresses answer', () => {
  const names = [steered('asia', three.slice(2), true)];
  assert.deepEqual(predictShares(names, wordsOf(), 'singapore')[0]?.during, [
    { region: 'singapore', share: 0 },
  ]);
});

test('meanShares() is the mean over the names', () => {
  const names = [steered('www', three), steered('eu', three.slice(0, 2))];
  const prediction = predictShares(names, wordsOf(), 'virginia');
  assert.equal(meanShares(prediction, 'during').get('frankfurt'), 0.75);
  assert.equal(meanShares(prediction, 'during').get('singapore'), 0.25);
  assert.deepEqual(meanShares([], 'before'), new Map());
});
