import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explain } from '../../src/nameserver/explain.ts';
import type { Chain } from '../../src/steering/step.ts';
import {
  allUp,
  ask,
  compiled,
  createConfig,
  geo,
  healthOf,
  NOW_MS,
  startWorker,
} from './fixture.ts';

/** Answers that go by the client's network are good for that network, and for no wider one. */
const chains: Readonly<Record<string, Chain>> = {
  sticky: ['healthy', 'sticky', 'first'].map((kind) => ({ kind, options: {} })),
  near: ['healthy', 'nearest', 'sticky', 'first'].map((kind) => ({ kind, options: {} })),
};
const config = createConfig();
const zone = config.zones['gslb.example']!;
const steered = Object.keys(chains).map((policy) => ({
  ...{ owner: `${policy}.gslb.example.`, pool: 'web', policy },
  ...{ ttlMin: 5, ttlMax: 30 },
}));
const snapshot = compiled({
  ...config,
  policies: {
    ...config.policies,
    ...Object.fromEntries(Object.entries(chains).map(([name, chain]) => [name, { chain }])),
  },
  zones: { ...config.zones, 'gslb.example': { ...zone, steered: [...zone.steered, ...steered] } },
});
const worker = startWorker(snapshot);

const scopeOf = (policy: string, subnet: string): number | undefined =>
  ask(worker, `${policy}.gslb.example`, 'A', { subnet }).scope;

test('a sticky answer has the scope of the network that stays together', () => {
  assert.equal(scopeOf('sticky', '20.1.2.3/32'), 24);
  assert.equal(scopeOf('sticky', '20.1.0.0/16'), 24, 'more would have been needed');
  assert.equal(scopeOf('sticky', '2001:db8:1000::/56'), 48);
  assert.equal(scopeOf('sticky', '2002:1401:203::/48'), 48, '6to4');
  assert.equal(scopeOf('near', '20.1.2.3/32'), 8, 'one region is near: nobody has to stay there');
});

test('in ::/48, where others’ addresses lie, sticky answers are for a client alone', () => {
  assert.equal(scopeOf('sticky', '::ffff:20.1.2.3/128'), 120);
  assert.equal(scopeOf('sticky', '::5/128'), 128, '::1 is private');
  assert.equal(scopeOf('sticky', '0:0:0:1::/64'), 128, '::ffff:0:0/96 has clients of all kinds');
  assert.equal(scopeOf('sticky', '0:0:1::/64'), 48);
});

test('private clients are answered by their resolver, with the scope of their block', () => {
  for (const [subnet, scope] of [
    ['10.1.2.0/24', 8],
    ['::1/128', 128],
    ['fd00::/56', 7],
    ['::ffff:10.1.2.0/120', 104],
  ] as const) {
    const resolvers = ['20.0.1.1', '20.0.2.1', '20.0.3.1', '20.0.4.1', '20.0.5.1'];
    const answers = resolvers.map((resolver) => {
      const asked = ask(worker, 'sticky.gslb.example', 'A', { subnet, resolver });
      assert.equal(asked.scope, scope);
      const own = ask(worker, 'sticky.gslb.example', 'A', { resolver });
      assert.deepEqual(asked.data, own.data);
      return asked.data.join();
    });
    assert.ok(new Set(answers).size > 1, 'each resolver has a part of its own');
  }
});

test('explain() tells the network that stays together', () => {
  const bucketOf = (client: string): string | undefined => {
    const question = { name: 'sticky.gslb.example', client };
    const said = explain({ snapshot, health: healthOf(allUp(snapshot)), geo }, question, NOW_MS);
    return 'draw' in said ? said.draw?.bucket : undefined;
  };
  assert.equal(bucketOf('20.1.2.3'), '20.1.2.0/24');
  assert.equal(bucketOf('2001:db8:1:2::3'), '2001:db8:1::/48');
  assert.equal(bucketOf('::ffff:20.1.2.3'), '::ffff:20.1.2.0/120');
});
