import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import type { BalancerSnapshot } from '../../src/balancer/snapshot.ts';
import { connectRaw } from '../balancer/rig.ts';
import { closedPort } from '../closed-port.ts';
import {
  eventually,
  FLOWS,
  listenerOf,
  snapshotOf,
  startEcho,
  startEchoed,
  startRig,
  upstreamOf,
} from './rig.ts';

/** Flows of layer 4 in the access log: a line when they end. */

const logged = (snapshot: BalancerSnapshot): BalancerSnapshot => ({
  ...snapshot,
  accessLog: { format: 'json', file: '', percent: 100 },
});
const tcp = (ports: readonly number[]) =>
  logged(snapshotOf([upstreamOf('tcp', ports)], [listenerOf('tcp', [[[], 0]])]));

type Line = Readonly<Record<string, string | number>>;

async function firstLine(rig: Awaited<ReturnType<typeof startRig>>): Promise<Line> {
  let text = '';
  await eventually(() => {
    text += Buffer.from(rig.balancer.takeLog()?.bytes ?? []).toString();
    return text !== '';
  }, 'a line');
  assert.equal(text.split('\n').length, 2);
  return JSON.parse(text);
}

test('a connection of TCP leaves a line with its bytes', async (t) => {
  const echo = await startEcho('a');
  const rig = await startRig(tcp([echo.port]));
  t.after(() => Promise.all([rig.close(), echo.close()]));
  const client = connectRaw(rig.ports[0]!);
  client.send('hello');
  await client.until((text) => text === 'a:hello');
  rig.pass(1_500);
  client.socket.end();
  await client.ended();
  assert.deepEqual(await firstLine(rig), {
    time: '2023-11-14T22:13:20.000Z',
    listener: 'tcp',
    protocol: 'tcp',
    client: '127.0.0.1',
    upstream: 'tcp',
    server: `s${echo.port}`,
    attempts: 1,
    bytesIn: 5,
    bytesOut: 7,
    totalMs: 1500,
    end: 'done',
  });
});

test('why a connection of TCP ended is told', async (t) => {
  const { client: idle, echo, rig } = await startEchoed(t, tcp);
  rig.pass(FLOWS.idleTimeoutMs);
  assert.equal((await firstLine(rig))['end'], 'idle-timeout');
  idle.socket.destroy();
  const gone = connectRaw(rig.ports[0]!);
  await gone.until((text) => text === 'a:');
  gone.socket.resetAndDestroy();
  assert.equal((await firstLine(rig))['end'], 'client-gone');
  const broken = connectRaw(rig.ports[0]!);
  await broken.until((text) => text === 'a:');
  for (const socket of echo.sockets) socket.resetAndDestroy();
  assert.equal((await firstLine(rig))['end'], 'server-closed');
  broken.socket.destroy();
});

test('a connection that no server takes says how often it was tried', async (t) => {
  const rig = await startRig(tcp([await closedPort(), await closedPort()]));
  t.after(() => rig.close());
  const client = connectRaw(rig.ports[0]!);
  assert.partialDeepStrictEqual(await firstLine(rig), { end: 'connect-failed', attempts: 2 });
  client.socket.destroy();
});

test('a session of UDP leaves a line when it ends', async (t) => {
  const [server, client] = [createSocket('udp4'), createSocket('udp4')];
  for (const socket of [server, client]) {
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
  }
  server.on('message', (bytes, { port }) => server.send(`re:${bytes}`, port, '127.0.0.1'));
  const { port } = server.address();
  const listener = listenerOf('udp', [[[], 0]], { layer4: { ...FLOWS, protocol: 'udp' } });
  const rig = await startRig(logged(snapshotOf([upstreamOf('udp', [port])], [listener])));
  t.after(async () => {
    await rig.close();
    server.close();
    client.close();
  });
  client.send('abc', rig.ports[0]!, '127.0.0.1');
  await once(client, 'message');
  rig.pass(FLOWS.idleTimeoutMs);
  assert.partialDeepStrictEqual(await firstLine(rig), {
    protocol: 'udp',
    client: '127.0.0.1',
    server: `s${port}`,
    bytesIn: 3,
    bytesOut: 6,
    end: 'done',
  });
});
