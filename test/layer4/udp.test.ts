import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startUdpClient, startUdpEcho } from './datagrams.ts';
import {
  closeAfter,
  eventually,
  FLOWS,
  listenerOf,
  snapshotOf,
  startRig,
  upstreamOf,
} from './rig.ts';

/** UDP that is passed on unread, with real sockets on both sides. */

const one = (ports: readonly number[], flows = {}, more = {}) =>
  snapshotOf(
    [upstreamOf('udp', ports, more)],
    [listenerOf('udp', [[[], 0]], { layer4: { ...FLOWS, protocol: 'udp', ...flows } })],
  );
const active = ({ counters }: Awaited<ReturnType<typeof startRig>>): number =>
  counters().listeners[0]!.connectionsActive;

test('a client keeps its server and socket while its session lasts, and hears the listener', async (t) => {
  const echoes = await Promise.all(['a', 'b'].map((name) => startUdpEcho(name)));
  const rig = await startRig(one(echoes.map(({ port }) => port)));
  const clients = await Promise.all([startUdpClient(rig.ports[0]!), startUdpClient(rig.ports[0]!)]);
  closeAfter(t, rig, ...echoes, ...clients);
  const [first, second] = clients;
  assert.equal(await first!.ask('1'), 'a:1');
  assert.equal(await second!.ask('2'), 'b:2');
  assert.equal(await first!.ask('3'), 'a:3');
  assert.deepEqual(
    echoes.map(({ peers }) => peers.size),
    [1, 1],
  );
  assert.partialDeepStrictEqual(rig.counters().listeners[0], {
    connections: 2,
    connectionsActive: 2,
    requests: 3,
    bytesIn: 3,
    bytesOut: 9,
  });
  assert.partialDeepStrictEqual(rig.counters().servers[0], { active: 1, bytesIn: 6, bytesOut: 2 });
  rig.pass(FLOWS.idleTimeoutMs - 1);
  assert.equal(await second!.ask('4'), 'b:4');
  rig.pass(1);
  assert.equal(active(rig), 1);
  assert.equal(rig.counters().servers[0]!.active, 0);
  rig.pass(FLOWS.idleTimeoutMs);
  assert.equal(active(rig), 0);
});

test('beyond the most sessions that which was idle longest goes', async (t) => {
  const echo = await startUdpEcho('a');
  const rig = await startRig(one([echo.port], { sessionsMax: 2 }));
  const clients = await Promise.all([1, 2, 3].map(() => startUdpClient(rig.ports[0]!)));
  closeAfter(t, rig, echo, ...clients);
  const [first, second, third] = clients;
  await first!.ask('1');
  await second!.ask('2');
  await first!.ask('3');
  await third!.ask('4');
  assert.equal(active(rig), 2);
  assert.equal(echo.peers.size, 3);
  await first!.ask('5');
  assert.equal(echo.peers.size, 3, 'the first kept its session');
  await second!.ask('6');
  assert.equal(echo.peers.size, 4, 'the second had to begin anew');
  const counted = { connections: 4, connectionsActive: 2, dropped: 2, connectFailures: 0 };
  assert.partialDeepStrictEqual(rig.counters().listeners[0], counted);
});

test('a session ends when as many answers have come as are expected', async (t) => {
  const echo = await startUdpEcho('a', 2);
  const rig = await startRig(one([echo.port], { responses: 2 }));
  const client = await startUdpClient(rig.ports[0]!);
  closeAfter(t, rig, echo, client);
  client.send('1');
  client.send('2');
  await eventually(() => client.heard.length === 4, 'all four answers');
  await eventually(() => active(rig) === 0, 'it is over');
  assert.equal(rig.counters().servers[0]!.requests, 1);
});

test('a server on whose port nobody listens is left for another, one that is down at once', async (t) => {
  const [gone, echo] = await Promise.all([startUdpEcho('gone'), startUdpEcho('b')]);
  gone.close();
  const rig = await startRig(one([gone.port, echo.port]));
  const client = await startUdpClient(rig.ports[0]!);
  closeAfter(t, rig, echo, client);
  client.send('lost');
  await eventually(() => rig.counters().servers[0]!.failures === 1, 'the refusal is heard');
  assert.equal(await client.ask('again'), 'b:again');
  assert.equal(rig.counters().listeners[0]!.connectFailures, 1);
  rig.balancer.setServers([{ upstream: 'udp', server: `s${echo.port}`, usable: false }]);
  client.send('lost too');
  await eventually(() => rig.counters().servers[0]!.failures === 2, 'the other one was tried');
  assert.equal(
    rig.counters().servers.every((server) => server.active === 0),
    true,
  );
});

test('a client stays on its server by address, whatever its port', async (t) => {
  const echoes = await Promise.all(['a', 'b', 'c', 'd'].map((name) => startUdpEcho(name)));
  const ports = echoes.map(({ port }) => port);
  const keyed = (key: string) =>
    one(ports, {}, { algorithm: { kind: 'maglev', options: { key } } });
  const rig = await startRig(keyed('client'));
  const clients = await Promise.all(
    Array.from({ length: 24 }, () => startUdpClient(rig.ports[0]!)),
  );
  closeAfter(t, rig, ...echoes, ...clients);
  const names = async (): Promise<Set<string>> =>
    new Set(await Promise.all(clients.map((client) => client.ask(''))));
  assert.equal((await names()).size, 1);
  rig.serve(keyed('connection'));
  assert.equal((await names()).size, 1, 'sessions go on');
  rig.pass(FLOWS.idleTimeoutMs);
  assert.ok((await names()).size >= 3);
  rig.serve(snapshotOf([], []));
  assert.equal(rig.layer4.serves('udp'), false);
});

test('datagrams of any length pass whole', async (t) => {
  const echo = await startUdpEcho('a');
  const rig = await startRig(one([echo.port]));
  const client = await startUdpClient(rig.ports[0]!);
  closeAfter(t, rig, echo, client);
  for (const length of [0, 1, 1472, 9000, 65_000]) {
    const text = 'x'.repeat(length);
    assert.equal(await client.ask(text), `a:${text}`);
  }
});
