import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  createNodeTable,
  NODE_FORGET_MS,
  NODE_GONE_MS,
  NODE_SILENT_MS,
  NODES_MAX,
  type NodeInfo,
  readNodeInfo,
} from '../../src/cluster/node-table.ts';
import { createRegistry, NODE_LEASE_MS } from '../../src/cluster/registry.ts';
import { createFlawedStore, type FlawedStore } from '../control/flawed-store.ts';
import { settle } from '../monitoring/moved-clock.ts';

const INFO: NodeInfo = {
  version: '1.2.3',
  roles: ['nameserver'],
  region: 'eu',
  peerAddress: '192.0.2.1:8054',
  adminUrl: undefined,
  generation: 1,
  revision: 0,
  configSha: '',
  records: '',
  startedAtMs: 5,
  incarnation: 5,
  wallMs: 7,
};

test('list() shows every node of the store, with its lag', async (t) => {
  const { flawed, join } = await opened(t);
  const one = join('one', { revision: 7 });
  const two = join('two', { revision: 5 });
  await flawed.clock.advance(6000);
  assert.deepEqual(rows(one.registry), ['one here 0 behind', 'two here 2 behind']);
  two.info = { ...two.info, revision: 7 };
  two.registry.renew();
  await settle();
  assert.deepEqual(rows(one.registry), ['one here 0 behind', 'two here 0 behind']);
});

test('a node that stops is silent, then gone, then forgotten', async (t) => {
  const { flawed, join } = await opened(t);
  const one = join('one');
  const two = join('two');
  await flawed.clock.advance(6000);
  await two.registry.close();
  const states = async (ms: number): Promise<readonly string[]> => {
    await flawed.clock.advance(ms);
    return rows(one.registry);
  };
  assert.deepEqual(await states(NODE_SILENT_MS + 6000), [
    'one here 0 behind',
    'two silent 0 behind',
  ]);
  assert.deepEqual(await states(NODE_GONE_MS), ['one here 0 behind', 'two gone 0 behind']);
  flawed.clock.leap(NODE_FORGET_MS);
  assert.deepEqual(rows(one.registry), ['one here 0 behind']);
});

test('a killed node loses its lease', async (t) => {
  const { flawed, join } = await opened(t);
  const one = join('one');
  await flawed.other.lease('nodes/two', JSON.stringify(INFO), NODE_LEASE_MS);
  await flawed.clock.advance(5000);
  assert.deepEqual(rows(one.registry), ['one here 0 behind', 'two here 0 behind']);
  await flawed.clock.advance(NODE_LEASE_MS + NODE_SILENT_MS);
  assert.deepEqual(rows(one.registry), ['one here 0 behind', 'two silent 0 behind']);
});

test('heard() keeps a node that only peers know, while the store is away', async (t) => {
  const { flawed, join } = await opened(t);
  flawed.fail(true);
  const one = join('one');
  await flawed.clock.advance(20_000);
  assert.equal(one.registry.heard('two', JSON.stringify(INFO))?.region, 'eu');
  assert.equal(one.registry.heard('bad', '{}'), undefined);
  assert.deepEqual(rows(one.registry), ['one here 0 behind', 'two here 0 behind']);
  assert.equal(readNodeInfo(one.registry.describe())?.wallMs, 7);
});

test('two nodes of one name are said, once, by the one that was there before', async (t) => {
  const { flawed, join } = await opened(t);
  const older = join('one', { incarnation: 5 });
  await settle();
  const younger = join('one', { incarnation: 6 });
  await flawed.clock.advance(20_000);
  assert.deepEqual([older.log, younger.log], [['cluster.double-name'], []]);
});

test('a renewal that says nothing new is no news, and close() takes the lease away', async (t) => {
  const { flawed, join } = await opened(t);
  const seen: (string | undefined)[] = [];
  flawed.other.watch('nodes/', ({ value }) => seen.push(value));
  const one = join('one');
  await settle();
  for (let beat = 0; beat < 5; beat += 1) {
    one.info = { ...one.info, wallMs: beat };
    await flawed.clock.advance(5000);
  }
  assert.equal(seen.length, 1);
  await one.registry.close();
  assert.equal(await flawed.other.get('nodes/one'), undefined);
  assert.equal(flawed.clock.pending(), 0);
});

test('rows() keeps to the later life of a name, and to a bounded number', () => {
  const table = createNodeTable();
  table.heard('a', { ...INFO, incarnation: 9, generation: 9 }, 10);
  table.heard('a', { ...INFO, incarnation: 8, generation: 8 }, 20);
  for (let each = 0; each < 2 * NODES_MAX; each += 1) table.heard(`n${each}`, INFO, 10);
  const all = table.rows({ name: 'self', info: INFO }, 20);
  assert.ok(all.length <= NODES_MAX + 1);
  assert.equal(all.find(({ name }) => name === 'a')?.generation, 9);
});

test('readNodeInfo() takes what a later version says besides, and nothing else', () => {
  assert.deepEqual(readNodeInfo(JSON.stringify({ ...INFO, more: 1 })), INFO);
  for (const text of [
    '',
    'null',
    '{}',
    JSON.stringify({ ...INFO, revision: -1 }),
    'x'.repeat(9000),
  ]) {
    assert.equal(readNodeInfo(text), undefined);
  }
});

function rows(registry: ReturnType<typeof createRegistry>): readonly string[] {
  return registry.list().map(({ name, revisionsBehind, state }) => {
    return `${name} ${state} ${revisionsBehind} behind`;
  });
}

async function opened(t: TestContext) {
  const flawed: FlawedStore = await createFlawedStore();
  const join = (name: string, more: Partial<NodeInfo> = {}) => {
    const log: string[] = [];
    const said = { info: { ...INFO, ...more } };
    const registry = createRegistry({
      name,
      store: flawed.store,
      clock: flawed.clock,
      self: () => said.info,
      log: { warn: (event) => log.push(event) },
    });
    const node = Object.assign(said, { log, registry });
    t.after(() => node.registry.close());
    return node;
  };
  return { flawed, join };
}
