import assert from 'node:assert/strict';
import { test } from 'node:test';
import { composeGeo } from '../../src/geo/database.ts';
import { createClassTables, sortClients } from '../../src/steering/map.ts';
import { compilePolicy } from '../../src/steering/policy.ts';
import {
  type ClassAnswer,
  classAnswers,
  movesBetween,
  type RegionAnswer,
} from '../../src/steering/region-answer.ts';
import type { Candidate, Chain } from '../../src/steering/step.ts';
import { chainOf, type Link } from './deciding.ts';
import { candidate, places, three } from './places.ts';

const geo = composeGeo([], [{ networks: ['80.0.0.0/8'], location: places.paris }]);

/** Of clients of whom nothing is known, and of Paris. */
function answers(
  chain: Chain,
  list: readonly Candidate[] = three,
  nowMs = 0,
): readonly ClassAnswer[] {
  const policy = compilePolicy(chain);
  const facts = createClassTables(geo).factsOf(policy);
  const sorted = sortClients(policy, list, facts, []);
  const all = classAnswers(policy, list, sorted, nowMs);
  return [0, 1].map((number) => all[sorted.classOf[number]!]!);
}
const shown = (answer: RegionAnswer): string =>
  answer.map(({ region, share }) => `${region} ${Math.round(share * 1000) / 10}`).join(', ');

test('an answer is what everybody gets while all is up, and the next one when its regions are down', () => {
  const [nobody, paris] = answers(chainOf('healthy', 'nearest', 'first'));
  assert.equal(shown(paris!.answer), 'frankfurt 100');
  assert.equal(shown(paris!.next), 'virginia 100');
  assert.equal(paris!.untilMs, Number.POSITIVE_INFINITY);
  assert.equal(shown(nobody!.answer), 'virginia 100');
});

test('weights, canaries and answers of several endpoints are parts of it, by region', () => {
  const list = [
    candidate(0, 'virginia', places.virginia, 3),
    candidate(1, 'frankfurt', places.frankfurt, 1),
    { ...candidate(2, 'frankfurt', places.frankfurt, 1), name: 'web/green', label: 'green' },
  ];
  const of = (...links: readonly Link[]) => shown(answers(chainOf(...links), list)[1]!.answer);
  assert.equal(of('healthy', 'weighted', 'first'), 'virginia 60, frankfurt 40');
  assert.equal(of('healthy'), 'frankfurt 66.7, virginia 33.3');
  const canary = { kind: 'canary', options: { percent: 5, regions: ['green'] } };
  const onlyVirginia = { kind: 'only', options: { regions: ['virginia', 'green'] } };
  assert.equal(of('healthy', canary, onlyVirginia, 'first'), 'virginia 95, frankfurt 5');
});

test('an answer goes by the clock that it is given, and says how long it holds', () => {
  const windows = [{ from: '09:00', to: '17:00' }];
  const chain = chainOf(
    'healthy',
    { kind: 'schedule', options: { windows, regions: ['singapore'] } },
    { kind: 'failover', options: { regions: ['virginia'] } },
    'first',
  );
  const noonMs = Date.UTC(2026, 10, 18, 12);
  const [, noon] = answers(chain, three, noonMs);
  assert.equal(shown(noon!.answer), 'singapore 100');
  assert.equal(noon!.untilMs, Date.UTC(2026, 10, 18, 17));
  const [, night] = answers(chain, three, Date.UTC(2026, 10, 18, 20));
  assert.equal(shown(night!.answer), 'virginia 100');
});

test('movesBetween() tells who goes elsewhere, and nothing where the answer is the same', () => {
  const answer = (text: string): RegionAnswer =>
    text.split(', ').map((part) => {
      const [region, share] = part.split(' ');
      return { region: region!, share: Number(share) };
    });
  const moves = (before: string, now: string) =>
    movesBetween(answer(before), answer(now)).map(
      ({ from, share, to }) => `${from} -> ${to} ${Math.round(share * 1000) / 1000}`,
    );
  assert.deepEqual(moves('a 1', 'b 1'), ['a -> b 1']);
  assert.deepEqual(moves('a 0.6, b 0.4', 'b 0.4, a 0.6'), []);
  assert.deepEqual(moves('a 0.6, b 0.4', 'a 0.5, b 0.5'), ['a -> b 0.1']);
  assert.deepEqual(moves('a 1', 'a 0.5, b 0.3, c 0.2'), ['a -> b 0.3', 'a -> c 0.2']);
  assert.deepEqual(moves('a 0.5, b 0.5', 'c 0.5, d 0.5'), [
    'a -> c 0.25',
    'a -> d 0.25',
    'b -> c 0.25',
    'b -> d 0.25',
  ]);
  assert.deepEqual(moves('a 0.30000000000000004, b 0.7', 'a 0.3, b 0.7'), []);
});
