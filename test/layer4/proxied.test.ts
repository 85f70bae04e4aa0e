import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import type net from 'node:net';
import { test } from 'node:test';
import tls from 'node:tls';
import { encodeProxyHeader } from '../../src/ip/proxy-encode.ts';
import { startServer } from '../balancer/raw-server.ts';
import { connectRaw, talk } from '../balancer/rig.ts';
import { closedPort } from '../closed-port.ts';
import { selfSigned } from './certificate.ts';
import { helloOf } from './hello.ts';
import { RECEIVERS, startReceiver } from './receivers.ts';
import {
  closeAfter,
  ENDS,
  eventually,
  FLOWS,
  GET,
  httpListenerOf,
  listenerOf,
  snapshotOf,
  startEcho,
  startMirror,
  startRig,
  textOf,
  upstreamOf,
} from './rig.ts';

/** Whose connection it is: PROXY headers in and out, tiers of balancers, and server names. */

for (const version of ['v1', 'v2'] as const) {
  test(`a server is told the client's address by a PROXY header, ${version}`, async (t) => {
    const heads: Buffer[] = [];
    const server = await startServer((socket) =>
      socket.on('data', (bytes: Buffer) => heads.push(bytes)),
    );
    const upstream = upstreamOf('tcp', [server.port], { proxyProtocol: version });
    const rig = await startRig(snapshotOf([upstream], [listenerOf('tcp', [[[], 0]])]));
    closeAfter(t, rig, server);
    const client = connectRaw(rig.ports[0]!);
    client.send('hello');
    const all = (): string => textOf(Buffer.concat(heads));
    await eventually(() => all().endsWith('hello'), 'all has come');
    const expected = encodeProxyHeader(version, {
      remoteAddress: '127.0.0.1',
      remotePort: client.socket.localPort!,
      localAddress: '127.0.0.1',
      localPort: rig.ports[0]!,
    });
    assert.equal(all(), `${textOf(expected)}hello`);
    client.socket.destroy();
  });

  test(`HTTP behind a proxy sees the client of a PROXY header, ${version}, in any pieces`, async (t) => {
    const origin = await startMirror();
    const http = httpListenerOf('http', [[[], 0]], { proxies: ['127.0.0.0/8'] });
    const rig = await startRig(snapshotOf([upstreamOf('web', [origin.port])], [http]));
    closeAfter(t, rig, origin);
    const header = textOf(encodeProxyHeader(version, ENDS));
    const seen = await talk(rig.ports[0]!, header + GET);
    assert.match(seen.text, /^X-Forwarded-For: 203\.0\.113\.7\r$/im);
    const slow = connectRaw(rig.ports[0]!);
    for (const octet of header + GET) {
      slow.send(octet);
      await new Promise((done) => setImmediate(done));
    }
    assert.match((await slow.ended()).text, /^X-Forwarded-For: 203\.0\.113\.7\r$/im);
  });
}

test('without a header, with a late one, or from anybody else, nothing is served', async (t) => {
  const origin = await startMirror();
  const http = httpListenerOf('http', [[[], 0]], { proxies: ['127.0.0.0/8'] });
  const others = { ...http, name: 'others', proxies: ['192.0.2.0/24'] };
  const rig = await startRig(snapshotOf([upstreamOf('web', [origin.port])], [http, others]));
  closeAfter(t, rig, origin);
  assert.equal((await talk(rig.ports[0]!, GET)).text, '');
  const header = textOf(encodeProxyHeader('v2', ENDS));
  assert.equal((await talk(rig.ports[1]!, header + GET)).text, '');
  const late = connectRaw(rig.ports[0]!);
  late.send(header.slice(0, 20));
  let over = false;
  const ended = late.ended().then((end) => {
    over = true;
    return end;
  });
  await eventually(() => {
    rig.pass(5_000);
    return over;
  }, 'it is let go');
  assert.equal((await ended).text, '');
  assert.equal(origin.connections(), 0);
});

test('a header has its whole time, also before the clock is first looked at', async (t) => {
  const origin = await startMirror();
  const headTimeoutMs = 1_000;
  const http = httpListenerOf('http', [[[], 0]], { proxies: ['127.0.0.0/8'] });
  const snapshot = snapshotOf([upstreamOf('web', [origin.port])], [http], { headTimeoutMs });
  const rig = await startRig(snapshot);
  closeAfter(t, rig, origin);
  const header = textOf(encodeProxyHeader('v2', ENDS));
  const [served, late] = [connectRaw(rig.ports[0]!), connectRaw(rig.ports[0]!)];
  for (const client of [served, late]) client.send(header.slice(0, 20));
  await eventually(() => rig.accepted() === 2, 'they have come');
  rig.pass(headTimeoutMs - 1);
  served.send(header.slice(20) + GET);
  assert.match((await served.ended()).text, /^X-Forwarded-For: 203\.0\.113\.7\r$/im);
  rig.pass(1);
  assert.equal((await late.ended()).text, '');
});

const V2 = '\r\n\r\n\0\r\nQUIT\n';
/** proxy-protocol.txt, sections 2.1 and 2.2. */
const NO_HEADERS: Readonly<Record<string, string>> = {
  'a bare LF': 'PROXY TCP4 203.0.113.7 192.0.2.1 1234 80\n',
  'two blanks': 'PROXY TCP4  203.0.113.7 192.0.2.1 1234 80\r\n',
  'a blank at the end': 'PROXY TCP4 203.0.113.7 192.0.2.1 1234 80 \r\n',
  'a leading zero in a port': 'PROXY TCP4 203.0.113.7 192.0.2.1 01234 80\r\n',
  'a leading zero in an address': 'PROXY TCP4 203.0.113.07 192.0.2.1 1234 80\r\n',
  'a port beyond all': 'PROXY TCP4 203.0.113.7 192.0.2.1 65536 80\r\n',
  'another family than it says': 'PROXY TCP4 2001:db8::7 2001:db8::1 1234 80\r\n',
  'lower case': 'proxy TCP4 203.0.113.7 192.0.2.1 1234 80\r\n',
  'more than 107 octets': `PROXY UNKNOWN ${'x'.repeat(100)}\r\n`,
  'version 1 in the binary form': `${V2}\x11\x11\0\x0c\xcb\0\x71\x07\xc0\0\x02\x01\x04\xd2\0\x50`,
  'a command that is none': `${V2}\x22\x11\0\x0c\xcb\0\x71\x07\xc0\0\x02\x01\x04\xd2\0\x50`,
  'fewer octets than its addresses take': `${V2}\x21\x11\0\x04\xcb\0\x71\x07`,
};

test('what is no header of a proxy to the octet is not served, and says nothing', async (t) => {
  const origin = await startMirror();
  const http = httpListenerOf('http', [[[], 0]], { proxies: ['127.0.0.0/8'] });
  const rig = await startRig(snapshotOf([upstreamOf('web', [origin.port])], [http]));
  closeAfter(t, rig, origin);
  for (const [what, header] of Object.entries(NO_HEADERS)) {
    assert.equal((await talk(rig.ports[0]!, header + GET)).text, '', what);
  }
  assert.equal(origin.connections(), 0);
  for (const [what, header] of [
    ['UNKNOWN', 'PROXY UNKNOWN\r\n'],
    ['UNKNOWN with anything', 'PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n'],
    ['LOCAL', `${V2}\x20\0\0\0`],
    ['LOCAL with addresses', `${V2}\x20\x11\0\x0c\xcb\0\x71\x07\xc0\0\x02\x01\x04\xd2\0\x50`],
  ] as const) {
    const { text } = await talk(rig.ports[0]!, header + GET);
    assert.match(
      text,
      /^X-Forwarded-For: 127\.0\.0\.1\r$/im,
      `${what}: who connects is the client`,
    );
  }
});

test('a tier: layer 4 in front of two HTTP balancers keeps the address of the client', async (t) => {
  const origins = await Promise.all([startMirror(), startMirror()]);
  const inner = await Promise.all(
    origins.map((origin) => {
      const http = httpListenerOf('http', [[[], 0]], { proxies: ['127.0.0.1/32'] });
      return startRig(snapshotOf([upstreamOf('web', [origin.port])], [http]));
    }),
  );
  const ports = inner.map((each) => each.ports[0]!);
  const dead = await closedPort();
  const outer = await startRig(
    snapshotOf(
      [upstreamOf('tier', [...ports, dead], { proxyProtocol: 'v2' })],
      [
        listenerOf('tcp', [[[], 0]]),
        // Behind yet another proxy, so that the client may be anybody.
        listenerOf('chained', [[[], 0]], { proxies: ['127.0.0.1/32'] }),
      ],
    ),
  );
  closeAfter(t, outer, ...inner, ...origins);
  for (let index = 0; index < 6; index += 1) {
    const local = connectRaw(outer.ports[0]!);
    local.send(GET);
    assert.match((await local.ended()).text, /^X-Forwarded-For: 127\.0\.0\.1\r$/im);
    const header = textOf(
      encodeProxyHeader('v1', { ...ENDS, remoteAddress: '2001:db8::7', localAddress: '::1' }),
    );
    const chained = await talk(outer.ports[1]!, header + GET);
    assert.match(chained.text, /^X-Forwarded-For: 2001:db8::7\r$/im);
  }
  assert.ok(
    origins.every((origin) => origin.connections() > 0),
    'both balancers are used',
  );
});

test('connections go where their server name says, unread and whole', async (t) => {
  const echoes = await Promise.all(['a', 'b', 'other'].map(startEcho));
  const upstreams = echoes.map((echo, at) => upstreamOf(`u${at}`, [echo.port]));
  const layer4 = { ...FLOWS, byServerName: true };
  const named = [
    [['a.example'], 0],
    [['*.b.example'], 1],
  ] as const;
  const rig = await startRig(
    snapshotOf(upstreams, [
      listenerOf('strict', named, { layer4 }),
      listenerOf('open', [...named, [[], 2]], { layer4 }),
    ]),
  );
  closeAfter(t, rig, ...echoes);
  const ask = async (port: number, bytes: Uint8Array): Promise<string> => {
    const client = connectRaw(port);
    client.socket.write(bytes);
    let over = false;
    client.socket.on('close', () => {
      over = true;
    });
    const whole = (): boolean => client.text().endsWith(textOf(bytes));
    await eventually(() => over || whole(), 'an answer or the end');
    const answer = client.text();
    client.socket.destroy();
    return answer.slice(0, Math.max(0, answer.indexOf(':')));
  };
  const [strict = 0, open = 0] = rig.ports;
  for (const port of [strict, open]) {
    assert.equal(await ask(port, await helloOf({ servername: 'A.example' })), 'a');
    assert.equal(await ask(port, await helloOf({ servername: 'x.y.b.example' })), 'b');
  }
  for (const bytes of [
    await helloOf({ servername: 'b.example' }),
    await helloOf({}),
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
  ]) {
    assert.equal(await ask(strict, bytes), '');
    assert.equal(await ask(open, bytes), 'other');
  }
});

test('a hello has to come in time', async (t) => {
  const echo = await startEcho('a');
  const layer4 = { ...FLOWS, byServerName: true };
  const listener = listenerOf('tcp', [[['a.example'], 0]], { layer4 });
  const rig = await startRig(snapshotOf([upstreamOf('tcp', [echo.port])], [listener]));
  closeAfter(t, rig, echo);
  const client = connectRaw(rig.ports[0]!);
  client.send('\x16\x03');
  await eventually(() => rig.counters().listeners[0]!.bytesIn === 2, 'it has begun');
  rig.pass(9_999);
  assert.equal(rig.layer4.sessions(), 1);
  rig.pass(1);
  assert.deepEqual(await client.ended(), { text: '', reset: true });
});

test('TLS that is routed by name ends at the server', async (t) => {
  const { cert, key } = selfSigned('a.example');
  const server = tls.createServer({ cert, key }, (socket) => socket.end('secret'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const layer4 = { ...FLOWS, byServerName: true };
  const listener = listenerOf('tcp', [[['a.example'], 0]], { layer4 });
  const rig = await startRig(snapshotOf([upstreamOf('tls', [port])], [listener]));
  closeAfter(t, rig, server);
  const client = tls.connect({
    host: '127.0.0.1',
    port: rig.ports[0]!,
    servername: 'a.example',
    ca: cert,
  });
  const [answer] = (await once(client, 'data')) as [Buffer];
  assert.equal(answer.toString(), 'secret');
  assert.ok(client.authorized);
  client.destroy();
});

for (const receiver of RECEIVERS) {
  const isThere = existsSync(receiver.program);
  test(`${receiver.name} reads our PROXY headers`, { skip: !isThere }, async (t) => {
    const port = await startReceiver(t, receiver);
    for (const version of ['v1', 'v2'] as const) {
      const rig = await startRig(
        snapshotOf(
          [upstreamOf('tcp', [port], { proxyProtocol: version })],
          [listenerOf('tcp', [[[], 0]], { proxies: ['127.0.0.1/32'] })],
        ),
      );
      for (const remoteAddress of ['203.0.113.7', '2001:db8::7']) {
        const header = textOf(
          encodeProxyHeader('v2', { ...ENDS, remoteAddress, localAddress: remoteAddress }),
        );
        const { text: answer } = await talk(rig.ports[0]!, header + GET);
        const to = remoteAddress.includes(':') ? '::ffff:127.0.0.1' : '127.0.0.1';
        const told = `${remoteAddress} 1234 ${to} ${rig.ports[0]}`;
        assert.ok(answer.endsWith(told), `${version}: ${answer} is not ${told}`);
      }
      await rig.close();
    }
  });
}
