import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../balancer/raw-server.ts';
import { connectRaw } from '../balancer/rig.ts';
import { startUdpClient, startUdpEcho } from './datagrams.ts';
import {
  closeAfter,
  eventually,
  FLOWS,
  listenerOf,
  snapshotOf,
  startEcho,
  startEchoed,
  startRig,
  upstreamOf,
} from './rig.ts';

/** What drains: a server without weight or out of the configuration, a listener, a node. */

const UDP = { ...FLOWS, protocol: 'udp' } as const;
const DRAIN_MS = FLOWS.drainTimeoutMs;

/** One listener on these servers; of weight 0 where the port is negative. */
function serving(ports: readonly number[], layer4: typeof FLOWS = FLOWS) {
  const upstream = upstreamOf('one', []);
  const servers = ports.map((port) => ({
    name: `s${Math.abs(port)}`,
    address: '127.0.0.1',
    port: Math.abs(port),
    weight: port < 0 ? 0 : 1,
  }));
  return snapshotOf([{ ...upstream, servers }], [listenerOf('one', [[[], 0]], { layer4 })]);
}

for (const [how, without] of [
  ['has no weight any more', (old: number, fresh: number) => [-old, fresh]],
  ['is out of the configuration', (_: number, fresh: number) => [fresh]],
] as const) {
  test(`a TCP server that ${how} keeps connections for the drain time, new ones go elsewhere`, async (t) => {
    const { client: kept, echo: old, rig } = await startEchoed(t, serving);
    const fresh = await startEcho('new');
    closeAfter(t, fresh);
    rig.serve(serving(without(old.port, fresh.port)));
    rig.pass(0);
    for (let index = 0; index < 4; index += 1) {
      const next = connectRaw(rig.ports[0]!);
      await next.until((text) => text === 'new:');
      next.socket.destroy();
    }
    rig.pass(DRAIN_MS - 1);
    kept.send('on');
    await kept.until((text) => text === 'a:on');
    rig.pass(1);
    assert.deepEqual(await kept.ended(), { text: 'a:on', reset: false });
    await eventually(() => rig.layer4.sessions() === 0, 'both sides have closed');
    await eventually(() => old.sockets.size === 0, 'the server has let go, too');
    const { listeners, servers } = rig.counters();
    assert.equal(listeners[0]?.connectionsActive, 0);
    assert.ok(servers.every(({ active }) => active === 0));
  });

  test(`a UDP server that ${how} keeps sessions for the drain time`, async (t) => {
    const [old, fresh] = await Promise.all(['old', 'new'].map((name) => startUdpEcho(name)));
    const rig = await startRig(serving([old!.port], UDP));
    const [client, other] = [
      await startUdpClient(rig.ports[0]!),
      await startUdpClient(rig.ports[0]!),
    ];
    closeAfter(t, rig, old!, fresh!, client, other);
    assert.equal(await client.ask('1'), 'old:1');
    rig.serve(serving(without(old!.port, fresh!.port), UDP));
    rig.pass(0);
    assert.equal(await client.ask('2'), 'old:2');
    assert.equal(await other.ask('3'), 'new:3');
    rig.pass(DRAIN_MS - 1);
    assert.equal(await client.ask('4'), 'old:4');
    rig.pass(1);
    assert.equal(await client.ask('5'), 'new:5');
  });
}

test('a drain that is lifted cuts nobody, and the next one begins anew', async (t) => {
  const [tcp, udp] = [await startEcho('a'), await startUdpEcho('b')];
  const both = (weight: number) =>
    snapshotOf(
      [tcp, udp].map(({ port }, index) => ({
        ...upstreamOf(`u${index}`, []),
        servers: [{ name: 'only', address: '127.0.0.1', port, weight }],
      })),
      [listenerOf('tcp', [[[], 0]]), listenerOf('udp', [[[], 1]], { layer4: UDP })],
    );
  const rig = await startRig(both(1));
  const client = await startUdpClient(rig.ports[1]!);
  closeAfter(t, rig, tcp, udp, client);
  const kept = connectRaw(rig.ports[0]!);
  await kept.until((text) => text === 'a:');
  await client.ask('1');
  for (const weight of [0, 1, 0]) {
    rig.serve(both(weight));
    rig.pass(0);
    kept.send('!');
    await client.ask('2');
    rig.pass(DRAIN_MS - 1);
  }
  await kept.until((text) => text === 'a:!!!');
  assert.equal(await client.ask('3'), 'b:3');
  assert.equal(udp.peers.size, 1);
  rig.pass(1);
  assert.deepEqual(await kept.ended(), { text: 'a:!!!', reset: false });
});

test('what was said before the end arrives, and a peer that does not close is cut off', async (t) => {
  const total = 512 * 1024;
  let ended = false;
  const server = await startServer((socket) => {
    socket.write(Buffer.alloc(total));
    socket.on('data', () => {});
    // It never ends its own direction.
    socket.on('end', () => {
      ended = true;
    });
  });
  const rig = await startRig(serving([server.port]));
  closeAfter(t, rig, server);
  const client = connectRaw(rig.ports[0]!);
  await eventually(() => rig.counters().listeners[0]!.bytesOut === total, 'all is on its way');
  rig.serve(serving([]));
  rig.pass(0);
  rig.pass(DRAIN_MS);
  await eventually(() => ended, 'the server sees the end');
  assert.equal((await client.ended()).text.length, total);
  rig.pass(1_999);
  assert.equal(rig.layer4.sessions(), 1);
  rig.pass(1);
  assert.equal(rig.layer4.sessions(), 0);
});

test('a listener that drains serves new clients, and lets go of each after the drain time', async (t) => {
  const [echo, udp] = [await startEcho('a'), await startUdpEcho('b')];
  const rig = await startRig(
    snapshotOf(
      [upstreamOf('tcp', [echo.port]), upstreamOf('udp', [udp.port])],
      [listenerOf('tcp', [[[], 0]]), listenerOf('udp', [[[], 1]], { layer4: UDP })],
    ),
  );
  const client = await startUdpClient(rig.ports[1]!);
  closeAfter(t, rig, echo, udp, client);
  const early = connectRaw(rig.ports[0]!);
  await early.until((text) => text === 'a:');
  await client.ask('1');
  rig.layer4.drain(['tcp', 'udp'], true);
  rig.pass(0);
  const late = connectRaw(rig.ports[0]!);
  await late.until((text) => text === 'a:');
  rig.pass(1);
  rig.pass(DRAIN_MS - 1);
  assert.deepEqual(await early.ended(), { text: 'a:', reset: false });
  late.send('!');
  await late.until((text) => text === 'a:!');
  await client.ask('2');
  assert.equal(udp.peers.size, 1, 'a session would only begin anew');
  rig.layer4.drain(['tcp', 'udp'], false);
  rig.pass(DRAIN_MS);
  late.send('?');
  await late.until((text) => text === 'a:!?');
  late.socket.destroy();
});

test('a listener that is gone finishes its connections in order', async (t) => {
  const { client: kept, rig } = await startEchoed(t, serving);
  rig.serve(snapshotOf([], []));
  rig.pass(0);
  rig.pass(DRAIN_MS - 1);
  kept.send('on');
  await kept.until((text) => text === 'a:on');
  rig.pass(1);
  assert.deepEqual(await kept.ended(), { text: 'a:on', reset: false });
});

test('a node that stops lets sessions of UDP go on for its grace, and begins none', async (t) => {
  const echo = await startUdpEcho('a');
  const rig = await startRig(serving([echo.port], UDP));
  const [client, other] = [
    await startUdpClient(rig.ports[0]!),
    await startUdpClient(rig.ports[0]!),
  ];
  closeAfter(t, rig, echo, client, other);
  await client.ask('1');
  rig.stop(5_000);
  rig.pass(4_999);
  other.send('nobody');
  assert.equal(await client.ask('2'), 'a:2');
  assert.deepEqual([rig.layer4.sessions(), other.heard.length, echo.peers.size], [1, 0, 1]);
  rig.pass(1);
  assert.equal(rig.layer4.sessions(), 0);
});
