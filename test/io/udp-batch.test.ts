import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { type TestContext, test } from 'node:test';
import { probeBatches } from '../../src/io/batch-probe.ts';
import { hangBell, ring } from '../../src/io/bell.ts';
import { LINUX_64 } from '../../src/io/message-slab.ts';
import { openBatchSockets } from '../../src/io/sockets.ts';
import {
  type BatchCalls,
  openBatchCalls,
  openSyscalls,
  SyscallError,
  type Syscalls,
} from '../../src/io/syscall.ts';
import { openBatchUdp } from '../../src/io/udp-batch.ts';
import { client, ECHO_NAME, startEcho, udpConformance } from './udp-conformance.ts';

const found = openSyscalls();
const calls = openBatchCalls();
const problem = found.ok ? probeBatches(found.calls, calls) : found.reason;

// Elsewhere the portable engine serves, and has the suite to itself.
if (process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch)) {
  test('batches can be used on this machine', () => assert.equal(problem, undefined));
}
if (problem === undefined && found.ok) batchTests(found.calls);

function batchTests(syscalls: Syscalls): void {
  udpConformance('batch');

  type Here = {
    readonly gatherUs?: number;
    slept?(us: number): void;
    received(count: number): void;
    serve(): number;
  };

  /** An engine in the thread of the test, which looks at its calls. */
  function serveHere(t: TestContext, { gatherUs = 0, received, serve, slept }: Here) {
    assert.ok(calls.ok);
    const { calls: real } = calls;
    const hung = hangBell(syscalls);
    const at = { address: '127.0.0.1', port: 0 };
    const opened = openBatchSockets(syscalls, at, Uint8Array.of(127, 0, 0, 1), 1);
    assert.ok(opened.ok);
    const socket = opened.value[0]![0]!;
    t.after(() => {
      socket.close();
      hung.close();
    });
    const memories = new Map<bigint, ArrayBuffer>();
    const seen: BatchCalls = {
      ...real,
      hold(memory) {
        const address = real.hold(memory);
        memories.set(address, memory);
        return address;
      },
      receive(...call) {
        const count = real.receive(...call);
        if (count > 0) received(count);
        return count;
      },
      sleep(time, left) {
        const [seconds, nanoseconds] = new BigInt64Array(memories.get(time)!);
        assert.equal(seconds, 0n);
        slept?.(Number(nanoseconds) / 1000);
        return real.sleep(time, left);
      },
    };
    const handler = { source: { family: 4, address: new Uint8Array(16), port: 0 }, serve } as const;
    const entrance = { socket: { ...at, port: socket.port, fd: socket.hand().fd! }, handler };
    const meter = { received() {}, dropped() {}, unsent() {} };
    const batch = openBatchUdp(seen, [entrance], hung.bell, meter, gatherUs);
    return { batch, bell: hung.bell, port: socket.port };
  }

  test('hot calls look at no argument on their way to the kernel', () => {
    assert.ok(calls.ok && calls.calls.isDirect);
  });

  test('the self-test finds a layout that is not the kernel’s', () => {
    const wrong = [
      { ...LINUX_64, length: 60 },
      { ...LINUX_64, flags: 56, length: 48 },
      { ...LINUX_64, nameLength: 12 },
      { ...LINUX_64, vectorCount: 40, controlLength: 24 },
      { ...LINUX_64, vectorLength: 12 },
      // Nothing would say where a datagram came to, and that it was cut off.
      { ...LINUX_64, controlLength: 48, flags: 40 },
      { ...LINUX_64, flags: 52 },
      { ...LINUX_64, flags: 60 },
    ];
    for (const layout of wrong) {
      const said = probeBatches(syscalls, calls, layout);
      assert.match(String(said), /self-test of batches failed/, JSON.stringify(layout));
    }
    assert.equal(probeBatches(syscalls, calls), undefined);
  });

  for (const octets of [4, 16]) {
    const family = octets === 4 ? 'IPv4' : 'IPv6';
    test(`the self-test finds that ${family} does not say where a datagram came to`, () => {
      const deaf: Syscalls = {
        ...syscalls,
        batchSocket: (address, ...others) =>
          address.length === octets
            ? syscalls.udpSocket(address, 0, true)
            : syscalls.batchSocket(address, ...others),
      };
      const expected = `the self-test of batches failed over ${family}: a datagram did not say which address it came to`;
      assert.equal(probeBatches(deaf, calls), expected);
    });
  }

  test('the self-test makes do without IPv6, and with nothing else amiss', () => {
    const without = (code: string, octets: number): Syscalls => ({
      ...syscalls,
      batchSocket(address, ...others) {
        if (address.length === octets) throw new SyscallError('bind', code);
        return syscalls.batchSocket(address, ...others);
      },
    });
    for (const code of ['EAFNOSUPPORT', 'EADDRNOTAVAIL']) {
      assert.equal(probeBatches(without(code, 16), calls), undefined);
    }
    const failed = (family: string, code: string) =>
      `the self-test of batches failed over ${family}: bind: ${code}`;
    assert.equal(probeBatches(without('EMFILE', 16), calls), failed('IPv6', 'EMFILE'));
    const missing = probeBatches(without('EADDRNOTAVAIL', 4), calls);
    assert.equal(missing, failed('IPv4', 'EADDRNOTAVAIL'));
  });

  test('without the calls the self-test gives their reason', () => {
    assert.equal(probeBatches(syscalls, { ok: false, reason: 'not here' }), 'not here');
  });

  for (const [wildcard, family, own] of [
    ['0.0.0.0', 4, ['127.0.0.1', '127.0.3.9']],
    ['::', 6, ['::1']],
    ['0:0:0:0:0:0:0:0', 6, ['::1']],
  ] as const) {
    test(`${wildcard} answers from the address that was asked, by one socket`, async (t) => {
      const { ports, post, told } = await startEcho(t, 'batch', [wildcard]);
      const addresses = [...own, ...ownAddresses(family)];
      for (const address of addresses) {
        const socket = dgram.createSocket(family === 4 ? 'udp4' : 'udp6');
        t.after(() => socket.close());
        socket.send('where', ports[0]!, address);
        const [, from] = (await once(socket, 'message')) as [Buffer, dgram.RemoteInfo];
        assert.equal(from.address, address);
        const before = (await told()).datagrams;
        socket.send('later', ports[0]!, address);
        while ((await told()).datagrams === before);
        const late = once(socket, 'message') as Promise<[Buffer, dgram.RemoteInfo]>;
        post('late');
        assert.equal((await late)[1].address, address);
      }
    });
  }

  test('what was said before a datagram came is met before it is answered', async (t) => {
    let received = 0;
    const answered: number[] = [];
    const { batch, bell, port } = serveHere(t, {
      // Somebody says something at the worst of moments.
      received(count) {
        received += count;
        ring(bell);
      },
      serve: () => answered.push(received) * 0,
    });
    const asking = client(t);
    for (let round = 1; round <= 3; round += 1) {
      await new Promise((done) => asking.send('-', port, '127.0.0.1', done));
      assert.equal(batch.serve(), true);
      assert.deepEqual([received, answered.length], [round, round - 1], 'taken and not answered');
      ring(bell);
      assert.equal(batch.serve(), true);
      assert.deepEqual([received, answered.length], [round, round], 'answered then');
    }
  });

  test('under load datagrams are left to gather, and a few are not', async (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: 1_800_000_000_000 });
    const sleptUs: number[] = [];
    const { batch, bell, port } = serveHere(t, {
      gatherUs: 150,
      slept: (us) => sleptUs.push(us),
      received: () => ring(bell),
      serve: () => 0,
    });
    const asking = client(t);
    /** A datagram, and the answer to the one before it. */
    const exchange = async (): Promise<void> => {
      await new Promise((done) => asking.send('-', port, '127.0.0.1', done));
      assert.equal(batch.serve(), true);
    };
    for (let at = 0; at < 10; at += 1) {
      await exchange();
      t.mock.timers.tick(1);
    }
    assert.deepEqual(sleptUs, [], 'one a millisecond');
    for (let at = 0; at < 200; at += 1) {
      await exchange();
      if (at % 20 === 19) t.mock.timers.tick(1);
    }
    assert.ok(sleptUs.length > 50, `${sleptUs.length} waits`);
    assert.deepEqual([...new Set(sleptUs)], [150]);
  });

  test('what waits for a thread that is busy comes together', async (t) => {
    const { ports, told } = await startEcho(t, 'batch', ['127.0.0.1']);
    const socket = client(t);
    await once(socket, 'listening');
    for (let at = 0; at < 640; at += 1) socket.send('-', ports[0]!, '127.0.0.1');
    let seen = await told();
    while (seen.datagrams < 640) seen = await told();
    assert.ok(seen.batches < 640, `${seen.batches} batches`);
  });

  test('a socket’s queue tells its size and what was thrown away', async (t) => {
    const at = { address: '127.0.0.1', port: 0 };
    const opened = openBatchSockets(syscalls, at, Uint8Array.of(127, 0, 0, 1), 1);
    assert.ok(opened.ok);
    const [socket] = opened.value[0]!;
    t.after(() => socket!.close());
    const before = socket!.queue()!;
    assert.ok(before.bytesMax >= 200_000, String(before.bytesMax));
    assert.equal(before.drops, 0);
    const sender = client(t);
    await once(sender, 'listening');
    const bytes = Buffer.alloc(60_000);
    // Nobody reads: as many as are twice its size.
    const count = Math.ceil((2 * before.bytesMax) / bytes.length);
    await Promise.all(
      Array.from(
        { length: count },
        () => new Promise((done) => sender.send(bytes, socket!.port, '127.0.0.1', done)),
      ),
    );
    assert.ok(socket!.queue()!.drops > 0);
  });

  test('a thread that waits does nothing', async (t) => {
    const { ports, told } = await startEcho(t, 'batch', ['127.0.0.1']);
    const socket = client(t);
    await once(socket, 'listening');
    socket.send('hello', ports[0]!, '127.0.0.1');
    await once(socket, 'message');
    await told();
    let before = '';
    const isAsleep = await waitFor(t, () => {
      const now = lookAt(ECHO_NAME);
      if (now === before && now.startsWith(`${POLL_CALLS[process.arch]} `)) return true;
      before = now;
      return false;
    });
    assert.ok(isAsleep, `it sleeps in poll and is not woken: ${before}`);
  });
}

function ownAddresses(family: 4 | 6): readonly string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter((one) => one.family === `IPv${family}` && !one.internal)
    .filter((one) => one.family === 'IPv4' || one.scopeid === 0)
    .map(({ address }) => address);
}

const POLL_CALLS: Readonly<Record<string, number>> = { x64: 7, arm64: 73 };

/**
 * The call that the thread of that name waits in, and how long and how often it has run until now: the same again
 * when it has not run in between.
 */
function lookAt(name: string): string {
  const tasks = `/proc/${process.pid}/task`;
  const looks = readdirSync(tasks).flatMap((id) => {
    const read = (file: string) => readFileSync(`${tasks}/${id}/${file}`, 'utf8').trim();
    try {
      return read('comm') === name ? [`${read('syscall').split(' ')[0]} ${read('schedstat')}`] : [];
    } catch {
      // It has just ended.
      return [];
    }
  });
  return looks.join();
}

async function waitFor(t: TestContext, check: () => boolean): Promise<boolean> {
  const deadline = performance.now() + 5000;
  while (!check()) {
    if (performance.now() > deadline || t.signal.aborted) return false;
    await new Promise((done) => setTimeout(done, 100));
  }
  return true;
}
