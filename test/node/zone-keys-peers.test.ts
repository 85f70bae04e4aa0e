import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { PEERS_WAIT_MS } from '../../src/node/company.ts';
import { KEYS_RETRY_MS } from '../../src/node/zone-keys.ts';
import { createFactWorld, type FactNode, type FactWorld } from '../cluster/fact-world.ts';
import { scratchDirectory } from './scratch.ts';
import { configOf, type KeysRig, keysRig, refused, ZONE } from './zone-keys-rig.ts';

const NOW = 1_790_000_000_000;
const KEYED =
  'keys: ["first cluster key, long enough to be one"], listen: "127.0.0.1:8054", peers: "127.0.0.9:8054"';
const PEERS = `cluster: { ${KEYED} }`;
const ALONE = (directory: string): string => `node: { name: one, stateDirectory: ${directory} }`;

type Peer = {
  readonly world: FactWorld;
  readonly node: FactNode;
  readonly rig: KeysRig;
  connect(isConnected: boolean): void;
};

/** Nodes that have nothing but each other: each has a memory of its own for a store. */
async function peers(t: TestContext, count: number, dnssec = 'true') {
  const all: Peer[] = [];
  for (let at = 0; at < count; at += 1) {
    const world = await createFactWorld(NOW);
    t.after(() => world.close());
    let isConnected = false;
    const node = await world.node(`node-${at}`);
    const config = configOf({ [ZONE]: dnssec }, PEERS, ALONE(scratchDirectory('keys')));
    const rig = keysRig(world.clock, config, node, { isCutOff: () => !isConnected });
    t.after(() => rig.keeper.close());
    const connect = (is: boolean): void => {
      isConnected = is;
    };
    all.push({ world, node, rig, connect });
  }
  const advance = async (ms: number): Promise<void> => {
    for (const { world } of all) {
      await world.clock.advance(ms);
      await world.settle();
    }
  };
  /** All that are connected tell each other what they know. */
  const talk = async (): Promise<void> => {
    for (const a of all) for (const b of all) if (a !== b) a.world.gossip(a.node, b.node);
    await advance(0);
  };
  return { all, advance, talk };
}

const tags = (rig: KeysRig): string => rig.data('DNSKEY').join();

test('nodes without a store make no keys while they reach none of their peers', async (t) => {
  const { all, advance } = await peers(t, 2);
  await advance(PEERS_WAIT_MS + 10 * KEYS_RETRY_MS);
  for (const { rig } of all) {
    assert.equal(rig.signing(), undefined);
    assert.deepEqual(
      rig.events.map((line) => line.slice(0, line.indexOf(':'))),
      ['dnssec.no-keys'],
    );
    assert.match(rig.status().problem ?? '', /none of the other nodes \(cluster\.peers\)/);
  }
});

for (const count of [2, 3]) {
  test(`${count} nodes that meet and make keys at one moment come to have those of the first`, async (t) => {
    const { all, advance, talk } = await peers(t, count);
    await advance(PEERS_WAIT_MS);
    for (const { connect } of all) connect(true);
    await advance(KEYS_RETRY_MS);
    for (const { rig } of all) assert.equal(rig.signing(), undefined, 'they are heard first');
    await advance(PEERS_WAIT_MS);
    for (const { rig } of all) assert.equal(rig.data('DNSKEY').length, 1);
    await talk();
    const [first] = all.map(({ rig }) => tags(rig));
    for (const { rig } of all) {
      assert.equal(tags(rig), first);
      assert.deepEqual(rig.signing(), all[0]!.rig.signing());
    }
    await advance(24 * 3_600_000);
    await talk();
    for (const { rig } of all) assert.equal(tags(rig), first, 'and keep them');
  });
}

test('a node that comes later has the keys of those who are there', async (t) => {
  const { all, advance, talk } = await peers(t, 3);
  const [one, two, late] = all as [Peer, Peer, Peer];
  for (const { connect } of [one, two]) connect(true);
  await advance(PEERS_WAIT_MS + 2 * KEYS_RETRY_MS);
  one.world.gossip(one.node, two.node);
  await advance(0);
  assert.equal(tags(one.rig), tags(two.rig));
  assert.equal(late.rig.signing(), undefined);
  late.connect(true);
  await talk();
  await advance(2 * PEERS_WAIT_MS);
  assert.equal(tags(late.rig), tags(one.rig));
  assert.ok(!late.rig.events.some((line) => line.startsWith('dnssec.keys-made')));
});

test('a reload that turns signing on makes no keys while the peers are away, either', async (t) => {
  const { all, advance } = await peers(t, 1, 'false');
  const { connect, rig, world } = all[0]!;
  await advance(KEYS_RETRY_MS);
  rig.keeper.setConfig(configOf({ [ZONE]: 'true' }, PEERS, ALONE(scratchDirectory('keys'))));
  await advance(20 * KEYS_RETRY_MS);
  assert.equal(rig.signing(), undefined);
  assert.match(rig.events.join(), /dnssec\.no-keys.*cluster\.peers/);
  connect(true);
  await advance(3 * KEYS_RETRY_MS);
  await world.settle();
  assert.equal(rig.data('DNSKEY').length, 1);
});

test('what a node had alone signs on while it waits for its peers, and is not rolled', async (t) => {
  const world = await createFactWorld(NOW);
  t.after(() => world.close());
  const own = ALONE(scratchDirectory('keys'));
  const alone = keysRig(world.clock, configOf({ [ZONE]: 'true' }, own), undefined);
  await alone.keeper.ready;
  alone.keeper.close();
  let isCutOff = true;
  const config = configOf({ [ZONE]: 'true' }, PEERS, own);
  const rig = keysRig(world.clock, config, await world.node('one'), { isCutOff: () => isCutOff });
  await world.clock.advance(PEERS_WAIT_MS);
  await rig.keeper.ready;
  assert.deepEqual(rig.signing(), alone.signing());
  assert.equal(
    refused(await rig.keeper.startRoll({ by: 'test', zone: ZONE, key: 'csk' })),
    'cut-off',
  );
  isCutOff = false;
  await world.clock.advance(PEERS_WAIT_MS + 2 * KEYS_RETRY_MS);
  await world.settle();
  assert.deepEqual(rig.signing(), alone.signing());
  assert.match(rig.events.join(), /are those of all nodes now/);
  rig.keeper.close();
});
