import assert from 'node:assert/strict';
import { test } from 'node:test';
import { composeGeo } from '../../src/geo/database.ts';
import { parseAddress } from '../../src/ip/address.ts';
import { clientOf } from '../../src/steering/client-facts.ts';
import { compilePolicy } from '../../src/steering/policy.ts';
import { inlineChain } from '../../src/steering/policy-chains.ts';
import type { Chain, ClientNetwork, TraceLine } from '../../src/steering/step.ts';
import { answers, type Case, chainOf, decided, parts } from './deciding.ts';
import { at, candidate, places } from './places.ts';

/** Steps that other chains begin at: match, canary, try, schedule, use. */
const four = [
  candidate(0, 'virginia', places.virginia),
  candidate(1, 'frankfurt', places.frankfurt),
  candidate(2, 'singapore', places.singapore),
  candidate(3, 'oregon', { latitude: 45.8, longitude: -119.7, country: 'US' }),
];
const policies: Readonly<Record<string, Chain>> = {
  near: chainOf('nearest', 'first'),
  east: chainOf({ kind: 'failover', options: { regions: ['singapore', 'frankfurt'] } }, 'first'),
  shared: chainOf('weighted', 'first'),
};
const world: Case = { list: four, policies };
const orders = (...regions: string[]): Chain[number] => ({
  kind: 'failover',
  options: { regions },
});

test('match sends clients on by another policy, the narrowest list that has them', () => {
  const rules = [
    { continents: ['EU'], policy: 'near' },
    { countries: ['FR'], policy: 'east' },
    { systems: ['AS64496'], policy: 'shared' },
  ];
  const chain = chainOf(
    'healthy',
    { kind: 'match', options: { rules } },
    orders('oregon'),
    'first',
  );
  const of = (client: ClientNetwork): string => answers(chain, { ...world, client });
  assert.equal(of(at({ ...places.frankfurt, continent: 'EU' })), 'frankfurt 100');
  assert.equal(of(at({ ...places.paris, continent: 'EU' })), 'singapore 100');
  assert.equal(of({ ...at(places.paris), system: 64496 }).split(' ').length, 8, 'one of four each');
  assert.equal(of(at(places.tokyo)), 'oregon 100', 'everybody else goes on');
  assert.equal(of(at(undefined)), 'oregon 100');
});

test('match reads what its rules tell clients apart by, and what the policies behind it read', () => {
  const reads = (rule: object, ...rest: Chain): string => {
    const match = { kind: 'match', options: { rules: [{ ...rule, policy: 'p' }] } };
    const chain = inlineChain([match, ...rest], () => chainOf('first'));
    const { reads: facts, systems } = compilePolicy(chain);
    return [...facts, ...systems].join(' ');
  };
  assert.equal(reads({ countries: ['DE'] }), 'location');
  assert.equal(reads({ systems: [1, 'AS2'] }), 'system 1 2');
  assert.equal(reads({ networks: ['192.0.2.0/24'] }), 'networks');
  assert.equal(reads({ systems: [1] }, ...chainOf('nearest')), 'system location 1');
});

test('match in match has the networks of both, each with its own meaning', () => {
  const outer = {
    kind: 'match',
    options: { rules: [{ networks: ['10.0.0.0/8'], policy: 'inner' }] },
  };
  const inner = {
    kind: 'match',
    options: { rules: [{ networks: ['10.1.0.0/16'], policy: 'east' }] },
  };
  const all = { ...policies, inner: [inner, ...chainOf('first')] };
  const chain = chainOf('healthy', outer, orders('oregon'), 'first');
  const { networks } = compilePolicy(inlineChain(chain, (name) => all[name as keyof typeof all]));
  const of = (address: string): string => {
    const known = clientOf(
      composeGeo([], []),
      { networks, systems: new Set(), reads: new Set() },
      undefined,
      parseAddress(address)!,
    );
    return answers(chain, { ...world, policies: all, client: known });
  };
  assert.equal(of('10.1.2.3'), 'singapore 100');
  assert.equal(of('10.2.0.1'), 'virginia 100');
  assert.equal(of('11.0.0.1'), 'oregon 100');
});

const canary = (percent: number, ...regions: string[]): Chain[number] => ({
  kind: 'canary',
  options: { percent, regions },
});

test('canary keeps its regions for its clients, and its clients for its regions', () => {
  const chain = chainOf('healthy', canary(5, 'oregon'), 'weighted', 'first');
  assert.equal(parts(chain, world), 'canary: oregon 5, others: virginia|frankfurt|singapore 95');
  const when = (...names: NonNullable<Case['names']>): string => parts(chain, { ...world, names });
  assert.equal(when('up', 'up', 'up', 'down'), 'others: virginia|frankfurt|singapore 100');
  assert.equal(when('down', 'drained', 'down'), 'canary: oregon 100', 'better than nothing');
  assert.equal(
    when('down', 'down', 'down', 'down'),
    'canary: oregon 5, others: virginia|frankfurt|singapore 95',
  );
});

test('canary of nobody and of everybody', () => {
  const of = (percent: number): string =>
    answers(chainOf('healthy', canary(percent, 'oregon'), orders('frankfurt'), 'first'), world);
  assert.equal(of(0), 'frankfurt 100');
  assert.equal(of(100), 'oregon 100');
  assert.equal(of(0.1), 'oregon 0.1, frankfurt 99.9');
  const elsewhere = chainOf('healthy', canary(20, 'mars'), orders('frankfurt'), 'first');
  assert.equal(answers(elsewhere, world), 'frankfurt 100', 'the pool has no such region');
});

test('try takes the first policy that has something healthy, and the rest of the chain last', () => {
  const options = {
    parts: [{ policy: 'near', regions: ['virginia', 'oregon'] }, { policy: 'east' }],
  };
  const chain = chainOf('healthy', { kind: 'try', options }, orders('frankfurt'), 'first');
  const client = at(places.newYork);
  const when = (...names: NonNullable<Case['names']>): string =>
    answers(chain, { ...world, client, names });
  assert.equal(when(), 'virginia 100');
  assert.equal(when('down'), 'oregon 100');
  assert.equal(when('down', 'up', 'up', 'drained'), 'singapore 100', 'the next policy');
  assert.equal(when('down', 'up', 'down', 'down'), 'frankfurt 100');
  assert.equal(when('degraded', 'down', 'up', 'down'), 'singapore 100', 'healthy before degraded');
  assert.equal(when('degraded', 'down', 'down', 'down'), 'virginia 100', 'degraded before down');
  assert.equal(when('down', 'down', 'down', 'down'), 'virginia 100', 'as if all were up');
});

test('try may stop before the rest of the chain', () => {
  const options = { parts: [{ policy: 'near', regions: ['virginia', 'oregon'] }], last: false };
  const chain = chainOf('healthy', { kind: 'try', options }, orders('frankfurt'), 'first');
  const given: Case = { ...world, client: at(places.newYork) };
  const names = ['down', 'up', 'up', 'down'] as const;
  assert.equal(answers(chain, { ...given, names }), 'virginia 100');
});

test('try involves the parts that it looked at, not those behind them', () => {
  const options = { parts: [{ policy: 'near', regions: ['virginia'] }, { policy: 'east' }] };
  const chain = chainOf('healthy', { kind: 'try', options }, orders('oregon'), 'first');
  assert.deepEqual(decided(chain, world).involved, [0]);
  assert.deepEqual(decided(chain, { ...world, names: ['down'] }).involved, [0, 2]);
  assert.deepEqual(
    decided(chain, { ...world, names: ['down', 'up', 'down'] }).involved.toSorted(),
    [0, 1, 2],
  );
});

const MONDAY_NOON = Date.UTC(2026, 5, 1, 12);
function scheduled(options: object, nowMs: number, names: Case['names'] = []): string {
  const windows = [{ days: ['mon'], from: '09:00', to: '17:00' }];
  const step = { kind: 'schedule', options: { windows, ...options } };
  const chain = chainOf('healthy', step, orders('virginia', 'frankfurt'), 'first');
  const given: Case = { ...world, names: names ?? [], state: { nowMs } };
  const { untilMs } = decided(chain, given);
  return `${answers(chain, given)} until ${new Date(untilMs).toISOString().slice(5, 16)}`;
}

test('schedule goes another way while a window is open', () => {
  const hour = 3_600_000;
  for (const options of [{ policy: 'east' }, { policy: 'shared', regions: ['singapore'] }]) {
    assert.equal(scheduled(options, MONDAY_NOON), 'singapore 100 until 06-01T17:00');
    const later = MONDAY_NOON + 5 * hour;
    assert.equal(scheduled(options, later), 'virginia 100 until 06-02T09:00');
  }
  const regions = { regions: ['singapore', 'frankfurt'] };
  assert.equal(scheduled(regions, MONDAY_NOON), 'frankfurt 100 until 06-01T17:00');
  const berlin = { ...regions, zone: 'Europe/Berlin' };
  assert.equal(scheduled(berlin, MONDAY_NOON), 'frankfurt 100 until 06-01T15:00');
  assert.equal(scheduled(berlin, MONDAY_NOON + 3 * hour), 'virginia 100 until 06-02T07:00');
});

test('schedule keeps its regions while its window is open, but not where the pool has none of them', () => {
  const regions = { regions: ['singapore'] };
  const down = ['up', 'up', 'down'] as const;
  assert.equal(scheduled(regions, MONDAY_NOON, down), 'singapore 100 until 06-01T17:00');
  assert.equal(scheduled({ regions: ['mars'] }, MONDAY_NOON), 'virginia 100 until 06-01T17:00');
});

test('forks tell which way it went', () => {
  const lines: TraceLine[] = [];
  const windows = [{ from: '00:00', to: '00:00' }];
  const chain = chainOf(
    'healthy',
    { kind: 'match', options: { rules: [{ countries: ['US'], policy: 'near' }] } },
    { kind: 'schedule', options: { windows, regions: ['frankfurt', 'singapore'] } },
    { kind: 'try', options: { parts: [{ policy: 'east', regions: ['oregon'] }] } },
    canary(10, 'singapore'),
    'first',
  );
  decided(chain, { ...world, state: { nowMs: MONDAY_NOON }, lines });
  const notes = lines.map(({ note, step }) => `${step}: ${note}`);
  for (const expected of [
    'match: the client is one of: otherwise',
    'schedule: it is time for "frankfurt+singapore"',
    'frankfurt+singapore: try: "rest" answers',
    'frankfurt+singapore: rest: split: canary 10 %, others 90 %',
    'frankfurt+singapore: rest: others: only: without singapore',
    'frankfurt+singapore: rest: others: ladder: tier 1 of 1: the first with a healthy endpoint',
  ]) {
    assert.ok(notes.includes(expected), `${expected}\n${notes.join('\n')}`);
  }
});

test('use takes the steps of another policy, and goes on with its own', () => {
  const shared = { ...policies, base: chainOf('healthy', 'nearest') };
  const chain = chainOf({ kind: 'use', options: { policy: 'base' } }, 'weighted', 'first');
  const client = at(places.newYork);
  const given: Case = { ...world, policies: shared, client };
  assert.equal(answers(chain, given), 'virginia 100');
  assert.equal(answers(chain, { ...given, names: ['down'] }), 'oregon 100', 'healthy is in it');
  const two = { kind: 'use', options: { policy: 'two' } };
  const nested = {
    ...shared,
    two: chainOf({ kind: 'use', options: { policy: 'base' } }, 'weighted'),
  };
  assert.equal(answers(chainOf(two, 'first'), { ...given, policies: nested }), 'virginia 100');
});
