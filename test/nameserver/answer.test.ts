import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DOWN, FORCED } from '../../src/health/health-word.ts';
import {
  type AnswerTable,
  buildAnswers,
  classAnswer,
  classAnswers,
  updateAnswers,
} from '../../src/nameserver/answer.ts';
import { outcomeOf, thresholdsOf } from '../../src/nameserver/dealing.ts';
import { allUp, compiled, healthOf } from './fixture.ts';

const snapshot = compiled();

const allOf = (table: AnswerTable) => table.maps.flatMap((_, map) => classAnswers(table, map, 0));

test('buildAnswers() decides nothing that nobody asks for', () => {
  const table = buildAnswers(snapshot, healthOf(allUp(snapshot)));
  const asked = classAnswer(table, 0, 1, 0);
  const made = table.maps.flatMap((map) =>
    (map?.classes ?? []).filter((each) => each !== undefined),
  );
  assert.deepEqual(made, [asked]);
  assert.equal(table.bodies.known.size, 0);
  assert.ok(asked.parts[0]!.outcomes[0]!.body4.records > 0);
  assert.equal(table.bodies.known.size, 1);
});

test('updateAnswers() leaves alone the classes that a change does not concern', () => {
  const table = buildAnswers(snapshot, healthOf(allUp(snapshot)));
  const before = allOf(table);
  assert.equal(updateAnswers(table, healthOf(allUp(snapshot))), 0);
  assert.deepEqual(allOf(table), before);
  const legacy = snapshot.endpoints.findIndex(({ name }) => name === 'legacy/us');
  const words = allUp(snapshot);
  words[legacy] = DOWN;
  assert.equal(updateAnswers(table, healthOf(words)), 1);
  const after = allOf(table);
  const renewed = before.filter((answer, index) => answer !== after[index]);
  assert.deepEqual(
    renewed,
    before.filter(({ involved }) => involved.includes(legacy)),
  );
  assert.ok(renewed.length > 0 && renewed.length < before.length);
});

test('a class that nobody asked for during several changes knows them all', () => {
  const table = buildAnswers(snapshot, healthOf(allUp(snapshot)));
  const before = allOf(table);
  const words = allUp(snapshot);
  words.fill((DOWN | FORCED) >>> 0);
  updateAnswers(table, healthOf(words.slice()));
  words.fill(60);
  words[0] = DOWN;
  updateAnswers(table, healthOf(words.slice()));
  const anew = allOf(buildAnswers(snapshot, healthOf(words)));
  const facts = ({ involved, parts, ttlSeconds }: (typeof before)[number]) => ({
    involved,
    ttlSeconds,
    endpoints: parts.map(({ outcomes }) => outcomes.map(({ endpoint }) => endpoint)),
  });
  assert.deepEqual(allOf(table).map(facts), anew.map(facts));
  assert.notDeepEqual(before.map(facts), anew.map(facts));
});

test('bodies are interned by what they say', () => {
  const table = buildAnswers(snapshot, healthOf(allUp(snapshot)));
  const bodies = allOf(table).flatMap(({ parts }) =>
    parts.flatMap(({ outcomes }) => outcomes.map(({ body4 }) => body4)),
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
