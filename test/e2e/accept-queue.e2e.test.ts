import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as passed } from 'node:timers/promises';
import { openRingCalls, type RingCalls } from '../../src/io/ring-calls.ts';
import { openSyscalls } from '../../src/io/syscall.ts';
import { openBalancerWorkers } from '../../src/workers/balancer-workers.ts';
import { isRingThere } from '../io/ring-there.ts';
import { loopbackAddress } from '../node/free-addresses.ts';
import { configOf, listenerAt, PORT } from '../workers/balancer-config.ts';
import { createVoice } from '../workers/voice.ts';

/**
 * Clients that the kernel has taken (their connect was answered) while a worker, or a listener, goes: each of them is
 * served. Who comes after is refused, or waits for whoever listens next.
 */

const ROUNDS = 20;
/** Connect at once. */
const BURST = 150;
/** Go on connecting, one after the other. */
const CALLERS = 24;
const THREADS = 2;
const GRACE_MS = 5000;
/** By then the listener is closed, and the kernel says so to whoever comes. */
const CLOSED_MS = 300;
const FILE = new URL('../../src/balancer-worker.ts', import.meta.url);
const found = openSyscalls();
const ring = openRingCalls();
const WAYS: readonly (readonly [string, RingCalls | undefined])[] = [
  ['portable', undefined],
  ...(ring.ok && isRingThere() ? ([['io_uring', ring.calls]] as const) : []),
];

type Crowd = {
  /** How requests ended, of those who were connected: `hello`, or what went wrong. */
  readonly ended: Map<string, number>;
  /** Settles when so many have been answered since. */
  answered(more: number): Promise<void>;
  burst(): void;
  /** Nobody calls any more; settles when whoever was connected has heard the end. */
  leave(): Promise<void>;
};

/** Callers with a connection for each request. */
function gather(address: string): Crowd {
  const ended = new Map<string, number>();
  const waiting = new Set<Socket>();
  const calls = new Set<Promise<void>>();
  let isOver = false;
  const call = (): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const socket = connect(PORT, address);
    let text = '';
    let isTaken = false;
    let problem = '';
    waiting.add(socket);
    socket.once('connect', () => {
      isTaken = true;
      waiting.delete(socket);
      socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    });
    socket.setEncoding('latin1');
    socket.on('data', (more: string) => {
      text += more;
    });
    socket.on('error', ({ code = 'error' }: NodeJS.ErrnoException) => {
      problem = code;
    });
    socket.on('close', () => {
      waiting.delete(socket);
      const end = problem || (text.split('\r\n\r\n')[1] ?? 'nothing');
      if (isTaken) ended.set(end, (ended.get(end) ?? 0) + 1);
      resolve();
    });
    calls.add(promise);
    void promise.then(() => calls.delete(promise));
    return promise;
  };
  for (let caller = 0; caller < CALLERS; caller += 1) {
    void (async () => {
      while (!isOver) await call();
    })();
  }
  return {
    ended,
    async answered(more) {
      const count = (): number => ended.get('hello') ?? 0;
      const from = count();
      while (count() - from < more) await passed(1);
    },
    burst() {
      for (let count = 0; count < BURST; count += 1) void call();
    },
    async leave() {
      isOver = true;
      // The kernel has not answered them: they are nobody's clients yet.
      for (const socket of waiting) socket.destroy();
      await Promise.all(calls);
    },
  };
}

async function startOrigin(t: TestContext): Promise<number> {
  const origin = createServer((_request, response) => response.end('hello'));
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
  t.after(() => origin.close());
  const at = origin.address();
  assert.ok(typeof at === 'object' && at);
  return at.port;
}

function open(t: TestContext, ringCalls: RingCalls | undefined, first: string, origin: number) {
  assert.ok(found.ok);
  const opened = openBalancerWorkers({
    ...createVoice(),
    config: configOf([listenerAt('eu', first)], origin, THREADS),
    file: FILE,
    syscalls: found.calls,
    ringCalls,
    states: [],
  });
  assert.ok(opened.ok);
  t.after(() => opened.workers.stop(0));
  return opened.workers;
}

for (const [engine, ringCalls] of found.ok ? WAYS : []) {
  test(`workers that stop serve everybody who was connected, ${engine}`, async (t) => {
    const origin = await startOrigin(t);
    let served = 0;
    const play = async (round: number): Promise<void> => {
      const address = loopbackAddress();
      const workers = open(t, ringCalls, address, origin);
      await workers.ready;
      const crowd = gather(address);
      await crowd.answered(CALLERS);
      crowd.burst();
      await crowd.answered(1 + ((round * 7) % BURST));
      await workers.stop(GRACE_MS);
      await crowd.leave();
      assert.deepEqual([...crowd.ended.keys()], ['hello'], `round ${round}: ${[...crowd.ended]}`);
      served += crowd.ended.get('hello') ?? 0;
    };
    // Two at a time: most of a round is waiting for threads.
    for (let round = 0; round < ROUNDS; round += 2) {
      await Promise.all([play(round), play(round + 1)]);
    }
    t.diagnostic(`${served} served in ${ROUNDS} rounds`);
  });

  test(`a listener that goes serves everybody who was connected, ${engine}`, async (t) => {
    const origin = await startOrigin(t);
    const stays = loopbackAddress();
    const workers = open(t, ringCalls, stays, origin);
    await workers.ready;
    for (let round = 0; round < ROUNDS; round += 1) {
      const address = loopbackAddress();
      const both = [listenerAt('eu', stays), listenerAt('eu', address)];
      assert.deepEqual(await workers.publish(configOf(both, origin, THREADS)), []);
      const crowd = gather(address);
      await crowd.answered(CALLERS);
      crowd.burst();
      await crowd.answered(1 + ((round * 7) % BURST));
      await workers.publish(configOf(both.slice(0, 1), origin, THREADS));
      await passed(CLOSED_MS);
      await crowd.leave();
      assert.deepEqual([...crowd.ended.keys()], ['hello'], `round ${round}: ${[...crowd.ended]}`);
    }
  });

  test(`a worker that dies and is replaced leaves its clients in the queue, ${engine}`, async (t) => {
    const origin = await startOrigin(t);
    const address = loopbackAddress();
    const workers = open(t, ringCalls, address, origin);
    await workers.ready;
    await Promise.all(workers.threads().map((thread) => thread.kill()));
    const crowd = gather(address);
    crowd.burst();
    await crowd.answered(BURST + CALLERS);
    await crowd.leave();
    assert.deepEqual([...crowd.ended.keys()], ['hello']);
  });
}
