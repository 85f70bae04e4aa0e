import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../src/control/clock.ts';
import { redis } from '../../src/store/redis.ts';
import type { Store } from '../../src/store/store.ts';
import { statesOf, until, untilState, watching } from '../store/watching.ts';
import { startCluster, startSentinels } from './redis-groups.ts';

/** The store over Redis with Sentinel and with Cluster, while servers die and are replaced. */

async function openStore(t: TestContext, options: Readonly<Record<string, unknown>>) {
  const store = await redis.open(redis.options.parse(options), systemClock);
  t.after(() => store.close());
  return store;
}

const FAILOVER_MS = 20_000;

async function putEventually(store: Store, key: string, value: string): Promise<void> {
  let isDone = false;
  let isWaiting = false;
  const attempt = async (): Promise<void> => {
    isWaiting = true;
    try {
      const entry = await store.get(key);
      isDone = (await store.compareAndSet(key, entry?.version ?? 0, value)).ok;
    } catch {
      // Away: again.
    }
    isWaiting = false;
  };
  await until(
    () => {
      if (!isDone && !isWaiting) void attempt();
      return isDone;
    },
    () => JSON.stringify(store.status()),
    FAILOVER_MS,
  );
}

test('Sentinel: the server dies, its replica takes over, and watchers hear on', async (t) => {
  const set = await startSentinels(t);
  const options = {
    mode: 'sentinel',
    servers: set.sentinelPorts.map((port) => `127.0.0.1:${port}`),
  };
  const stores = [await openStore(t, options), await openStore(t, options)] as const;
  assert.deepEqual(stores[0].status(), { state: 'ready' });
  const seen = watching(stores[1], '');
  const { version } = await stores[0].compareAndSet('a', 0, '1');
  await seen.count(1);
  // WAIT would wait for what its own connection wrote.
  await eventually(async () => {
    const data = (await set.servers[1]!.cli('keys', '*data')).trim();
    return data !== '' && (await set.servers[1]!.cli('hkeys', data)).split('\n').includes('a');
  }, 'the replica has it');
  const states = statesOf(stores[1]);
  await set.servers[0]!.kill();
  await putEventually(stores[0], 'a', '2');
  await until(() => seen.changes.some(({ value }) => value === '2'), undefined, FAILOVER_MS);
  assert.equal(await set.named(), set.servers[1]!.port);
  const last = seen.changes.at(-1)!;
  assert.ok(last.version > version);
  assert.ok(
    seen.changes.every(({ isLoss }) => isLoss === undefined),
    `nothing was lost: ${JSON.stringify(seen.changes)}`,
  );
  assert.deepEqual(
    states.map(({ state }) => state),
    ['away', 'ready'],
  );
});

test('Sentinel: a server that was replaced but still answers is left', async (t) => {
  const set = await startSentinels(t);
  const options = {
    mode: 'sentinel',
    servers: set.sentinelPorts.map((port) => `127.0.0.1:${port}`),
  };
  const store = await openStore(t, options);
  const seen = watching(store, '');
  await store.compareAndSet('a', 0, '1');
  await set.servers[0]!.cli('wait', '1', '2000');
  set.servers[0]!.pause();
  await until(() => store.status().state === 'away', undefined, FAILOVER_MS);
  await putEventually(store, 'a', '2');
  set.servers[0]!.resume();
  // Back as a replica it refuses writes; nobody may end up there.
  await putEventually(store, 'b', '1');
  assert.equal(await set.named(), set.servers[1]!.port);
  assert.ok(seen.changes.some(({ key }) => key === 'b'));
  assert.match(await set.servers[1]!.cli('hget', '{meridian}:data', 'b'), /1$/);
});

test('Sentinel: none there, or none that knows the name, is said', async (t) => {
  const options = { mode: 'sentinel', servers: ['127.0.0.1:1', '127.0.0.1:2'] };
  const store = await openStore(t, options);
  const status = store.status();
  assert.match(status.state === 'away' ? status.reason : '', /no Sentinel.*:1: .*REFUSED.*:2: /);
});

test('Cluster: found from any node, followed to another owner, and over a failover', async (t) => {
  const { masters, replica } = await startCluster(t, '{meridian}');
  const servers = [...masters, replica].map(({ port }) => `127.0.0.1:${port}`);
  const stores: Store[] = [];
  for (const server of servers) {
    stores.push(await openStore(t, { mode: 'cluster', servers: [server] }));
  }
  for (const store of stores) assert.deepEqual(store.status(), { state: 'ready' });
  const seen = stores.map((store) => watching(store, ''));
  const { version } = await stores[0]!.compareAndSet('a', 0, '1');
  await Promise.all(seen.map((one) => one.count(1)));
  await stores[1]!.lease('l', '1', 200);
  await Promise.all(seen.map((one) => one.count(3)));
  await stores[2]!.append('log', 'x', 10);
  assert.equal((await stores[3]!.read('log', '', 10)).length, 1);

  const slot = Number(await replica.cli('cluster', 'keyslot', '{meridian}'));
  const owner = masters[slot <= 5460 ? 0 : slot <= 10_922 ? 1 : 2]!;
  const store = await openStore(t, { mode: 'cluster', servers });
  const heard = watching(store, '');
  await owner.cli('wait', '1', '2000');
  await owner.kill();
  await until(() => store.status().state === 'away', undefined, FAILOVER_MS);
  await putEventually(store, 'a', '2');
  await untilState(store, 'ready');
  await until(() => heard.changes.some(({ value }) => value === '2'), undefined, FAILOVER_MS);
  assert.ok(heard.changes.at(-1)!.version > version);
  assert.ok(heard.changes.every(({ isLoss }) => isLoss === undefined));
});

async function eventually(isSo: () => Promise<boolean>, what: string): Promise<void> {
  const endMs = performance.now() + FAILOVER_MS;
  while (!(await isSo())) {
    assert.ok(performance.now() < endMs, what);
    await delay(20);
  }
}
