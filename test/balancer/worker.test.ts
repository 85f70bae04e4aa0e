import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { counterBytes } from '../../src/balancer/counters.ts';
import { readCounters } from '../../src/balancer/counts.ts';
import type { BalancerReport, BalancerRequest } from '../../src/balancer/messages.ts';
import type { ServerEvent } from '../../src/balancer/standing.ts';
import { runOrigin } from '../../src/cli/origin.ts';
import { createLedgerMemory } from '../../src/io/ring-ledger.ts';
import { openSyscalls } from '../../src/io/syscall.ts';
import { isRingThere } from '../io/ring-there.ts';
import { snapshotOf, startRawOrigin, talk } from './rig.ts';

const syscalls = openSyscalls();
const canRing = syscalls.ok && isRingThere();

/** A real worker thread, driven by messages alone. */
for (const hasRing of [false, true])
  test(`a balancer worker starts, serves, takes a new snapshot, drains and stops, ${hasRing ? 'with' : 'without'} a ring`, async () => {
    const origin = await runOrigin({ name: 'east', listen: [{ address: '127.0.0.1', port: 0 }] });
    const worker = new Worker(new URL('../../src/balancer-worker.ts', import.meta.url));
    const reports: BalancerReport[] = [];
    let wake = (): void => {};
    worker.on('message', (report: BalancerReport) => {
      reports.push(report);
      wake();
    });
    const send = (request: BalancerRequest): void => worker.postMessage(request);
    const next = async (): Promise<BalancerReport> => {
      while (reports.length === 0) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        await promise;
      }
      return reports.shift()!;
    };
    const snapshot = snapshotOf({ servers: [origin.servers[0]!.port] });
    const counters = new SharedArrayBuffer(counterBytes(snapshot));
    send({
      type: 'start',
      ringLedger: hasRing && canRing ? createLedgerMemory() : undefined,
      snapshot,
      counters,
      sockets: [
        { listener: 'http', fd: undefined },
        { listener: 'nobody', fd: undefined },
      ],
      warmUpMs: 0,
      states: [],
    });
    const ready = await next();
    assert.equal(ready.type, 'ready');
    assert.ok(ready.type === 'ready');
    assert.equal(ready.engine, hasRing && canRing ? 'io_uring' : 'portable');
    assert.deepEqual(ready.problems, [{ listener: 'nobody', code: 'UNKNOWN_LISTENER' }]);
    const port = ready.listeners[0]!.port;
    const get = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    const { text } = await talk(port, get);
    assert.match(text, /hello from east, server 127\.0\.0\.1:\d+\n/);
    assert.equal(readCounters(snapshot, counters).listeners[0]?.requests, 1);

    const second = new SharedArrayBuffer(counterBytes(snapshot));
    let generation = 1;
    /** What was said before it has been heard when the answer comes: connections and messages come in any order. */
    const serveNext = async (): Promise<void> => {
      generation += 1;
      const snapshotNow = { ...snapshot, generation };
      send({ type: 'snapshot', snapshot: snapshotNow, counters: second, sockets: [] });
      const serving = await next();
      assert.ok(serving.type === 'serving' && serving.generation === generation);
    };
    await serveNext();
    const server = snapshot.upstreams[0]!.servers[0]!.name;
    send({ type: 'servers', states: [{ upstream: 'web', server, usable: false }] });
    await serveNext();
    assert.match((await talk(port, get)).text, /^HTTP\/1.1 503 /);
    send({ type: 'servers', states: [{ upstream: 'web', server, usable: true }] });
    send({ type: 'drain', listeners: ['http'], draining: true });
    await serveNext();
    assert.match(
      (await talk(port, get.replace('Connection: close\r\n', ''))).text,
      /Connection: close/,
    );
    assert.equal(readCounters(snapshot, counters).listeners[0]?.requests, 1);
    assert.equal(readCounters(snapshot, second).listeners[0]?.requests, 2);

    send({ type: 'stop', graceMs: 1000, givesUpAddresses: false });
    assert.equal((await next()).type, 'stopped');
    await worker.terminate();
    await origin.close();
  });

test('a balancer worker tells of servers that it takes out', async () => {
  const bad = await startRawOrigin((socket) => {
    socket.write('HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n');
  });
  const worker = new Worker(new URL('../../src/balancer-worker.ts', import.meta.url));
  const snapshot = snapshotOf({ servers: [bad.port, bad.port + 1, bad.port + 2] });
  const { promise: told, resolve: tell } = Promise.withResolvers<readonly ServerEvent[]>();
  const { promise: listening, resolve: listen } = Promise.withResolvers<number>();
  worker.on('message', (report: BalancerReport) => {
    if (report.type === 'ready') listen(report.listeners[0]!.port);
    if (report.type === 'events') tell(report.events);
  });
  const request: BalancerRequest = {
    type: 'start',
    ringLedger: undefined,
    snapshot,
    counters: new SharedArrayBuffer(counterBytes(snapshot)),
    sockets: [{ listener: 'http', fd: undefined }],
    // The others are not there, and probes have seen it.
    warmUpMs: 0,
    states: [1, 2].map((index) => ({
      upstream: 'web',
      server: snapshot.upstreams[0]!.servers[index]!.name,
      usable: false,
    })),
  };
  worker.postMessage(request);
  const port = await listening;
  for (let each = 0; each < 5; each++) {
    const get = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    assert.match((await talk(port, get)).text, /^HTTP\/1.1 503 No/);
  }
  const [event] = await told;
  assert.equal(event?.kind, 'reduced');
  assert.match(event.reason, /5 answers in a row were 502, 503 or 504/);
  await worker.terminate();
  bad.close();
});

test('a worker appends the access log to its file, and has written it all when it stops', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'meridian-access-'));
  const file = join(folder, 'access.log');
  const snapshot = snapshotOf({ servers: [], accessLog: { file } });
  const counters = new SharedArrayBuffer(counterBytes(snapshot));
  const worker = new Worker(new URL('../../src/balancer-worker.ts', import.meta.url));
  const next = async (): Promise<BalancerReport> => (await once(worker, 'message'))[0];
  const started: BalancerRequest = {
    type: 'start',
    ringLedger: undefined,
    snapshot,
    counters,
    sockets: [{ listener: 'http', fd: undefined }],
    warmUpMs: 0,
    states: [],
  };
  worker.postMessage(started);
  const ready = await next();
  assert.ok(ready.type === 'ready');
  await talk(ready.listeners[0]!.port, 'GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  worker.postMessage({
    type: 'stop',
    graceMs: 1000,
    givesUpAddresses: true,
  } satisfies BalancerRequest);
  assert.equal((await next()).type, 'stopped');
  const text = await readFile(file, 'utf8');
  const { end, target } = JSON.parse(text);
  assert.deepEqual([target, end], ['/x', 'no-server']);
  assert.deepEqual(readCounters(snapshot, counters).accessLog, {
    ...{ lines: 1, dropped: 0, bytes: text.length },
  });
  await worker.terminate();
  await rm(folder, { recursive: true });
});

test('a worker that cannot have its ring says so and ends, with the sockets that it was handed', async (t) => {
  if (!syscalls.ok || !canRing) {
    t.skip('no ring here');
    return;
  }
  const { calls } = syscalls;
  const own = calls.tcpSocket(Uint8Array.of(127, 0, 0, 1), 0, 0);
  const port = calls.localPort(own);
  const worker = new Worker(new URL('../../src/balancer-worker.ts', import.meta.url));
  const snapshot = snapshotOf({ servers: [1] });
  worker.postMessage({
    type: 'start',
    // No room for anything.
    ringLedger: new SharedArrayBuffer(0),
    snapshot,
    counters: new SharedArrayBuffer(counterBytes(snapshot)),
    sockets: [{ listener: 'http', fd: calls.duplicate(own) }],
    warmUpMs: 0,
    states: [],
  } satisfies BalancerRequest);
  const reports: BalancerReport[] = [];
  const errors: Error[] = [];
  worker.on('message', (report) => reports.push(report));
  worker.on('error', (error: Error) => errors.push(error));
  await new Promise((exited) => worker.on('exit', exited));
  assert.deepEqual([reports.length, errors.length], [1, 1]);
  const [report] = reports;
  assert.ok(report?.type === 'no-ring');
  assert.match(report.reason, /./);
  assert.equal(errors[0]!.message, report.reason);
  calls.close(own);
  const client = net.connect(port, '127.0.0.1');
  const [problem] = (await once(client, 'error')) as [NodeJS.ErrnoException];
  assert.equal(problem.code, 'ECONNREFUSED', 'nothing of the socket is left');
});
