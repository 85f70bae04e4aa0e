import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { BalancerListenerConfig, Config } from '../../src/config/config.ts';
import { PIECE_BYTES, PIECES } from '../../src/io/receive-slab.ts';
import { openRingCalls, type RingCalls } from '../../src/io/ring-calls.ts';
import { openSyscalls, type Syscalls } from '../../src/io/syscall.ts';
import { type BalancerWorkers, openBalancerWorkers } from '../../src/workers/balancer-workers.ts';
import { isRingThere } from '../io/ring-there.ts';
import { freePort, loopbackAddress } from '../node/free-addresses.ts';
import { until } from '../node/until.ts';
import { configOf, listenerAt, PORT } from './balancer-config.ts';
import { createVoice, fixture } from './voice.ts';

/**
 * Real balancer threads on real sockets while the configuration changes: what listens after a
 * reload is exactly what it says, and nothing that stays is ever refused. Both with sockets of the
 * main thread and with sockets of the workers' own.
 */
const DEADLINE_MS = 10_000;
const found = openSyscalls();
const ring = openRingCalls();
const canRing = found.ok && isRingThere();
type Way = {
  readonly syscalls: Syscalls | undefined;
  readonly ringCalls: RingCalls | undefined;
};
const WAYS: readonly Way[] = [
  ...(found.ok ? [{ syscalls: found.calls, ringCalls: undefined }] : []),
  ...(found.ok && ring.ok && canRing ? [{ syscalls: found.calls, ringCalls: ring.calls }] : []),
  { syscalls: undefined, ringCalls: undefined },
];
const [FIRST_WAY = { syscalls: undefined, ringCalls: undefined }] = WAYS;

for (const each of WAYS) {
  const { ringCalls, syscalls } = each;
  const sockets = syscalls ? "the main thread's sockets" : "the workers' own sockets";
  const way = ringCalls ? `${sockets} and a ring` : sockets;

  test(`listeners come, move, change names and regions, and go, with ${way}`, async (t) => {
    const { workers, publish, listener } = await open(t, each, []);
    const [first, second] = [loopbackAddress(), loopbackAddress()];
    await workers.ready;
    assert.equal(workers.threads().length, 0);

    await publish([listener('eu', first)]);
    await answers(first);

    await publish([listener('eu', first, 'named')]);
    await staysOpen(first, syscalls);

    await publish([listener('us', first, 'named')]);
    await staysOpen(first, syscalls);
    await until(() => names(workers) === 'balancer-us', DEADLINE_MS, 'only the new region serves');

    await publish([listener('us', second, 'named')]);
    await answers(second);
    await refuses(first);

    await publish([listener('us', second, 'named'), listener('us', first)]);
    await answers(first);
    await staysOpen(second, syscalls);

    await publish([]);
    await refuses(first);
    await refuses(second);
    assert.equal(workers.threads().length, 0);
  });

  test(`reloads that come faster than workers take them leave what the last one says, with ${way}`, async (t) => {
    const { publish, listener } = await open(t, each, []);
    const [first, second] = [loopbackAddress(), loopbackAddress()];
    const rounds = Array.from({ length: 5 }).flatMap(() => [
      publish([listener('eu', first), listener('eu', second, 'moving')]),
      publish([listener('eu', first, 'moving'), listener('us', second)]),
      publish([listener('us', first, 'moving'), listener('eu', second, 'other')]),
    ]);
    for (const problems of await Promise.all(rounds)) assert.deepEqual(problems, []);
    await publish([listener('eu', first, 'moving')]);
    await answers(first);
    await refuses(second);
  });

  test(`an address that is given up can be taken again at once, also by a wildcard, with ${way}`, async (t) => {
    const address = loopbackAddress();
    const { publish, listener } = await open(t, each, [['eu', address]]);
    await answers(address);
    void publish([]);
    assert.deepEqual(await publish([listener('eu', address)]), []);
    await answers(address);
    const port = await freePort('0.0.0.0');
    const specific = { ...listener('eu', address), port };
    assert.deepEqual(await publish([specific]), []);
    await answers(address, port);
    assert.deepEqual(await publish([{ ...specific, address: '0.0.0.0' }]), []);
    await answers(address, port);
  });

  test(`a worker that is dead while the configuration changes comes back with all of it, with ${way}`, async (t) => {
    const [first, second] = [loopbackAddress(), loopbackAddress()];
    const { workers, publish, listener } = await open(t, each, [['eu', first]]);
    await workers.ready;
    await answers(first);
    const [thread] = workers.threads();
    await thread!.kill();
    await until(() => thread!.state() === 'running', DEADLINE_MS, 'the first successor');
    await thread!.kill();
    assert.equal(thread!.state(), 'dead');
    await publish([listener('eu', first), listener('eu', second)]);
    await publish([listener('eu', second)]);
    await answers(second);
    await refuses(first);
  });
}

test('a port that another program has starts nothing, and is a problem of a later reload', async (t) => {
  const taken = loopbackAddress();
  const blocker = createServer();
  await new Promise<void>((resolve) => blocker.listen(PORT, taken, resolve));
  t.after(() => blocker.close());
  const options = { ...createVoice(), file: FILE, ...FIRST_WAY, states: [] };
  const config = configOf([listenerAt('eu', taken)], 1);
  const refused = openBalancerWorkers({ ...options, config });
  if (FIRST_WAY.syscalls === undefined) return;
  assert.ok(!refused.ok);
  assert.match(refused.problems[0]!.message, /taken by another program/);
  const free = loopbackAddress();
  const { publish, listener } = await open(t, FIRST_WAY, [['eu', free]]);
  const problems = await publish([listener('eu', free), listener('eu', taken)]);
  assert.deepEqual(
    problems.map(({ code }) => code),
    ['EADDRINUSE'],
  );
  await answers(free);
  await new Promise((resolve) => blocker.close(resolve));
  assert.deepEqual(await publish([listener('eu', free), listener('eu', taken)]), []);
  await answers(taken);
});

test('0 balancer workers are one per core', async (t) => {
  const { workers } = await open(t, FIRST_WAY, [['eu', loopbackAddress()]], 0);
  assert.ok(workers.threads().length >= 1);
  await workers.ready;
  const { availableParallelism } = await import('node:os');
  assert.equal(workers.threads().length, availableParallelism());
});

const FILE = new URL('../../src/balancer-worker.ts', import.meta.url);

const names = (workers: BalancerWorkers): string =>
  workers
    .threads()
    .map(({ name }) => name)
    .join();

test('what requests show of servers is known on the main thread, until its worker is gone', async (t) => {
  const address = loopbackAddress();
  const { publish, listener, setStatus, workers } = await open(t, FIRST_WAY, []);
  await publish([listener('eu', address)]);
  await answers(address);
  assert.deepEqual(workers.outliers(), []);
  setStatus(503);
  for (let count = 0; count < 5; count += 1) await ask(address);
  await until(() => workers.outliers().length === 1, DEADLINE_MS, 'it is known');
  const { untilMs, ...told } = workers.outliers()[0]!;
  assert.deepEqual(told, {
    ...{ upstream: 'web', server: 'origin', level: 'reduced', workers: 1, workersTotal: 1 },
    why: '5 answers in a row were 502, 503 or 504 (consecutive-gateway)',
  });
  assert.ok(Math.abs(untilMs - Date.now() - 32_500) < 5000, `${untilMs}`);
  await publish([]);
  await until(() => workers.outliers().length === 0, 2 * DEADLINE_MS, 'it is forgotten');
});

for (const each of WAYS) {
  const way = each.ringCalls
    ? 'with a ring'
    : `by node:net, ${each.syscalls ? 'one socket' : 'own sockets'}`;
  test(`what is under way is told while workers change over, and what is said is in force once heard, ${way}`, async (t) => {
    const address = loopbackAddress();
    const { held, listener, publish, release, workers } = await open(t, each, [['eu', address]], 2);
    await answers(address);
    const active = (): number => workers.counts(['server']).servers[0]!.active;
    const waiting = [ask(address, PORT, '/held'), ask(address, PORT, '/held')];
    await until(() => held() === 2, DEADLINE_MS, 'two are under way');
    for (let count = 0; count < 10; count += 1) {
      void publish([listener('eu', address)]);
      workers.publishServers([{ upstream: 'web', server: 'origin', usable: count % 2 === 1 }]);
      assert.equal(active(), 2, 'before they have heard');
      await workers.heard();
      assert.equal(active(), 2, 'when they have heard');
      const word = count % 2 === 1 ? /^hello$/ : /^503 /;
      for (let times = 0; times < 8; times += 1) assert.match(await ask(address), word);
    }
    release();
    assert.deepEqual(await Promise.all(waiting), ['hello', 'hello']);
    await until(() => active() === 0, DEADLINE_MS, 'nothing is under way');
  });
}

test('nobody waits for a worker that has died to hear, and its work is not under way any more', async (t) => {
  const address = loopbackAddress();
  const { held, workers } = await open(t, FIRST_WAY, [['eu', address]]);
  await answers(address);
  const waiting = ask(address, PORT, '/held');
  await until(() => held() === 1, DEADLINE_MS, 'one is under way');
  const [thread] = workers.threads();
  const heard = workers.heard();
  await thread!.kill();
  await heard;
  await workers.heard();
  await waiting;
  await until(() => thread!.state() === 'running', DEADLINE_MS, 'a successor');
  assert.equal(workers.counts(['server']).servers[0]!.active, 0);
});

async function open(
  t: TestContext,
  way: Way,
  first: readonly (readonly [region: string, address: string])[],
  threads = 1,
) {
  let status = 200;
  const held: ServerResponse[] = [];
  const origin = createServer((request, response) => {
    if (request.url === '/held') {
      // A head at once, for which there is little time here.
      response.writeHead(200).write('hel');
      held.push(response);
    } else response.writeHead(status).end('hello');
  });
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
  t.after(() => origin.close());
  const address = origin.address();
  assert.ok(typeof address === 'object' && address);
  const config = (listeners: readonly BalancerListenerConfig[]): Config =>
    configOf(listeners, address.port, threads);
  const opened = openBalancerWorkers({
    ...createVoice(),
    config: config(first.map(([region, at]) => listenerAt(region, at))),
    file: FILE,
    ...way,
    states: [],
  });
  assert.ok(opened.ok);
  const { workers } = opened;
  t.after(() => workers.stop(0));
  const publish = (listeners: readonly BalancerListenerConfig[]) =>
    workers.publish(config(listeners));
  const setStatus = (next: number): void => {
    status = next;
  };
  return {
    ...{ workers, publish, setStatus, listener: listenerAt, originPort: address.port },
    /** Requests for /held, which are answered when they are released. */
    held: () => held.length,
    release: () => held.forEach((response) => void response.end('lo')),
  };
}

/** What a client gets there: the origin's word, or why not. */
async function ask(address: string, port = PORT, path = '/'): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, address);
    let text = '';
    socket.on('connect', () => socket.write(`GET ${path} HTTP/1.0\r\nHost: test\r\n\r\n`));
    socket.on('data', (chunk) => {
      text += chunk.toString();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
    socket.on('close', () => resolve(text.split('\r\n\r\n')[1] ?? text));
  });
}

const answers = (address: string, port = PORT) =>
  until(async () => (await ask(address, port)) === 'hello', DEADLINE_MS, `${address} answers`);
const refuses = (address: string) =>
  until(async () => (await ask(address)) === 'ECONNREFUSED', DEADLINE_MS, `${address} is closed`);

/**
 * For a while after a change nobody is refused. A worker that owns its socket has to close it before
 * it can open it under another name: then it only comes back.
 */
async function staysOpen(address: string, syscalls: Syscalls | undefined): Promise<void> {
  if (!syscalls) return void (await answers(address));
  for (let count = 0; count < 30; count += 1) assert.equal(await ask(address), 'hello');
}

for (const each of WAYS.slice(0, 2)) {
  const way = each.ringCalls ? 'with a ring' : 'by node:net';
  test(`one address and port may pass on TCP and UDP, ${way}, until it is given up`, async (t) => {
    const address = loopbackAddress();
    const { originPort, publish } = await open(t, each, []);
    const server = createSocket('udp4');
    t.after(() => server.close());
    server.on('message', (bytes, from) => server.send(`not ${bytes}`, from.port, from.address));
    await new Promise<void>((resolve) => server.bind(originPort, '127.0.0.1', resolve));
    const flows = {
      byServerName: false,
      idleTimeoutMs: 1000,
      drainTimeoutMs: 1000,
      sessionsMax: 10,
      responses: 1,
    };
    const listeners = (['tcp', 'udp'] as const).map((protocol) => ({
      ...listenerAt('eu', address, protocol),
      layer4: { ...flows, protocol },
    }));
    assert.deepEqual(await publish(listeners), []);
    await answers(address);
    const client = createSocket('udp4');
    t.after(() => client.close());
    const heard = new Promise<string>((resolve) => {
      client.once('message', (bytes, from) => resolve(`${bytes}, says ${from.address}`));
    });
    client.send('you', PORT, address);
    assert.equal(await heard, `not you, says ${address}`);
    assert.deepEqual(await publish([]), []);
    await refuses(address);
    const next = createSocket('udp4');
    t.after(() => next.close());
    await new Promise<void>((resolve) => next.bind(PORT, address, resolve));
    assert.equal(next.address().port, PORT);
  });
}

test('where one worker cannot have a ring at start none of its region has', async (t) => {
  if (!ring.ok) {
    t.skip('no calls of rings here');
    return;
  }
  const voice = createVoice();
  const opened = openBalancerWorkers({
    ...voice,
    config: configOf([listenerAt('eu', loopbackAddress())], 1, 3),
    file: fixture('ringless-worker'),
    syscalls: undefined,
    ringCalls: ring.calls,
    states: [],
  });
  assert.ok(opened.ok);
  const { workers } = opened;
  t.after(() => workers.stop(0));
  await workers.ready;
  const allPortable = (): boolean =>
    workers
      .threads()
      .every((thread) => thread.state() === 'running' && thread.engine() === 'portable');
  await until(allPortable, DEADLINE_MS, 'all go without');
  assert.equal(workers.threads().length, 3);
  const told = voice.heard.filter((line) => line.startsWith('sockets.without-ring'));
  assert.deepEqual(told, [
    'sockets.without-ring eu: Balancer workers of eu read and write by node:net: memory is short.',
  ]);
});

/** Octets of this process that are mapped for writing and come from no file. */
function mappedBytes(): number {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => / rw-p .* 0 *$/.test(line))
    .map((line) => line.split(' ')[0]!.split('-'))
    .reduce((sum, [from, to]) => sum + Number.parseInt(to!, 16) - Number.parseInt(from!, 16), 0);
}

test('a worker that dies leaves nothing mapped of what its ring received into', async (t) => {
  const way = WAYS.find(({ ringCalls }) => ringCalls !== undefined);
  if (way === undefined) {
    t.skip('no ring here');
    return;
  }
  const address = loopbackAddress();
  const { workers } = await open(t, way, [['eu', address]]);
  await workers.ready;
  const [thread] = workers.threads();
  const die = async (): Promise<void> => {
    await answers(address);
    await thread!.kill();
    await until(() => thread!.state() === 'running', DEADLINE_MS, 'a successor');
    await answers(address);
  };
  await die();
  const before = mappedBytes();
  const deaths = 4;
  for (let count = 0; count < deaths; count += 1) await die();
  const growth = (mappedBytes() - before) / (PIECES * PIECE_BYTES);
  t.diagnostic(`${growth.toFixed(1)} slabs more after ${deaths} deaths`);
  assert.ok(growth < 1, `${growth}`);
});
