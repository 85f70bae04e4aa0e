import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { encodeProxyHeader } from '../../src/ip/proxy-encode.ts';
import { NO_PROXY_OPTIONS, readProxyOptions } from '../../src/ip/proxy-options.ts';
import { createProxiedClient, readProxyHeader } from '../../src/ip/proxy-protocol.ts';
import { startServer } from '../balancer/raw-server.ts';
import { connectRaw, talk } from '../balancer/rig.ts';
import { bound } from './datagrams.ts';
import { helloOf } from './hello.ts';
import { HAPROXY, HAPROXY_DEFAULTS, type Receiver, startReceiver } from './receivers.ts';
import {
  closeAfter,
  ENDS,
  eventually,
  FLOWS,
  GET,
  listenerOf,
  snapshotOf,
  startEcho,
  startRig,
  textOf,
  upstreamOf,
} from './rig.ts';

/** What PROXY headers of version 2 say beside addresses, and those of datagrams. */

const LOOPBACK = ['127.0.0.0/8'];
const latin1 = (text: string): Uint8Array => Buffer.from(text, 'latin1');

/** A server that keeps what its clients send. */
async function startListener(t: TestContext) {
  const clients: Buffer[][] = [];
  const server = await startServer((socket) => {
    const pieces: Buffer[] = [];
    clients.push(pieces);
    socket.on('data', (bytes: Buffer) => pieces.push(bytes));
  });
  t.after(() => server.close());
  return {
    port: server.port,
    heard: (): Buffer => Buffer.concat(clients.flat()),
    /** What the client has sent that ended so. */
    heardOf: (end: string): Buffer | undefined =>
      clients.map((pieces) => Buffer.concat(pieces)).find((all) => textOf(all).endsWith(end)),
  };
}

function optionsIn(bytes: Uint8Array) {
  const length = readProxyHeader(createProxiedClient(), bytes, bytes.length);
  assert.ok(length > 0, 'it begins with a header');
  const at = bytes[13]! >> 4 === 1 ? 28 : 52;
  const all = readProxyOptions(bytes, at, length);
  const hasChecksum = bytes[length - 7] === 3 && bytes[length - 5] === 4;
  return { ...all, hasChecksum, rest: bytes.subarray(length) };
}

test('a server is told the server name, an id and a checksum, where they are asked for', async (t) => {
  const server = await startListener(t);
  const rig = await startRig(
    snapshotOf(
      [
        upstreamOf('tls', [server.port], {
          proxyProtocol: 'v2',
          proxyOptions: ['authority', 'alpn', 'unique-id', 'crc32c'],
        }),
      ],
      [listenerOf('tls', [[['a.example'], 0]], { layer4: { ...FLOWS, byServerName: true } })],
    ),
  );
  closeAfter(t, rig);
  const hello = await helloOf({ servername: 'A.example', ALPNProtocols: ['h2'] });
  const client = connectRaw(rig.ports[0]!);
  client.socket.write(hello);
  await eventually(() => textOf(server.heard()).endsWith(textOf(hello)), 'all has come');
  const told = optionsIn(server.heard());
  assert.equal(textOf(told.authority), 'a.example');
  assert.equal(told.alpn, undefined, 'what is offered is not in use yet');
  assert.equal(told.uniqueId?.length, 16);
  assert.ok(told.hasChecksum);
  assert.equal(textOf(told.rest), textOf(hello));
  client.socket.destroy();
});

test('what a proxy in front has told is told on, and nothing where it is not asked for', async (t) => {
  const [server, silent] = [await startListener(t), await startListener(t)];
  const all = { proxyProtocol: 'v2', proxyOptions: ['authority', 'alpn', 'unique-id'] } as const;
  const rig = await startRig(
    snapshotOf(
      [
        upstreamOf('all', [server.port], all),
        upstreamOf('none', [silent.port], { proxyProtocol: 'v2' }),
      ],
      [
        listenerOf('all', [[[], 0]], { proxies: LOOPBACK }),
        listenerOf('none', [[[], 1]], { proxies: LOOPBACK }),
      ],
    ),
  );
  closeAfter(t, rig);
  const options = {
    alpn: latin1('h2'),
    authority: latin1('b.example'),
    uniqueId: latin1('id\x00\xff'),
  };
  const header = encodeProxyHeader('v2', ENDS, { options, hasChecksum: true });
  for (const [index, { heard }] of [server, silent].entries()) {
    const client = connectRaw(rig.ports[index]!);
    client.send(`${textOf(header)}hi`);
    await eventually(() => textOf(heard()).endsWith('hi'), 'all has come');
    client.socket.destroy();
  }
  const told = optionsIn(server.heard());
  assert.deepEqual([told.alpn, told.authority, told.uniqueId].map(textOf), [
    'h2',
    'b.example',
    'id\x00\xff',
  ]);
  assert.ok(!told.hasChecksum);
  assert.deepEqual(optionsIn(silent.heard()).uniqueId, undefined);
});

test('a header whose checksum is wrong is not served', async (t) => {
  const echo = await startEcho('a');
  const listener = listenerOf('tcp', [[[], 0]], { proxies: LOOPBACK });
  const rig = await startRig(snapshotOf([upstreamOf('tcp', [echo.port])], [listener]));
  closeAfter(t, rig, echo);
  const header = encodeProxyHeader('v2', ENDS, { hasChecksum: true });
  const good = connectRaw(rig.ports[0]!);
  good.socket.write(header);
  await good.until((all) => all === 'a:');
  good.socket.destroy();
  header[17]! ^= 1;
  assert.equal((await talk(rig.ports[0]!, textOf(header))).text, '');
});

const isThere = existsSync(HAPROXY.program);

test('haproxy verifies our checksum and reads our options', { skip: !isThere }, async (t) => {
  const port = await startReceiver(t, {
    ...HAPROXY,
    config: (at) => `${HAPROXY_DEFAULTS}frontend f
  bind 127.0.0.1:${at} accept-proxy
  http-request return status 200 content-type text/plain lf-string "%[src] %[fc_pp_authority] %[fc_pp_unique_id,hex]"
`,
  });
  const rig = await startRig(
    snapshotOf(
      [
        upstreamOf('tcp', [port], {
          proxyProtocol: 'v2',
          proxyOptions: ['authority', 'unique-id', 'crc32c'],
        }),
      ],
      [listenerOf('tcp', [[[], 0]], { proxies: LOOPBACK })],
    ),
  );
  closeAfter(t, rig);
  const options = { ...NO_PROXY_OPTIONS, authority: latin1('c.example'), uniqueId: latin1('xyz') };
  for (const remoteAddress of ['203.0.113.7', '2001:db8::7']) {
    const ends = { ...ENDS, remoteAddress, localAddress: remoteAddress };
    const header = textOf(encodeProxyHeader('v2', ends, { options }));
    const { text: answer } = await talk(rig.ports[0]!, header + GET);
    assert.ok(answer.endsWith(`${remoteAddress} c.example 78797A`), answer);
  }
});

test('we verify the checksum and tell on the id of haproxy', { skip: !isThere }, async (t) => {
  const server = await startListener(t);
  const rig = await startRig(
    snapshotOf(
      [upstreamOf('tcp', [server.port], { proxyProtocol: 'v2', proxyOptions: ['unique-id'] })],
      [listenerOf('tcp', [[[], 0]], { proxies: LOOPBACK })],
    ),
  );
  closeAfter(t, rig);
  const sender: Receiver = {
    ...HAPROXY,
    config: (at) => `${HAPROXY_DEFAULTS}frontend f
  mode tcp
  bind 127.0.0.1:${at}
  unique-id-format id-of-haproxy
  default_backend b
backend b
  mode tcp
  server s 127.0.0.1:${rig.ports[0]} send-proxy-v2 proxy-v2-options crc32c,unique-id
`,
  };
  const port = await startReceiver(t, sender);
  const client = connectRaw(port);
  client.send('hello');
  // Whoever looked whether haproxy listens has been passed on, too, and may come after us.
  await eventually(() => server.heardOf('hello') !== undefined, 'all has come');
  assert.equal(textOf(optionsIn(server.heardOf('hello')!).uniqueId), 'id-of-haproxy');
  client.socket.destroy();
});

async function udpSocket(t: TestContext) {
  const socket = await bound();
  t.after(() => socket.close());
  return socket;
}

const UDP = { ...FLOWS, protocol: 'udp' } as const;

test('each datagram begins with a header, and answers come back without one', async (t) => {
  const server = await udpSocket(t);
  const heard: Buffer[] = [];
  server.on('message', (bytes, { port }) => {
    heard.push(bytes);
    server.send('answer', port, '127.0.0.1');
  });
  const upstream = upstreamOf('udp', [server.address().port], {
    proxyProtocol: 'v2',
    proxyOptions: ['unique-id', 'crc32c'],
  });
  const rig = await startRig(
    snapshotOf(
      [upstream],
      [
        listenerOf('udp', [[[], 0]], { layer4: UDP }),
        listenerOf('behind', [[[], 0]], { layer4: UDP, proxies: LOOPBACK }),
        listenerOf('others', [[[], 0]], { layer4: UDP, proxies: ['192.0.2.0/24'] }),
      ],
    ),
  );
  closeAfter(t, rig);
  const client = await udpSocket(t);
  const answers: string[] = [];
  client.on('message', (bytes) => answers.push(String(bytes)));
  const header = encodeProxyHeader('v2', ENDS, { isDatagrams: true });
  const [plain, behind, others] = rig.ports;
  client.send('one', plain, '127.0.0.1');
  client.send('two', plain, '127.0.0.1');
  client.send('no header', behind, '127.0.0.1');
  client.send(Buffer.concat([header, latin1('strange')]), others, '127.0.0.1');
  client.send(Buffer.concat([header, latin1('three')]), behind, '127.0.0.1');
  await eventually(() => answers.length === 3, 'three answers');
  assert.deepEqual(answers, ['answer', 'answer', 'answer']);
  const parts = heard.map((bytes) => {
    const told = createProxiedClient();
    const length = readProxyHeader(told, bytes, bytes.length);
    assert.equal(bytes[13], 0x12, 'datagrams over IPv4');
    return [textOf(bytes.subarray(length)), [...told.address.slice(0, 4)].join('.'), told.port];
  });
  parts.sort();
  const own = client.address().port;
  assert.deepEqual(parts, [
    ['one', '127.0.0.1', own],
    ['three', '203.0.113.7', 1234],
    ['two', '127.0.0.1', own],
  ]);
});

const UNBOUND = '/usr/sbin/unbound';

test('unbound knows the client of each datagram', { skip: !existsSync(UNBOUND) }, async (t) => {
  let log = '';
  const port = await startReceiver(t, {
    name: 'unbound',
    program: UNBOUND,
    args: (file) => ['-d', '-c', file],
    config(at, folder) {
      log = join(folder, 'log');
      return `server:
  chroot: ""
  username: ""
  directory: "${folder}"
  pidfile: ""
  use-syslog: no
  logfile: "${log}"
  log-queries: yes
  interface: 127.0.0.1@${at}
  proxy-protocol-port: ${at}
  access-control: 0.0.0.0/0 allow
  access-control: ::/0 allow
  local-zone: "example." static
  local-data: "www.example. A 192.0.2.9"
remote-control:
  control-enable: no
`;
    },
  });
  const options = { proxyProtocol: 'v2', proxyOptions: ['unique-id', 'crc32c'] } as const;
  const rig = await startRig(
    snapshotOf(
      [upstreamOf('dns', [port], options)],
      [listenerOf('behind', [[[], 0]], { layer4: UDP, proxies: LOOPBACK })],
    ),
  );
  closeAfter(t, rig);
  const client = await udpSocket(t);
  let answers = 0;
  client.on('message', (bytes) => {
    assert.equal(bytes[3]! & 0x0f, 0, 'NOERROR');
    answers += 1;
  });
  /** www.example A */
  const query = Buffer.from('00010100000100000000000003777777076578616d706c650000010001', 'hex');
  for (const remoteAddress of ['203.0.113.7', '203.0.113.8', '2001:db8::7']) {
    const ends = { ...ENDS, remoteAddress, localAddress: remoteAddress };
    const header = encodeProxyHeader('v2', ends, { isDatagrams: true });
    const datagram = Buffer.concat([header, query]);
    for (let time = 0; time < 2; time += 1) client.send(datagram, rig.ports[0], '127.0.0.1');
  }
  await eventually(() => answers === 6, 'six answers');
  const clients = [...readFileSync(log, 'utf8').matchAll(/info: (\S+) www\.example\. A IN/g)];
  assert.deepEqual(
    clients.map(([, address]) => address),
    ['203.0.113.7', '203.0.113.7', '203.0.113.8', '203.0.113.8', '2001:db8::7', '2001:db8::7'],
  );
});
