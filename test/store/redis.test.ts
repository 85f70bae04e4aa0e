import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { systemClock } from '../../src/control/clock.ts';
import { redis } from '../../src/store/redis.ts';
import type { Store } from '../../src/store/store.ts';
import { startRedis } from './redis-server.ts';
import { startProxy } from './tcp-proxy.ts';
import { statesOf, until, untilState, watching } from './watching.ts';

/** The store over a real Redis that fails in every way that a server and a network can. */

async function openStore(t: TestContext, options: Readonly<Record<string, unknown>>) {
  const store = await redis.open(redis.options.parse(options), systemClock);
  t.after(() => store.close());
  return store;
}

/** Rejects, and within the time that a call may take. */
async function refusesSoon(call: Promise<unknown>, because: RegExp): Promise<void> {
  const startMs = performance.now();
  await assert.rejects(call, because);
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs < 2000, `took ${tookMs} ms`);
}

async function put(store: Store, key: string, value: string | undefined): Promise<number> {
  const entry = await store.get(key);
  const { ok, version } = await store.compareAndSet(key, entry?.version ?? 0, value);
  assert.ok(ok);
  return version;
}

describe('redis', { concurrency: 5 }, () => {
  test('open() resolves without a server, and the store is ready soon after there is one', async (t) => {
    const server = await startRedis(t, { isRunning: false });
    const store = await openStore(t, { url: server.url });
    assert.equal(store.status().state, 'away');
    assert.equal(store.nowMs(), null);
    await refusesSoon(store.get('a'), /away.*ECONNREFUSED/);
    const seen = watching(store, '');
    const states = statesOf(store);
    await server.restart();
    await server.cli('ping');
    await untilState(store, 'ready');
    await seen.resynced(1);
    await put(store, 'a', '1');
    await seen.count(1);
    assert.deepEqual(states, [{ state: 'ready' }], 'one word for one change');
    assert.ok(Math.abs(store.nowMs()! - Date.now()) < 1000);
  });

  test('open() tries the next server when the first is not there', async (t) => {
    const [gone, there] = await Promise.all([startRedis(t, { isRunning: false }), startRedis(t)]);
    const store = await openStore(t, {
      servers: [`127.0.0.1:${gone.port}`, `localhost:${there.port}`],
    });
    assert.deepEqual(store.status(), { state: 'ready' });
  });

  test('a server that is killed and comes back empty: losses are told as such, then a resync', async (t) => {
    const server = await startRedis(t);
    const [store, other] = [
      await openStore(t, { url: server.url }),
      await openStore(t, { url: server.url }),
    ];
    const seen = watching(store, 'n/');
    const version = await put(store, 'n/a', '1');
    await put(other, 'n/b', '2');
    await seen.count(2);
    const states = statesOf(store);
    await server.kill();
    await untilState(store, 'away');
    await refusesSoon(store.compareAndSet('n/a', version, 'x'), /away/);
    await server.restart();
    await seen.resynced(1);
    const losses = (await seen.count(4)).slice(2);
    assert.deepEqual(losses.map(({ key, value, isLoss }) => [key, value, isLoss]).toSorted(), [
      ['n/a', undefined, true],
      ['n/b', undefined, true],
    ]);
    assert.deepEqual(seen.resyncs, [{ hasLosses: true }]);
    assert.deepEqual(
      states.map(({ state }) => state),
      ['away', 'ready'],
    );
    const again = await put(store, 'n/a', '1');
    assert.ok(again > version, 'versions go on');
  });

  test('FLUSHALL under a live watcher is noticed and told as a loss', async (t) => {
    const server = await startRedis(t);
    const store = await openStore(t, { url: server.url });
    const other = await openStore(t, { url: server.url });
    const seen = watching(store, '');
    const heard = watching(other, '');
    const version = await put(store, 'a', '1');
    await Promise.all([seen.count(1), heard.count(1)]);
    await server.cli('flushall');
    await Promise.all([seen.resynced(1), heard.resynced(1)]);
    for (const { changes } of [seen, heard]) {
      assert.deepEqual(
        [changes[1]?.key, changes[1]?.value, changes[1]?.isLoss],
        ['a', undefined, true],
      );
      assert.ok(changes[1]!.version > version);
    }
    assert.deepEqual(store.status(), { state: 'ready' }, 'it was there all the time');
    await server.cli('flushall');
    await put(other, 'b', '2');
    await seen.resynced(2);
    assert.ok((await put(store, 'a', '1')) > version);
  });

  test('what changed while the connection was cut is told, deletions too, and nothing else', async (t) => {
    const server = await startRedis(t);
    const proxy = await startProxy(t, server.port);
    const near = await openStore(t, { url: server.url });
    for (const key of ['n/kept', 'n/changed', 'n/deleted', 'm/other']) await put(near, key, 'old');
    const far = await openStore(t, { url: `redis://127.0.0.1:${proxy.port}` });
    const seen = watching(far, 'n/');
    await put(near, 'n/last', '0');
    await seen.count(1);
    proxy.cut(true);
    await untilState(far, 'away');
    await put(near, 'n/changed', 'new');
    const changed = await put(near, 'n/changed', 'newer');
    await put(near, 'n/deleted', undefined);
    await put(near, 'n/new', '1');
    await put(near, 'n/passing', '1');
    await put(near, 'n/passing', undefined);
    await put(near, 'm/other', 'new');
    await near.lease('n/leased', '1', 60_000);
    proxy.open();
    await seen.resynced(1);
    const told = seen.changes.slice(1);
    assert.deepEqual(
      told.map(({ key, value }) => [key, value]),
      [
        ['n/changed', 'newer'],
        ['n/deleted', undefined],
        ['n/new', '1'],
        ['n/leased', '1'],
      ],
    );
    assert.equal(told[0]?.version, changed);
    assert.deepEqual(seen.resyncs, [{ hasLosses: false }]);
    await put(near, 'n/after', '1');
    await seen.count(6);
  });

  test('a store that falls back to an older state says so, and versions go on', async (t) => {
    const server = await startRedis(t);
    const store = await openStore(t, { url: server.url });
    const seen = watching(store, '');
    const first = await put(store, 'a', 'old');
    await server.cli('save');
    await put(store, 'a', 'new');
    const last = await put(store, 'b', 'lost');
    await seen.count(3);
    await server.kill();
    await server.restart();
    await seen.resynced(1);
    const [a, b] = (await seen.count(5)).slice(3);
    assert.deepEqual(a, { key: 'a', value: 'old', version: first, isLoss: true });
    assert.deepEqual([b?.key, b?.value, b?.isLoss], ['b', undefined, true]);
    const { ok, version } = await store.compareAndSet('a', first, 'new');
    assert.ok(ok && version > last);
  });

  test('a server that hangs is noticed without a call, refuses within a second, and is found again', async (t) => {
    const server = await startRedis(t);
    const store = await openStore(t, { url: server.url });
    const other = await openStore(t, { url: server.url });
    const seen = watching(store, '');
    server.pause();
    await refusesSoon(store.get('a'), /no answer within 1000 ms/);
    assert.equal(store.status().state, 'away');
    await refusesSoon(store.get('a'), /away/);
    await untilState(other, 'away');
    server.resume();
    await Promise.all([untilState(store, 'ready'), untilState(other, 'ready')]);
    await put(other, 'a', '1');
    await seen.count(1);
  });

  test('a network that swallows everything is noticed', async (t) => {
    const server = await startRedis(t);
    const proxy = await startProxy(t, server.port);
    const store = await openStore(t, { url: `redis://127.0.0.1:${proxy.port}` });
    proxy.swallow(true);
    await untilState(store, 'away');
    proxy.swallow(false);
    await untilState(store, 'ready');
  });

  test('a slow server is used as long as it answers in time', async (t) => {
    const server = await startRedis(t);
    const proxy = await startProxy(t, server.port);
    proxy.delay(150);
    const store = await openStore(t, { url: `redis://127.0.0.1:${proxy.port}` });
    await untilState(store, 'ready');
    const seen = watching(store, '');
    await put(store, 'a', '1');
    await seen.count(1);
    // Half of the way there and back is all that the clock can be off, and both ways are alike.
    assert.ok(Math.abs(store.nowMs()! - Date.now()) < 150);
    proxy.delay(700);
    await refusesSoon(store.get('a'), /no answer within/);
    assert.equal(store.status().state, 'away');
    proxy.delay(0);
    await untilState(store, 'ready');
  });

  test('a user who may not do everything is told what, and let in when he may', async (t) => {
    const server = await startRedis(t);
    const rights = ['~{meridian}:*', '&{meridian}:*', '+@all', '-zadd'];
    await server.cli('acl', 'setuser', 'lb', 'on', '>s3cret-w0rd', ...rights);
    const options = { url: `redis://lb:s3cret-w0rd@127.0.0.1:${server.port}` };
    const store = await openStore(t, options);
    const states = statesOf(store);
    const status = store.status();
    assert.ok(status.state === 'away' && /ZADD/.test(status.reason), JSON.stringify(status));
    assert.ok(!JSON.stringify(status).includes('s3cret-w0rd'));
    await server.cli('acl', 'setuser', 'lb', '+zadd');
    await untilState(store, 'ready');
    await server.cli('acl', 'setuser', 'lb', '-hset');
    await assert.rejects(store.compareAndSet('a', 0, '1'), /failed/);
    await untilState(store, 'away');
    await server.cli('acl', 'setuser', 'lb', '+hset', '-subscribe');
    await server.cli('client', 'kill', 'type', 'pubsub');
    await until(() => JSON.stringify(store.status()).includes('subscribe'));
    await server.cli('acl', 'setuser', 'lb', '+subscribe');
    await untilState(store, 'ready');
    assert.deepEqual(
      states.map(({ state }) => state),
      ['ready', 'away', 'ready'],
    );
  });

  test('the rights in docs/STORE.md are enough', async (t) => {
    const server = await startRedis(t);
    const manual = readFileSync(new URL('../../docs/STORE.md', import.meta.url), 'utf8');
    const rights = /ACL SETUSER meridian on >PASSWORD (.*)/.exec(manual)?.[1]?.split(' ') ?? [];
    await server.cli('acl', 'setuser', 'lb', 'reset', 'on', '>w0rd', ...rights);
    const store = await openStore(t, { url: `redis://lb:w0rd@127.0.0.1:${server.port}` });
    assert.deepEqual(store.status(), { state: 'ready' });
    const seen = watching(store, '');
    await put(store, 'a', '1');
    await put(store, 'a', undefined);
    await store.lease('l', '1', 50);
    await seen.count(4);
    await store.append('log', '1', 1);
    assert.equal((await store.read('log', '', 5)).length, 1);
    assert.deepEqual(store.status(), { state: 'ready' });
    assert.equal(await server.cli('acl', 'log'), '', 'nothing was denied');
  });

  test('a server that is full is away for that reason until there is room', async (t) => {
    const server = await startRedis(t);
    const store = await openStore(t, { url: server.url });
    await server.cli('config', 'set', 'maxmemory', '1');
    await assert.rejects(store.compareAndSet('a', 0, '1'), /OOM/);
    await until(() => JSON.stringify(store.status()).includes('OOM'));
    await server.cli('config', 'set', 'maxmemory', '0');
    await untilState(store, 'ready');
  });

  test('a server that became a replica is left', async (t) => {
    const server = await startRedis(t);
    const store = await openStore(t, { url: server.url });
    await server.cli('replicaof', '127.0.0.1', '1');
    await until(() => JSON.stringify(store.status()).includes('READONLY'));
    await server.cli('replicaof', 'no', 'one');
    await untilState(store, 'ready');
  });

  test('a password in a file is read again at every connection', async (t) => {
    const server = await startRedis(t);
    const file = join(server.directory, 'password');
    writeFileSync(file, 'first\n');
    await server.cli('acl', 'setuser', 'lb', 'on', '>first', '~*', '&*', '+@all');
    const store = await openStore(t, { url: server.url, username: 'lb', passwordFile: file });
    assert.deepEqual(store.status(), { state: 'ready' });
    await server.cli('acl', 'setuser', 'lb', 'resetpass', '>second');
    await server.cli('client', 'kill', 'user', 'lb');
    await until(() => JSON.stringify(store.status()).includes('WRONGPASS'));
    writeFileSync(file, 'second\n');
    await untilState(store, 'ready');
    rmSync(file);
    await server.cli('client', 'kill', 'user', 'lb');
    await until(() => JSON.stringify(store.status()).includes('ENOENT'));
  });

  test('another database of the same server is another store', async (t) => {
    const server = await startRedis(t);
    const [first, second] = [
      await openStore(t, { url: `${server.url}/0` }),
      await openStore(t, { url: `${server.url}/3` }),
    ];
    await put(first, 'a', '1');
    assert.equal(await second.get('a'), undefined);
  });

  test('what other programs wrote to our keys is no crash', async (t) => {
    const server = await startRedis(t);
    const store = await openStore(t, { url: server.url });
    await server.cli('hset', '{meridian}:data', 'a', 'nonsense', 'b', '');
    await server.cli('zadd', '{meridian}:index', '0', 'a', '0', 'b', '0', 'c');
    assert.deepEqual(await store.list(''), []);
    assert.equal(await store.get('a'), undefined);
    await server.cli('publish', '{meridian}:changes', 'nonsense');
    await server.cli('publish', '{meridian}:changes', '+ 1 2 3');
    const seen = watching(store, '');
    await server.cli('set', '{meridian}:version', 'nonsense');
    await untilState(store, 'away');
    await server.cli('del', '{meridian}:version');
    await untilState(store, 'ready');
    await server.cli('del', '{meridian}:data');
    await server.cli('set', '{meridian}:data', 'nonsense');
    await assert.rejects(store.get('a'), /WRONGTYPE/);
    await server.cli('del', '{meridian}:data', '{meridian}:index');
    await put(store, 'a', '1');
    await until(() => seen.changes.some(({ value }) => value === '1'));
  });

  test('a lease that runs out is told to everybody within half a second', async (t) => {
    const server = await startRedis(t);
    const stores: Store[] = [];
    for (let at = 0; at < 3; at += 1) stores.push(await openStore(t, { url: server.url }));
    const seen = stores.map((store) => watching(store, 'node/'));
    await stores[0]!.lease('node/a', '1', 10_000);
    // Earlier than what the others wait for.
    await stores[1]!.lease('node/b', '1', 200);
    const startMs = performance.now();
    await Promise.all(seen.map((one) => one.count(3)));
    const tookMs = performance.now() - startMs;
    assert.ok(tookMs < 700, `${tookMs} ms`);
    for (const { changes } of seen) {
      assert.deepEqual([changes[2]?.key, changes[2]?.value], ['node/b', undefined]);
      assert.equal(changes.length, 3, 'once');
    }
  });

  test('two clients race for one key: each round has one winner, and all hear the same', async (t) => {
    const server = await startRedis(t);
    const stores = [
      await openStore(t, { url: server.url }),
      await openStore(t, { url: server.url }),
    ];
    const seen = stores.map((store) => watching(store, ''));
    let wins = 0;
    const climb = async (store: Store): Promise<void> => {
      for (let round = 0; round < 50; round += 1) {
        const entry = await store.get('count');
        const next = String(Number(entry?.value ?? 0) + 1);
        if ((await store.compareAndSet('count', entry?.version ?? 0, next)).ok) wins += 1;
      }
    };
    await Promise.all([...stores, ...stores].map(climb));
    assert.equal((await stores[0]!.get('count'))?.value, `${wins}`);
    const [first, second] = await Promise.all(seen.map((one) => one.count(wins)));
    assert.deepEqual(first, second);
    assert.deepEqual(
      first?.map(({ value }) => Number(value)),
      first?.map((_, at) => at + 1),
    );
  });

  test('close() ends every connection and leaves no work behind', async (t) => {
    const server = await startRedis(t);
    const store = await redis.open(redis.options.parse({ url: server.url }), systemClock);
    const clients = async (): Promise<number> =>
      (await server.cli('client', 'list')).match(/name=meridian/g)?.length ?? 0;
    assert.equal(await clients(), 2);
    await store.close();
    for (let tries = 0; tries < 50 && (await clients()) > 0; tries += 1);
    assert.equal(await clients(), 0);
  });
});
