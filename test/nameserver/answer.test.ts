import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEGRADED, DOWN, FORCED, healthWord, UNKNOWN } from '../../src/health/health-word.ts';
import {
  buildAnswers,
  outcomeOf,
  thresholdsOf,
  updateAnswers,
} from '../../src/nameserver/answer.ts';
import { allUp, compiled, healthOf } from './fixture.ts';

const snapshot = compiled();

/** Wire bytes and thresholds of every class of every map. */
function facts(answers: ReturnType<typeof buildAnswers>): unknown {
  return answers.maps.map(({ classes }) =>
    classes.map(({ ttlSeconds, stageBounds, stages }) => ({
      ttlSeconds,
      stageBounds: [...stageBounds],
      stages: stages.map(({ thresholds, outcomes }) => ({
        thresholds: [...thresholds],
        outcomes: outcomes.map(({ endpoint, body4, body6 }) => [
          endpoint,
          Buffer.from(body4.bytes).toString('hex'),
          Buffer.from(body6.bytes).toString('hex'),
        ]),
      })),
    })),
  );
}

test('updateAnswers() comes to what buildAnswers() would build anew', () => {
  const answers = buildAnswers(snapshot, healthOf(allUp(snapshot)));
  const words = [
    healthWord(0, 0, 0.3),
    0,
    60,
    7,
    DOWN,
    DOWN | 40,
    DOWN | FORCED,
    DEGRADED | 9,
    UNKNOWN,
    FORCED | 20,
  ];
  let seed = 1;
  const draw = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const state = allUp(snapshot);
  for (let round = 0; round < 300; round++) {
    for (let changes = draw(3); changes >= 0; changes--) {
      state[draw(state.length)] = words[draw(words.length)]! >>> 0;
    }
    const exceptions = [draw(3), draw(state.length), words[draw(words.length)]! >>> 0];
    const health = healthOf(state.slice(), Uint32Array.from(draw(2) === 0 ? exceptions : []));
    updateAnswers(answers, health);
    assert.deepEqual(facts(answers), facts(buildAnswers(snapshot, health)), [...state].join(' '));
  }
});

test('updateAnswers() evaluates only the classes that a change concerns', () => {
  const answers = buildAnswers(snapshot, healthOf(allUp(snapshot)));
  assert.equal(updateAnswers(answers, healthOf(allUp(snapshot))), 0);
  const legacy = snapshot.endpoints.findIndex(({ name }) => name === 'legacy/us');
  const words = allUp(snapshot);
  words[legacy] = DOWN;
  const evaluated = updateAnswers(answers, healthOf(words));
  const classes = answers.maps
    .filter(({ map }) => map.pool === 'legacy')
    .reduce((sum, map) => sum + map.classes.length, 0);
  assert.ok(evaluated > 0 && evaluated <= classes, `${evaluated} of ${classes}`);
});

test('buildAnswers() interns bodies by addresses and TTL', () => {
  const answers = buildAnswers(snapshot, healthOf(allUp(snapshot)));
  const bodies = answers.maps.flatMap(({ classes }) =>
    classes.flatMap(({ stages }) =>
      stages.flatMap(({ outcomes }) => outcomes.map(({ body4 }) => body4)),
    ),
  );
  const distinct = new Set(bodies.map(({ bytes }) => Buffer.from(bytes).toString('hex')));
  assert.equal(new Set(bodies).size, distinct.size);
  assert.ok(distinct.size < bodies.length);
});

test('outcomeOf() covers the whole range of draws', () => {
  const thresholds = thresholdsOf([0.25, 0.5, 0.25]);
  const cases = [
    [0, 0],
    [2 ** 30 - 1, 0],
    [2 ** 30, 1],
    [3 * 2 ** 30 - 1, 1],
    [3 * 2 ** 30, 2],
    [2 ** 32 - 1, 2],
  ] as const;
  for (const [draw, outcome] of cases)
    assert.equal(outcomeOf(thresholds, draw), outcome, `${draw}`);
  assert.equal(outcomeOf(thresholdsOf([]), 2 ** 32 - 1), 0);
  assert.equal(outcomeOf(thresholdsOf([1 / 3, 1 / 3, 1 / 3]), 2 ** 32 - 1), 2);
});
