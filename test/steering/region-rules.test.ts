import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Location } from '../../src/geo/location.ts';
import { compilePolicy, preferenceOf } from '../../src/steering/policy.ts';
import type { Candidate, Chain, ClientNetwork, TraceLine } from '../../src/steering/step.ts';
import { describeOrder, ranksOf, splitByRank } from '../../src/steering/steps/region-order.ts';
import { answers, chainOf } from './deciding.ts';
import { at, candidate, places, three } from './places.ts';

/** Steps that order regions by name: for places, for networks, for everybody. */
const stacks: readonly Candidate[] = [
  candidate(0, 'virginia', places.virginia),
  { ...candidate(1, 'virginia', places.virginia), label: 'virginia-green', name: 'web/green' },
  candidate(2, 'frankfurt', places.frankfurt),
];

function tiers(chain: Chain, client: ClientNetwork, list = three, lines: TraceLine[] = []): string {
  const trace = (line: TraceLine): void => void lines.push(line);
  const { leaves } = preferenceOf(compilePolicy(chain), list, client, trace);
  return leaves[0]!.map((tier) => tier.map(({ label }) => label).join('=')).join(' > ');
}
const from = (location: Location, more: Partial<ClientNetwork> = {}): ClientNetwork => ({
  ...at(location),
  ...more,
});
const german = from({ continent: 'EU', country: 'DE' });
const american = from({ continent: 'NA', country: 'US', subdivision: 'VA' });
const geo = (options: object): Chain => chainOf({ kind: 'geo', options });

test('regions in order: a list in the list is one tier, what is not named comes last, together', () => {
  const split = (order: readonly (string | string[])[]): string =>
    splitByRank(three, ranksOf([...order]))
      .map((tier) => tier.map(({ region }) => region).join('='))
      .join(' > ');
  assert.equal(split(['singapore']), 'singapore > virginia=frankfurt');
  assert.equal(split([['singapore', 'virginia'], 'frankfurt']), 'virginia=singapore > frankfurt');
  assert.equal(split(['frankfurt', 'singapore', 'frankfurt']), 'frankfurt > singapore > virginia');
  assert.equal(split(['nowhere', 'frankfurt']), 'frankfurt > virginia=singapore');
  assert.equal(describeOrder([['a', 'b'], 'c']), 'a = b, c');
});

test('an endpoint with a name of its own is meant by it, and by its region where nobody names it', () => {
  const order = (...regions: (string | string[])[]): string =>
    tiers(chainOf({ kind: 'failover', options: { regions } }), german, stacks);
  assert.equal(order('virginia-green', 'virginia'), 'virginia-green > virginia > frankfurt');
  assert.equal(order('virginia', 'virginia-green'), 'virginia > virginia-green > frankfurt');
  assert.equal(order('frankfurt', 'virginia'), 'frankfurt > virginia=virginia-green');
});

test('geo orders regions by the narrowest rule that has the client', () => {
  const rules = [
    { continents: ['EU'], regions: ['frankfurt', ['virginia', 'singapore']] },
    { countries: ['US'], regions: ['virginia'] },
    { subdivisions: ['US-VA'], systems: [7], regions: ['singapore', 'virginia'] },
  ];
  assert.equal(tiers(geo({ rules }), german), 'frankfurt > virginia=singapore');
  assert.equal(tiers(geo({ rules }), american), 'singapore > virginia > frankfurt');
  assert.equal(tiers(geo({ rules }), from({ country: 'US' })), 'virginia > frankfurt=singapore');
  const seven = from({ continent: 'EU', country: 'DE' }, { system: 7 });
  assert.equal(tiers(geo({ rules }), seven), 'singapore > virginia > frankfurt');
});

test('geo leaves everybody else as they are, or gives them the default', () => {
  const rules = [{ countries: ['DE'], regions: ['frankfurt'] }];
  const japanese = from(places.tokyo);
  const before = [{ kind: 'failover', options: { regions: ['singapore'] } }];
  assert.equal(tiers([...before, ...geo({ rules })], japanese), 'singapore > virginia=frankfurt');
  assert.equal(
    tiers([...before, ...geo({ rules, default: ['virginia', 'singapore'] })], japanese),
    'singapore > virginia > frankfurt',
    'inside the tiers that there are',
  );
  assert.equal(tiers(geo({ rules }), at(undefined)), 'virginia=frankfurt=singapore');
  assert.equal(
    tiers(geo({ rules, default: ['singapore'] }), at(undefined)),
    'singapore > virginia=frankfurt',
  );
});

test('a fence of geo keeps clients of a rule with its regions, whatever becomes of them', () => {
  const chain = [
    ...chainOf('healthy'),
    ...geo({ rules: [{ continents: ['EU'], regions: ['frankfurt'] }], fence: true }),
    ...chainOf('first'),
  ];
  assert.equal(answers(chain, { client: german, names: ['up', 'down', 'up'] }), 'frankfurt 100');
  assert.equal(answers(chain, { client: american, names: ['up', 'down', 'up'] }), 'virginia 100');
  const drained = { client: german, names: ['up', 'drained', 'up'] } as const;
  assert.equal(answers(chain, { ...drained, state: { hasSorry: true } }), '', 'sorry addresses');
  assert.equal(answers(chain, drained), 'frankfurt 100');
  const lines: TraceLine[] = [];
  tiers(
    geo({ rules: [{ countries: ['DE'], regions: ['mars'] }], fence: true }),
    german,
    three,
    lines,
  );
  assert.deepEqual(
    lines.map(({ note, step }) => `${step}: ${note}`),
    ['geo: the rule for DE: mars', 'fence: would have left nothing: skipped'],
    'a fence around nothing is none',
  );
});

test('geo says which rule it was and whom it left out', () => {
  const lines: TraceLine[] = [];
  const rules = [{ countries: ['DE'], systems: [64496], regions: [['frankfurt', 'singapore']] }];
  const chain = geo({ rules, default: ['virginia'], fence: true });
  tiers(chain, german, three, lines);
  tiers(chain, american, three, lines);
  tiers(geo({ rules }), american, three, lines);
  assert.deepEqual(
    lines.map(({ note }) => note),
    [
      'the rule for DE, AS64496: frankfurt = singapore',
      'the rule for everybody else: virginia',
      'no rule is for this client',
    ],
  );
  assert.deepEqual(lines[0]?.dropped, [
    { name: 'web/virginia', reason: 'not among the regions of the rule' },
  ]);
  assert.deepEqual(lines[0]?.kept, ['web/frankfurt', 'web/singapore']);
});

test('subnet orders regions by the longest network around the client', () => {
  const rules = [
    { networks: ['192.0.2.0/24', '2001:db8::/32'], regions: ['singapore'] },
    { networks: ['192.0.2.128/25'], regions: ['frankfurt', 'singapore'] },
  ];
  const chain = (options: object): Chain =>
    chainOf({ kind: 'subnet', options: { rules, ...options } });
  const marked = (mark: number): ClientNetwork => from(places.paris, { marks: [mark] });
  assert.equal(tiers(chain({}), marked(1)), 'singapore > virginia=frankfurt');
  assert.equal(tiers(chain({}), marked(2)), 'frankfurt > singapore > virginia');
  assert.equal(tiers(chain({}), marked(0)), 'virginia=frankfurt=singapore');
  assert.equal(
    tiers(chain({ default: ['virginia'] }), marked(0)),
    'virginia > frankfurt=singapore',
  );
  assert.equal(tiers(chain({ fence: true }), marked(2)), 'frankfurt > singapore');
  assert.equal(
    tiers(chain({ fence: true }), marked(0)),
    'virginia=frankfurt=singapore',
    'a fence without a default is around nobody else',
  );
  const [set] = compilePolicy(chain({})).networks;
  assert.deepEqual(
    set?.map(({ value }) => value).toSorted(),
    [1, 1, 2],
    'each network stands for its rule',
  );
});

test('only leaves out regions and endpoints, by name', () => {
  const kept = (options: object, list: readonly Candidate[]): string =>
    tiers(chainOf({ kind: 'only', options }), german, list);
  assert.equal(kept({ regions: ['frankfurt', 'singapore'] }, three), 'frankfurt=singapore');
  assert.equal(kept({ except: ['frankfurt'] }, three), 'virginia=singapore');
  assert.equal(kept({ regions: ['virginia'] }, stacks), 'virginia=virginia-green');
  assert.equal(kept({ regions: ['virginia-green'] }, stacks), 'virginia-green');
  assert.equal(kept({ except: ['virginia-green'] }, stacks), 'virginia=frankfurt');
  assert.equal(kept({ except: ['virginia'] }, stacks), 'frankfurt');
  const lines: TraceLine[] = [];
  tiers(chainOf({ kind: 'only', options: { regions: ['mars'] } }), german, three, lines);
  assert.equal(lines.at(-1)?.note, 'would have left nothing: skipped', 'a name always answers');
  const between = chainOf(
    { kind: 'failover', options: { regions: ['virginia', 'frankfurt'] } },
    { kind: 'only', options: { except: ['virginia'] } },
  );
  assert.equal(tiers(between, german), 'frankfurt > singapore', 'no tier is left empty');
});
