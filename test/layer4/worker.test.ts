import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { counterBytes } from '../../src/balancer/counters.ts';
import type { BalancerReport, BalancerRequest } from '../../src/balancer/messages.ts';
import { connectRaw } from '../balancer/rig.ts';
import { freePort } from '../node/free-addresses.ts';
import { bound, startUdpClient, startUdpEcho } from './datagrams.ts';
import { closeAfter, FLOWS, listenerOf, snapshotOf, startEcho, upstreamOf } from './rig.ts';

/** A real worker thread, with a clock of its own, driven by messages alone. */
const DRAIN_MS = 200;
const GRACE_MS = 500;

for (const givesUpAddresses of [false, true]) {
  const what = givesUpAddresses ? 'gives up its addresses at once' : 'keeps sessions of UDP';
  test(`a worker drains connections in order, and ${what} when it stops`, async (t) => {
    const [tcp, udp] = [await startEcho('tcp'), await startUdpEcho('udp')];
    const udpPort = await freePort();
    const flows = { ...FLOWS, drainTimeoutMs: DRAIN_MS };
    const snapshot = snapshotOf(
      [upstreamOf('tcp', [tcp.port]), upstreamOf('udp', [udp.port])],
      [
        listenerOf('tcp', [[[], 0]], { layer4: flows }),
        listenerOf('udp', [[[], 1]], { layer4: { ...flows, protocol: 'udp' }, port: udpPort! }),
      ],
    );
    const worker = new Worker(new URL('../../src/balancer-worker.ts', import.meta.url));
    const send = (request: BalancerRequest): void => worker.postMessage(request);
    const report = once(worker, 'message');
    send({
      type: 'start',
      ringLedger: undefined,
      snapshot,
      counters: new SharedArrayBuffer(counterBytes(snapshot)),
      sockets: snapshot.listeners.map(({ name }) => ({ listener: name, fd: undefined })),
      warmUpMs: 0,
      states: [],
    });
    const [ready] = (await report) as [BalancerReport];
    assert.ok(ready.type === 'ready' && ready.problems.length === 0);
    const client = await startUdpClient(udpPort!);
    closeAfter(t, tcp, udp, client);
    const connection = connectRaw(ready.listeners.find(({ listener }) => listener === 'tcp')!.port);
    connection.send('on');
    await connection.until((text) => text === 'tcp:on');
    assert.equal(await client.ask('1'), 'udp:1');
    const drainedMs = performance.now();
    send({ type: 'drain', listeners: ['tcp', 'udp'], draining: true });
    assert.deepEqual(await connection.ended(), { text: 'tcp:on', reset: false });
    assert.ok(performance.now() - drainedMs >= DRAIN_MS);
    assert.equal(await client.ask('2'), 'udp:2');

    const stopped = once(worker, 'message');
    const exited = once(worker, 'exit');
    const stopMs = performance.now();
    send({ type: 'stop', graceMs: GRACE_MS, givesUpAddresses });
    if (!givesUpAddresses) assert.equal(await client.ask('3'), 'udp:3');
    assert.equal(((await stopped) as [BalancerReport])[0].type, 'stopped');
    const tookMs = performance.now() - stopMs;
    assert.equal(tookMs >= GRACE_MS, !givesUpAddresses, `${tookMs} ms`);
    await exited;
    const next = await bound(udpPort);
    next.close();
  });
}
