import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compilePolicy } from '../../src/steering/policy.ts';
import { inlineChain, parseOptions, policiesNamed } from '../../src/steering/policy-chains.ts';
import type { Chain } from '../../src/steering/step.ts';
import { steeringStep } from '../../src/steering/steps/registry.ts';
import { chainOf } from './deciding.ts';

/** Policies that name others, and the chains that are put beside the names. */
const rule = (country: string, policy: string) => ({ countries: [country], policy });
const match = (...rules: object[]): Chain[number] => ({ kind: 'match', options: { rules } });
const split = (...parts: object[]): Chain[number] => ({ kind: 'split', options: { parts } });
const use = (policy: string): Chain[number] => ({ kind: 'use', options: { policy } });

function inlined(chain: Chain, policies: Readonly<Record<string, Chain>>): Chain {
  return inlineChain(chain, (name) => policies[name]);
}

test('policiesNamed() finds names in options, parts and rules, and the way to them', () => {
  assert.deepEqual(policiesNamed({ policy: 'a' }), [{ name: 'a', path: ['policy'] }]);
  const parts = [{ policy: 'a' }, { percent: 5, regions: ['x'] }, { policy: 'b' }];
  assert.deepEqual(policiesNamed({ parts, rules: [{ policy: 'c' }] }), [
    { name: 'a', path: ['parts', 0, 'policy'] },
    { name: 'b', path: ['parts', 2, 'policy'] },
    { name: 'c', path: ['rules', 0, 'policy'] },
  ]);
  for (const none of [undefined, null, 'a', {}, { parts: 'a', rules: [{ policy: 7 }] }]) {
    assert.deepEqual(policiesNamed(none), []);
  }
});

test('inlineChain() puts the chain of every policy beside its name, and theirs likewise', () => {
  const policies = {
    a: chainOf(use('b'), 'first'),
    b: chainOf('nearest'),
    c: chainOf('weighted'),
  };
  const chain = chainOf('healthy', match(rule('DE', 'a'), rule('FR', 'c')), 'first');
  const a = [
    { kind: 'use', options: { policy: 'b', chain: policies.b } },
    { kind: 'first', options: {} },
  ];
  assert.deepEqual(inlined(chain, policies), [
    { kind: 'healthy', options: {} },
    match({ ...rule('DE', 'a'), chain: a }, { ...rule('FR', 'c'), chain: policies.c }),
    { kind: 'first', options: {} },
  ]);
  assert.deepEqual(chain[1], match(rule('DE', 'a'), rule('FR', 'c')), 'as it was written');
});

test('inlineChain() leaves alone what names no policy', () => {
  const regions = split({ percent: 5, regions: ['eu'] });
  const chain = chainOf('healthy', regions, { kind: 'failover', options: { regions: ['policy'] } });
  assert.deepEqual(inlined(chain, {}), chain);
  const [twice] = inlined([use('a')], { a: chainOf('first') });
  assert.deepEqual(
    inlined([twice!], { a: chainOf('weighted') }),
    inlined([use('a')], { a: chainOf('weighted') }),
  );
});

test('inlineChain() refuses policies that are not there, and those that lead back to themselves', () => {
  assert.throws(() => inlined([use('a')], {}), /There is no policy "a"/);
  assert.throws(() => inlined([match(rule('DE', 'a'))], { a: [use('b')] }), /no policy "b"/);
  const circle = { a: [use('b')], b: [split({ percent: 1, policy: 'a' })] };
  assert.throws(() => inlined([use('a')], circle), /"a" leads back to itself/);
  assert.throws(() => inlined([use('self')], { self: [use('self')] }), /"self" leads back/);
  const twice = { a: chainOf(use('b'), use('b')), b: chainOf('nearest') };
  assert.equal(inlined([use('a')], twice).length, 1, 'twice is no circle');
});

test('parseOptions() checks and completes options, and keeps the chains beside names', () => {
  const [link] = inlined([split({ percent: 5, policy: 'a' }, { percent: 1, regions: ['x'] })], {
    a: chainOf('first'),
  });
  const step = steeringStep('split')!;
  const parsed = parseOptions(step, link!.options);
  assert.deepEqual(parsed, {
    parts: [
      { percent: 5, policy: 'a', chain: chainOf('first') },
      { percent: 1, regions: ['x'] },
    ],
    draw: 'client',
  });
  assert.deepEqual(parseOptions(step, parsed), parsed, 'again, as before');
  const [used] = inlined([use('a')], { a: chainOf('first') });
  assert.deepEqual(parseOptions(steeringStep('use')!, used!.options), {
    policy: 'a',
    chain: chainOf('first'),
  });
  assert.deepEqual(parseOptions(steeringStep('first')!, undefined), { count: 1, across: false });
  assert.throws(() => parseOptions(step, { parts: [{ percent: 101, policy: 'a' }] }));
  assert.throws(() => parseOptions(step, { parts: [{ percent: 1, policy: 'a', chian: [] }] }));
});

test('compilePolicy() does not make up chains that are missing', () => {
  assert.throws(() => compilePolicy([use('a')]), /The chain of the policy "a" is missing/);
  assert.throws(() => compilePolicy([match(rule('DE', 'a'))]), /"a" is missing/);
});
