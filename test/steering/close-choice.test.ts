import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Choice, closeChoices } from '../../src/steering/close-choice.ts';
import { compilePolicy, preferenceOf } from '../../src/steering/policy.ts';
import { inlineChain } from '../../src/steering/policy-chains.ts';
import type { Candidate, Chain, ClientNetwork } from '../../src/steering/step.ts';
import { chainOf, type Link } from './deciding.ts';
import { at, candidate, places } from './places.ts';

/** On the equator, where a degree is 111.2 km. */
const equator = (longitude: number) => ({ latitude: 0, longitude });
const list: readonly Candidate[] = [
  candidate(0, 'west', equator(0)),
  candidate(1, 'east', equator(10)),
  candidate(2, 'far', equator(100)),
];

function choices(
  chain: Chain,
  client: Partial<ClientNetwork>,
  candidates: readonly Candidate[] = list,
  policies: Readonly<Record<string, Chain>> = {},
  nowMs = 0,
): readonly Choice[] {
  const policy = compilePolicy(inlineChain(chain, (name) => policies[name]));
  const known = { ...at(undefined), ...client };
  const preference = preferenceOf(policy, candidates, known);
  return closeChoices(policy, candidates, known, preference, { km: 100, ms: 10 }, nowMs);
}
const shown = (...given: Parameters<typeof choices>): readonly string[] =>
  choices(...given).map(({ best, difference, isShared, second, share, unit }) => {
    const how = isShared ? ' shared' : '';
    return `${best} before ${second} by ${Math.round(difference)} ${unit}${how} ${share}`;
  });
const near = chainOf('healthy', { kind: 'nearest', options: { toleranceKm: 0 } }, 'first');

test('a choice is close when the second region is hardly farther away', () => {
  assert.deepEqual(shown(near, { location: equator(4.9) }), ['west before east by 22 km 1']);
  assert.deepEqual(shown(near, { location: equator(5.1) }), ['east before west by 22 km 1']);
  assert.deepEqual(shown(near, { location: equator(4.5) }), [], 'by 111 km');
  assert.deepEqual(shown(near, { location: equator(9) }), []);
  assert.deepEqual(shown(near, {}), [], 'nothing is known of who is nowhere');
});

test('regions that the tolerance makes equal are close and both answer', () => {
  const tolerant = chainOf('healthy', 'nearest', 'weighted', 'first');
  assert.deepEqual(shown(tolerant, { location: equator(4.9) }), [
    'west before east by 22 km shared 1',
  ]);
  assert.deepEqual(shown(tolerant, { location: equator(4.7) }), ['west before east by 67 km 1']);
});

test('a bias moves the border', () => {
  const bias = { kind: 'nearest', options: { toleranceKm: 0, bias: { west: 50 } } };
  assert.deepEqual(shown(chainOf(bias, 'first'), { location: equator(5) }), []);
  assert.deepEqual(shown(chainOf(bias, 'first'), { location: equator(6.6) }), [
    'west before east by 11 km 1',
  ]);
});

test('what rules decide is not close, what they leave to distance is', () => {
  const berlin = { ...equator(4.9), country: 'DE' };
  const rule = (regions: readonly unknown[]): Chain[number] => ({
    kind: 'geo',
    options: { rules: [{ countries: ['DE'], regions }] },
  });
  const after = { kind: 'nearest', options: { toleranceKm: 0 } };
  assert.deepEqual(shown(chainOf(rule(['far']), after), { location: berlin }), []);
  assert.deepEqual(shown(chainOf(rule([['west', 'far']]), after), { location: berlin }), []);
  assert.deepEqual(shown(chainOf(rule([['west', 'east']]), after), { location: berlin }), [
    'west before east by 22 km 1',
  ]);
  const tolerant = { kind: 'nearest', options: { toleranceKm: 50 } };
  const eastFirst = { kind: 'failover', options: { regions: ['east', 'west'] } };
  assert.deepEqual(shown(chainOf(tolerant, eastFirst), { location: berlin }), [], 'by rule');
  const fence = { kind: 'only', options: { except: ['east'] } };
  assert.deepEqual(shown(chainOf(after, fence), { location: berlin }), [], 'fenced off behind');
});

test('endpoints of one region are one, and those of weight 0 are none', () => {
  const client = { location: equator(4.9) };
  const twice = [...list, { ...candidate(3, 'west', equator(0.1)), label: 'green' }];
  assert.deepEqual(shown(near, client, twice), ['west before east by 33 km 1']);
  const waiting = list.map((each) => (each.region === 'east' ? { ...each, weight: 0 } : each));
  assert.deepEqual(shown(near, client, waiting), []);
  const none = list.map((each) => ({ ...each, weight: 0 }));
  assert.deepEqual(shown(near, client, none), ['west before east by 22 km 1']);
});

test('where latency decides, the measured ways do', () => {
  const chain = chainOf('latency', 'healthy', 'first');
  const client = (waysMs: readonly number[], order = ['east', 'west', 'far']) => ({
    ...{ location: places.paris, order, waysMs },
  });
  assert.deepEqual(shown(chain, client([20, 28])), ['east before west by 8 ms 1']);
  assert.deepEqual(shown(chain, client([20, 30])), []);
  assert.deepEqual(shown(chain, client([28, 20])), ['east before west by -8 ms 1']);
  assert.deepEqual(shown(chain, client([20])), [], 'nobody knows how far the second is');
  const elsewhere = client([5, 20, 24], ['other', 'east', 'west']);
  assert.deepEqual(shown(chain, elsewhere), ['east before west by 4 ms 1'], 'of the pool');
  assert.deepEqual(shown(chain, { location: equator(4.9) }), [
    'west before east by 22 km shared 1',
  ]);
});

test('forks: the chains that answer, with their shares', () => {
  const client = { location: { ...equator(4.9), country: 'DE' } };
  const policies = { near, stay: chainOf('healthy', 'failover', 'first') };
  const fork = (kind: string, options: unknown, ...rest: readonly Link[]): Chain =>
    chainOf('healthy', { kind, options }, ...rest);
  const of = (chain: Chain, nowMs = 0) => shown(chain, client, list, policies, nowMs);
  const close = (share: number) => [`west before east by 22 km ${share}`];
  const countries = ['DE'];
  assert.deepEqual(
    of(fork('match', { rules: [{ countries, policy: 'near' }] }, 'first')),
    close(1),
  );
  assert.deepEqual(of(fork('match', { rules: [{ countries, policy: 'stay' }] }, ...near)), []);
  const parts = [{ percent: 25, policy: 'near' }];
  assert.deepEqual(of(fork('split', { parts }, 'failover', 'first')), close(0.25));
  assert.deepEqual(of(fork('try', { parts: [{ policy: 'near' }] }, 'first')), close(1));
  assert.deepEqual(of(fork('try', { parts: [{ policy: 'stay' }] }, ...near)), []);
  const nowhere = [{ policy: 'stay', regions: ['nowhere'] }];
  assert.deepEqual(of(fork('try', { parts: nowhere }, ...near)), close(1));
  const windows = [{ from: '09:00', to: '17:00' }];
  const scheduled = fork('schedule', { windows, policy: 'near' }, 'failover', 'first');
  assert.deepEqual(of(scheduled, Date.UTC(2026, 10, 18, 12)), close(1));
  assert.deepEqual(of(scheduled, Date.UTC(2026, 10, 18, 20)), []);
});
