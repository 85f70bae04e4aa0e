import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatPrefix } from '../../src/ip/prefix.ts';
import { compilePolicy } from '../../src/steering/policy.ts';
import { chainOf, mapTiers, places, showTiers, three } from './places.ts';

test('compilePolicy() keeps mapping and choosing steps apart, in the order of the chain', () => {
  const policy = compilePolicy([
    { kind: 'healthy', options: undefined },
    { kind: 'failover', options: {} },
    { kind: 'weighted', options: {} },
    { kind: 'nearest', options: {} },
    { kind: 'first', options: { count: 2 } },
  ]);
  assert.deepEqual(
    chainOf(policy).map.map(({ kind }) => kind),
    ['failover', 'nearest'],
  );
  assert.deepEqual(
    chainOf(policy).choose.map(({ kind }) => kind),
    ['healthy', 'weighted', 'first'],
  );
  assert.equal(chainOf(policy).readsHealth, true);
  assert.equal(chainOf(compilePolicy([])).readsHealth, false);
});

test('compilePolicy() puts health first, wherever the chain has it', () => {
  const kinds = ['first', 'nearest', 'healthy', 'weighted'];
  const policy = compilePolicy(kinds.map((kind) => ({ kind, options: {} })));
  assert.deepEqual(
    chainOf(policy).choose.map(({ kind }) => kind),
    ['healthy', 'first', 'weighted'],
  );
});

test('compilePolicy() throws on what validation refuses', () => {
  assert.throws(() => compilePolicy([{ kind: 'nearst', options: {} }]), /nearst/);
  assert.throws(() => compilePolicy([{ kind: 'first', options: { count: 0 } }]));
  assert.throws(() => compilePolicy([{ kind: 'healthy', options: { sometimes: true } }]));
});

test('mapTiers() has one tier when no step maps', () => {
  const tiers = mapTiers(compilePolicy([]), three, { location: places.paris });
  assert.equal(showTiers(tiers), 'virginia=frankfurt=singapore');
});

test('mapTiers() has no tier when there is no candidate', () => {
  const policy = compilePolicy([{ kind: 'nearest', options: {} }]);
  assert.deepEqual(mapTiers(policy, [], { location: places.paris }), []);
});

test('mapTiers() skips a step that leaves nothing', () => {
  const lines: string[] = [];
  const chain = {
    ...chainOf(compilePolicy([])),
    map: [{ kind: 'void', run: () => [[]], fences: false }],
  };
  const policy = { root: { kind: 'chain', chain } } as const;
  const tiers = mapTiers(policy, three, { location: undefined }, ({ step, note }) =>
    lines.push(`${step}: ${note}`),
  );
  assert.equal(showTiers(tiers), 'virginia=frankfurt=singapore');
  assert.deepEqual(lines, ['void: would have left nothing: skipped']);
});

test('compilePolicy() knows networks once, however many chains a step of theirs is in', () => {
  const subnet = (network: string) => ({
    kind: 'subnet',
    options: { rules: [{ networks: [network], regions: ['virginia'] }] },
  });
  const parts = [1, 2, 3].map((percent) => ({ percent, regions: ['frankfurt'] }));
  const split = { kind: 'split', options: { parts } };
  const { networks } = compilePolicy([
    subnet('192.0.2.0/24'),
    split,
    subnet('198.51.100.0/24'),
    subnet('192.0.2.0/24'),
  ]);
  assert.deepEqual(
    networks.map((set) => set.map(({ prefix, value }) => `${formatPrefix(prefix)} ${value}`)),
    [['192.0.2.0/24 1'], ['198.51.100.0/24 1']],
  );
});
