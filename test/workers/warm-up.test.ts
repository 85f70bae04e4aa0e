import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import type { BalancerSnapshot } from '../../src/balancer/snapshot.ts';
import { openRingCalls } from '../../src/io/ring-calls.ts';
import type { StreamEngine } from '../../src/io/stream.ts';
import { createPortableEngine } from '../../src/io/stream-portable.ts';
import { createRingEngine } from '../../src/io/stream-ring.ts';
import { openSyscalls } from '../../src/io/syscall.ts';
import { openBalancerWorkers } from '../../src/workers/balancer-workers.ts';
import { compileBeforeExit } from '../../src/workers/compiling.ts';
import { warmUp } from '../../src/workers/warm-up.ts';
import { snapshotOf, startRawOrigin } from '../balancer/rig.ts';
import { isRingThere } from '../io/ring-there.ts';
import { loopbackAddress } from '../node/free-addresses.ts';
import { until } from '../node/until.ts';
import { configOf, listenerAt } from './balancer-config.ts';
import { createVoice, fixture } from './voice.ts';

/** Requests that a worker runs before it serves, over each engine. */

const DEADLINE_MS = 20_000;
const WARM_UP_MS = 150;
const [calls, syscalls] = [openRingCalls(), openSyscalls()];

const ENGINES: readonly (readonly [string, (t: TestContext) => StreamEngine])[] = [
  ['node:net', () => createPortableEngine()],
  ...(calls.ok && syscalls.ok && isRingThere()
    ? [['io_uring', ringFor] satisfies [string, (t: TestContext) => StreamEngine]]
    : []),
];

function ringFor(t: TestContext): StreamEngine {
  assert.ok(calls.ok && syscalls.ok);
  compileBeforeExit();
  const engine = createRingEngine(calls.calls, syscalls.calls);
  t.after(() => engine.close());
  return engine;
}

for (const [name, open] of ENGINES) {
  test(`requests are answered, nobody else is asked, and nothing is left, over ${name}`, async (t) => {
    const engine = open(t);
    const server = await startRawOrigin(() => {});
    t.after(() => server.close());
    const snapshot = narrow(snapshotOf({ servers: [server.port] }));
    const before = sockets();
    let answered = 0;
    // On a busy machine a try may end before anything was answered.
    const hasAnswered = async (): Promise<boolean> => {
      answered = await warmUp(engine, snapshot, WARM_UP_MS);
      return answered > 0;
    };
    await until(hasAnswered, DEADLINE_MS, 'requests are answered');
    assert.equal(server.received.length, 0);
    await until(() => sockets() <= before, DEADLINE_MS, 'all sockets are closed');
  });
}

/** Room for nobody, and a secret way to sessions: none of that is the warm-up's. */
const narrow = (snapshot: BalancerSnapshot): BalancerSnapshot => ({
  ...snapshot,
  limits: { ...snapshot.limits, connectionsMax: 0, headTimeoutMs: 0, keepAliveTimeoutMs: 0 },
  accessLog: { file: '/nowhere/at/all' } as NonNullable<BalancerSnapshot['accessLog']>,
});

/** How many this process has; 0 where that is not known. */
function sockets(): number {
  if (process.platform !== 'linux') return 0;
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
    } catch {
      return false;
    }
  }).length;
}

test('an engine that cannot listen, or not twice, or not connect, is left as it was', async () => {
  const snapshot = snapshotOf({ servers: [1] });
  for (const listens of [0, 1]) {
    const engine = createPortableEngine();
    const opened: string[] = [];
    const listen: StreamEngine['listen'] = async (where, onConnection) => {
      if (opened.length % (listens + 1) === listens) {
        opened.push('refused');
        throw Object.assign(new Error('no'), { code: 'EADDRNOTAVAIL' });
      }
      const listener = await engine.listen(where, onConnection);
      opened.push('open');
      return { ...listener, close: () => listener.close().then(() => void opened.push('closed')) };
    };
    const broken = { ...engine, listen };
    assert.equal(await warmUp(broken, snapshot, WARM_UP_MS), 0);
    const [open, closed] = ['open', 'closed'].map((is) => opened.filter((each) => each === is));
    assert.equal(closed?.length, open?.length);
  }
  const engine = createPortableEngine();
  let dialled = 0;
  const connect: StreamEngine['connect'] = (_, handlers) => {
    dialled++;
    // Port 0 is nobody's.
    return engine.connect({ address: '127.0.0.1', port: 0 }, handlers);
  };
  assert.equal(await warmUp({ ...engine, connect }, snapshot, WARM_UP_MS), 0);
  assert.ok(dialled > 0 && dialled < 100, `${dialled}: nobody who fails tries for all the time`);
});

test('where nothing is HTTP, or no time is given, nothing is done', async () => {
  const snapshot = snapshotOf({ servers: [1] });
  const engine = new Proxy({} as StreamEngine, {
    get: () => assert.fail('the engine is used'),
  });
  const layer4 = { protocol: 'tcp' } as NonNullable<
    BalancerSnapshot['listeners'][number]['layer4']
  >;
  const listeners = snapshot.listeners.map((listener) => ({ ...listener, layer4 }));
  assert.equal(await warmUp(engine, { ...snapshot, listeners }, WARM_UP_MS), 0);
  assert.equal(await warmUp(engine, snapshot, 0), 0);
});

test('threads warm up when the node starts, not when one is replaced nor when a region comes', async (t) => {
  const config = (regions: readonly string[]) => {
    const listeners = regions.map((region) => listenerAt(region, loopbackAddress()));
    const { balancer, ...rest } = configOf(listeners, 1);
    return { ...rest, balancer: { ...balancer, warmUpMs: 700 } };
  };
  const opened = openBalancerWorkers({
    ...createVoice(),
    config: config(['eu']),
    file: fixture('warming-worker'),
    syscalls: undefined,
    ringCalls: undefined,
    states: [],
  });
  assert.ok(opened.ok);
  const { workers } = opened;
  t.after(() => workers.stop(0));
  await workers.ready;
  const told = (): string =>
    workers
      .threads()
      .map((thread) => thread.engine())
      .join();
  assert.equal(told(), '700 ms');
  await workers.threads()[0]!.kill();
  await until(() => told() === '0 ms', DEADLINE_MS, 'its successor serves at once');
  await workers.publish(config(['eu', 'us']));
  await until(() => told() === '0 ms,0 ms', DEADLINE_MS, 'the new region serves at once');
});
