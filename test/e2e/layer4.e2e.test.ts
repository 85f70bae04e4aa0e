import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import tls from 'node:tls';
import { closedPort } from '../closed-port.ts';
import { selfSigned } from '../layer4/certificate.ts';
import { startUdpClient, startUdpEcho } from '../layer4/datagrams.ts';
import { startEcho, startMirror } from '../layer4/rig.ts';
import { loopbackAddress } from '../node/free-addresses.ts';
import { type Program, startProgram } from '../node/program.ts';
import { scratchDirectory } from '../node/scratch.ts';
import { until } from '../node/until.ts';

/**
 * Layer 4 as `meridian run` serves it: TCP, UDP and TLS by server name, and a tier of one front before two HTTP
 * balancers, each a process of its own.
 */
const DEADLINE_MS = 20_000;
const PORT = { http: 8080, tcp: 2525, tls: 8443, udp: 5353, admin: 9053 };
const DRAIN_MS = 1000;
const NAMES = ['a.example', 'b.example'] as const;

type Config = Readonly<Record<string, unknown>>;

test('layer 4 by meridian run', async (t) => {
  const world = await startWorld(t);
  const { front, balancers } = world;

  await t.test('TCP goes both ways, over a server that is gone', async () => {
    for (let index = 0; index < 4; index += 1) {
      const client = await connect(front, PORT.tcp);
      client.socket.write('hello');
      await until(() => /^[ab]:hello$/.test(client.text()), DEADLINE_MS, 'the echo');
      client.socket.destroy();
    }
  });

  await t.test('UDP is answered from the address of the listener', async (t) => {
    const client = await startUdpClient(PORT.udp, front);
    t.after(() => client.close());
    assert.match(await client.ask('1'), /^u:1$/);
    assert.match(await client.ask('2'), /^u:2$/);
  });

  await t.test('TLS ends at the server that its name says', async () => {
    for (const name of NAMES) {
      const socket = tls.connect({
        host: front,
        port: PORT.tls,
        servername: name,
        ca: world.certificates[name].cert,
      });
      const [answer] = (await once(socket, 'data')) as [Buffer];
      assert.deepEqual([String(answer), socket.authorized], [name, true]);
      socket.destroy();
    }
    const stranger = tls.connect({ host: front, port: PORT.tls, servername: 'c.example' });
    const [error] = (await once(stranger, 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ECONNRESET');
  });

  await t.test('a tier keeps the address of each client, over both balancers', async () => {
    const via = new Set<string>();
    for (let index = 0; index < 12; index += 1) {
      const localAddress = loopbackAddress();
      const client = await connect(front, PORT.http, localAddress);
      client.socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      await once(client.socket, 'close');
      const told = /^X-Forwarded-For: (.*)\r$/im.exec(client.text())?.[1];
      assert.equal(told, localAddress, client.text());
      via.add(/^Via: (.*)\r$/im.exec(client.text())?.[1] ?? '');
    }
    assert.equal(via.size, balancers.length, [...via].join());
  });

  await t.test('a reload drains what it takes out, and loses nobody else', async () => {
    const clients = await Promise.all([0, 1, 2, 3].map(() => connect(front, PORT.tcp)));
    const greeted = (): boolean => clients.every(({ text }) => /^[ab]:$/.test(text()));
    await until(greeted, DEADLINE_MS, 'all are connected');
    const [leaving, staying] = ['a', 'b'].map((name) =>
      clients.filter(({ text }) => text().startsWith(name)),
    );
    assert.deepEqual([leaving!.length, staying!.length], [2, 2]);
    writeFileSync(world.file, JSON.stringify(world.config({ tcp: [world.tcp[1]!] })));
    const sentMs = performance.now();
    world.program.kill('SIGHUP');
    for (const { socket } of leaving!) socket.write('on');
    await until(() => leaving!.every(({ text }) => text() === 'a:on'), DEADLINE_MS, 'they go on');
    await until(() => leaving!.every(({ end }) => end() !== ''), DEADLINE_MS, 'they end');
    assert.ok(performance.now() - sentMs >= DRAIN_MS, 'not before their time');
    assert.deepEqual(
      leaving!.map(({ end }) => end()),
      ['end', 'end'],
    );
    const next = await connect(front, PORT.tcp);
    next.socket.write('new');
    await until(() => next.text() === 'b:new', DEADLINE_MS, 'a new one goes elsewhere');
    for (const { socket } of staying!) socket.write('still');
    await until(() => staying!.every(({ text }) => text() === 'b:still'), DEADLINE_MS, 'the rest');
    for (const { socket } of [...clients, next]) socket.destroy();
  });

  await t.test('and all is counted', async () => {
    const response = await fetch(`http://${front}:${PORT.admin}/metrics`);
    const metrics = await response.text();
    const value = (name: string): number => {
      const at = metrics.indexOf(`meridian_${name} `);
      assert.ok(at >= 0, `${name} is among ${metrics}`);
      return Number(metrics.slice(at).split(/[ \n]/, 2)[1]);
    };
    assert.equal(value('listener_connections_total{listener="tcp"}'), 9);
    assert.equal(value('listener_connections_total{listener="udp"}'), 1);
    assert.equal(value('listener_connections_total{listener="tier"}'), 12);
    assert.ok(value('listener_connect_failures_total{listener="tcp"}') > 0);
    assert.equal(value('listener_dropped_total{listener="tls"}'), 1);
    assert.ok(value('listener_bytes_total{listener="udp",direction="sent"}') === 6);
    const server = `upstream="tcp",server="127.0.0.1:${world.tcp[1]}"`;
    assert.ok(value(`server_connections_total{${server}}`) >= 5);
  });

  await t.test('a node that stops ends', async () => {
    world.program.kill('SIGTERM');
    assert.deepEqual(await world.program.exited, { code: 0, signal: null });
  });
});

/** Servers, two HTTP balancers, and the front before all of them. */
async function startWorld(t: TestContext) {
  const folder = scratchDirectory('layer4');
  const write = (name: string, config: Config): string => {
    const file = join(folder, name);
    writeFileSync(file, JSON.stringify(config));
    return file;
  };
  const echoes = await Promise.all(['a', 'b'].map(startEcho));
  const [udp, mirror] = [await startUdpEcho('u'), await startMirror()];
  const certificates = { 'a.example': selfSigned(NAMES[0]), 'b.example': selfSigned(NAMES[1]) };
  const secure = await Promise.all(NAMES.map((name) => startTls(name, certificates[name])));
  t.after(() => {
    for (const each of [...echoes, udp, mirror, ...secure]) each.close();
  });
  const balancers = [loopbackAddress(), loopbackAddress()];
  const inner = balancers.map((address, index) =>
    startProgram(t, [
      'run',
      '--config',
      write(`inner-${index}.yaml`, {
        node: { name: `inner-${index}`, roles: ['balancer'], workers: { balancer: 1 } },
        regions: { eu: { location: 'DE' } },
        balancer: {
          upstreams: { web: { servers: [`127.0.0.1:${mirror.port}`] } },
          listeners: [
            { region: 'eu', address, port: PORT.http, upstream: 'web', proxies: ['127.0.0.0/8'] },
          ],
        },
      }),
    ]),
  );
  const front = loopbackAddress();
  const tcp = echoes.map(({ port }) => port);
  const dead = await closedPort();
  const config = (servers: { readonly tcp: readonly number[] }): Config => ({
    node: { name: 'front', roles: ['balancer', 'admin'], workers: { balancer: 1 } },
    regions: { eu: { location: 'DE' } },
    admin: { address: front, port: PORT.admin, tokens: [] },
    balancer: {
      upstreams: {
        tcp: { servers: [...servers.tcp, dead].map(local), algorithm: 'round-robin' },
        udp: { servers: [local(udp.port)] },
        a: { servers: [local(secure[0]!.port)] },
        b: { servers: [local(secure[1]!.port)] },
        tier: {
          servers: balancers.map((address) => `${address}:${PORT.http}`),
          algorithm: 'round-robin',
          proxyProtocol: 'v2',
          proxyOptions: ['unique-id', 'crc32c'],
        },
      },
      listeners: [
        { name: 'tcp', protocol: 'tcp', port: PORT.tcp, upstream: 'tcp' },
        { name: 'udp', protocol: 'udp', port: PORT.udp, upstream: 'udp' },
        {
          ...{ name: 'tls', protocol: 'tcp', port: PORT.tls },
          sni: [
            { names: ['a.example'], upstream: 'a' },
            { names: ['b.example'], upstream: 'b' },
          ],
        },
        { name: 'tier', protocol: 'tcp', port: PORT.http, upstream: 'tier' },
      ].map((listener) => {
        return { ...listener, region: 'eu', address: front, drainTimeout: `${DRAIN_MS}ms` };
      }),
    },
  });
  const file = write('front.yaml', config({ tcp }));
  const program = startProgram(t, ['run', '--config', file]);
  await Promise.all([...inner, program].map(isReady));
  return { balancers, certificates, config, file, front, program, tcp };
}

const isReady = (program: Program): Promise<void> => program.said(/node\.ready/, DEADLINE_MS);
const local = (port: number): string => `127.0.0.1:${port}`;

async function startTls(name: string, { cert, key }: { cert: string; key: string }) {
  const server = tls.createServer({ cert, key }, (socket) => socket.end(name));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as net.AddressInfo).port, close: () => server.close() };
}

async function connect(host: string, port: number, localAddress?: string) {
  const socket = net.connect({ host, port, ...(localAddress ? { localAddress } : {}) });
  let text = '';
  let end = '';
  socket.setEncoding('latin1');
  socket.on('data', (more: string) => {
    text += more;
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    end ||= error.code ?? 'error';
  });
  socket.on('end', () => {
    end ||= 'end';
  });
  await once(socket, 'connect');
  return { socket, text: () => text, end: () => end };
}
