import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { decodeMessage } from '../../src/dns/decode.ts';
import { buildQuery, ecs, opt } from '../dns/query-builder.ts';
import { loopbackAddress } from '../node/free-addresses.ts';
import { createAuthority } from '../probe/certificates.ts';
import { ask, type Place, run, serverWords } from './ask.ts';
import { REGIONS, startWorldNode, zone } from './world-node.ts';

/** A whole node asked over TLS, HTTPS and behind proxies, by kdig, curl and by hand. */
const address = loopbackAddress();
const folder = mkdtempSync(join(tmpdir(), 'meridian-transports-'));
const authority = createAuthority();
const issued = authority.issue(['ns1.example', address]);
const file = join(folder, 'cert.pem');
const keyFile = join(folder, 'key.pem');
const caFile = join(folder, 'ca.pem');
writeFileSync(file, issued.cert);
writeFileSync(keyFile, issued.key);
writeFileSync(caFile, authority.cert);

const SECRET = Buffer.alloc(32, 7).toString('base64');
const PORTS = { dns: 5300, tls: 5853, https: 5443, proxied: 5301, proxiedTls: 5854, udp: 5302 };
const fixture = await startWorldNode(
  [
    { address, port: PORTS.dns },
    { address, port: PORTS.tls, protocol: 'tls' },
    { address, port: PORTS.https, protocol: 'https' },
    { address, port: PORTS.proxied, proxies: ['127.0.0.0/8'] },
    { address, port: PORTS.proxiedTls, protocol: 'tls', proxies: ['127.0.0.0/8'] },
    { address, port: PORTS.udp, protocol: 'udp', proxies: ['192.0.2.0/24'] },
  ],
  { 'gslb.example': { ...zone, transfer: { allow: [{ key: 'secondary.example' }] } } },
  {
    certificate: { file, keyFile },
    keys: { 'secondary.example': { secret: SECRET } },
    tcp: { idleTimeout: '5s', perClientMax: 20 },
  },
);
after(async () => {
  await fixture.stop();
  rmSync(folder, { recursive: true });
});

const at = (port: number): Place => ({ address, port });
const VIRGINIA = REGIONS.virginia.vips[0];
const FRANKFURT = REGIONS.frankfurt.vips[0];

test('kdig is answered over TLS, with a certificate that it verifies, and pads both ways', async () => {
  const words = ['+tls', `+tls-ca=${caFile}`, '+tls-hostname=ns1.example', '+keepopen'];
  const mail = await ask('kdig', at(PORTS.tls), ...words, 'mail.gslb.example');
  assert.deepEqual(mail.answer, ['mail.gslb.example. 300 IN A 192.0.2.25']);
  const big = await ask('kdig', at(PORTS.tls), ...words, 'big.gslb.example', 'TXT');
  assert.equal(big.answer.length, 40);
  const { output } = await run('kdig', [
    ...serverWords(at(PORTS.tls)),
    ...words,
    '+padding',
    '+edns',
    'mail.gslb.example',
  ]);
  assert.match(output, /PADDING: \d+ B/);
  assert.match(output, /Received 468 B/);
});

test('a zone is copied over TLS by whoever has the key (RFC 9103)', async () => {
  const words = ['+tls', `+tls-ca=${caFile}`, '+tls-hostname=ns1.example', 'gslb.example', 'AXFR'];
  const key = ['-y', `hmac-sha256:secondary.example:${SECRET}`];
  const copy = await run('kdig', [...serverWords(at(PORTS.tls)), ...key, ...words]);
  assert.equal(copy.output.match(/\sSOA\s/g)?.length, 2, copy.output);
  assert.match(copy.output, /mail\.gslb\.example\.\s+300\s+IN\s+A\s+192\.0\.2\.25/);
  const stranger = await run('kdig', [...serverWords(at(PORTS.tls)), ...words]);
  assert.match(stranger.output, /REFUSED/);
});

test('kdig is answered over HTTPS, with HTTP/2, by GET and POST', async () => {
  for (const method of ['+https', '+https-get']) {
    const words = [method, `+tls-ca=${caFile}`, '+tls-hostname=ns1.example'];
    const { code, output } = await run('kdig', [
      ...serverWords(at(PORTS.https)),
      ...words,
      'www.gslb.example',
      '+subnet=198.51.100.0/25',
    ]);
    assert.equal(code, 0, output);
    assert.match(output, new RegExp(`www\\.gslb\\.example\\.\\s+\\d+\\s+IN\\s+A\\s+${VIRGINIA}`));
    assert.match(output, /HTTP session \(HTTP\/2-(GET|POST)\)/);
  }
});

const QUERY = buildQuery({
  id: 0,
  flags: 0,
  question: [
    4,
    ...Buffer.from('mail'),
    4,
    ...Buffer.from('gslb'),
    7,
    ...Buffer.from('example'),
    0,
    0,
    1,
    0,
    1,
  ],
});
const STEERED = buildQuery({
  id: 0,
  flags: 0,
  question: [
    3,
    ...Buffer.from('www'),
    4,
    ...Buffer.from('gslb'),
    7,
    ...Buffer.from('example'),
    0,
    0,
    1,
    0,
    1,
  ],
});
const ELSEWHERE = buildQuery({
  id: 0,
  flags: 0,
  question: [5, ...Buffer.from('other'), 0, 0, 1, 0, 1],
});
const NOWHERE = buildQuery({
  id: 0,
  flags: 0,
  question: [
    2,
    ...Buffer.from('no'),
    4,
    ...Buffer.from('gslb'),
    7,
    ...Buffer.from('example'),
    0,
    0,
    1,
    0,
    1,
  ],
});

/** Status, headers and body of a request by curl. */
async function curl(...words: string[]) {
  const all = ['--silent', '--cacert', caFile, '--include', '--output', '-', '--resolve'];
  const { code, output } = await run('curl', [
    ...all,
    `ns1.example:${PORTS.https}:${address}`,
    ...words,
  ]);
  assert.equal(code, 0, `curl ${words.join(' ')}: ${output.slice(0, 300)}`);
  return {
    status: Number(/^HTTP\/\S+ (\d+)/.exec(output)?.[1]),
    version: /^HTTP\/(\S+)/.exec(output)?.[1],
    header: (name: string) => new RegExp(`^${name}: (.*?)\r?$`, 'im').exec(output)?.[1],
  };
}

const url = (rest: string): string => `https://ns1.example:${PORTS.https}${rest}`;
const get = (query: Uint8Array): string =>
  url(`/dns-query?dns=${Buffer.from(query).toString('base64url')}`);

test('curl gets DNS messages with the freshness of their TTLs, over HTTP/1.1 and 2', async () => {
  for (const [flag, version] of [
    ['--http1.1', '1.1'],
    ['--http2', '2'],
  ] as const) {
    const found = await curl(flag, get(QUERY));
    assert.deepEqual([found.status, found.version], [200, version]);
    assert.equal(found.header('content-type'), 'application/dns-message');
    assert.equal(found.header('cache-control'), 'max-age=300');
    const nowhere = await curl(flag, get(NOWHERE));
    assert.deepEqual([nowhere.status, nowhere.header('cache-control')], [200, 'max-age=60']);
    const refused = await curl(flag, get(ELSEWHERE));
    assert.deepEqual([refused.status, refused.header('cache-control')], [200, 'max-age=0']);
    assert.match(
      (await curl(flag, get(STEERED))).header('cache-control')!,
      /^private, max-age=(2[7-9]|30)$/,
    );
  }
});

test('curl is told what is wrong with a request', async () => {
  const body = join(folder, 'query');
  const type = 'content-type: application/dns-message';
  const cases: readonly (readonly [number, Uint8Array | undefined, ...string[]])[] = [
    [404, undefined, url('/other?dns=AAAA')],
    [400, undefined, url('/dns-query')],
    [400, undefined, url('/dns-query?dns=AAAA')],
    [400, undefined, url('/dns-query?dns=!')],
    [400, undefined, get(Uint8Array.from([0, 0, 0x80, 0, ...QUERY.slice(4)]))],
    [414, undefined, url(`/dns-query?dns=${'A'.repeat(5600)}`)],
    [405, undefined, '-X', 'DELETE', url('/dns-query')],
    [415, QUERY, '-H', 'content-type: text/plain', url('/dns-query')],
    [413, new Uint8Array(5000), '-H', type, url('/dns-query')],
    [400, new Uint8Array(5), '-H', type, url('/dns-query')],
    [200, QUERY, '-H', `${type}; charset=x`, url('/dns-query')],
  ];
  for (const [status, bytes, ...words] of cases) {
    if (bytes) writeFileSync(body, bytes);
    const post = bytes ? ['--data-binary', `@${body}`] : [];
    for (const flag of ['--http1.1', '--http2']) {
      const reply = await curl(flag, ...post, ...words);
      assert.equal(reply.status, status, words.join(' ').slice(0, 100));
      if (status !== 200) assert.equal(reply.header('cache-control'), 'no-store');
    }
  }
});

/** Version 2, over TCP or UDP and IPv4. */
function proxyHeader(source: string, isStream: boolean): Buffer {
  const octets = (text: string): number[] => text.split('.').map(Number);
  return Buffer.from([
    ...[13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10],
    ...[0x21, isStream ? 0x11 : 0x12, 0, 12],
    ...octets(source),
    ...octets(address),
    ...[0x30, 0x39, 0x14, 0xb4],
  ]);
}

const framed = (message: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([message.length >> 8, message.length & 255]), message]);

const addressesIn = (message: Uint8Array): string[] => {
  const decoded = decodeMessage(message);
  assert.ok(decoded.ok, decoded.ok ? '' : decoded.reason);
  return decoded.message.answer.map(({ text }) => text);
};

test('behind a proxy the client is who the header says, over UDP and TCP, in one piece or in many', async () => {
  const udp = createSocket('udp4');
  udp.send(Buffer.concat([proxyHeader('203.0.113.9', false), STEERED]), PORTS.proxied, address);
  const [reply] = (await once(udp, 'message')) as [Buffer];
  assert.deepEqual(addressesIn(reply), [FRANKFURT]);
  udp.close();
  for (const pieces of [1, 7]) {
    const socket = connect(PORTS.proxied, address);
    const all = Buffer.concat([proxyHeader('198.51.100.9', true), framed(STEERED)]);
    const size = Math.ceil(all.length / pieces);
    for (let from = 0; from < all.length; from += size) {
      socket.write(all.subarray(from, from + size));
      await new Promise(setImmediate);
    }
    const [answer] = (await once(socket, 'data')) as [Buffer];
    assert.deepEqual(addressesIn(answer.subarray(2)), [VIRGINIA]);
    socket.destroy();
  }
});

test('a PROXY header may stand before TLS too', async () => {
  const raw = connect(PORTS.proxiedTls, address);
  raw.write(proxyHeader('198.51.100.9', true));
  const socket = connectTls({
    socket: raw,
    ca: authority.cert,
    servername: 'ns1.example',
    ALPNProtocols: ['dot'],
  });
  await once(socket, 'secureConnect');
  assert.equal(socket.alpnProtocol, 'dot');
  socket.write(framed(STEERED));
  const [answer] = (await once(socket, 'data')) as [Buffer];
  assert.deepEqual(addressesIn(answer.subarray(2)), [VIRGINIA]);
  socket.destroy();
});

test('where proxies speak, nobody else does', async () => {
  const plain = connect(PORTS.proxied, address);
  plain.write(framed(STEERED));
  await once(plain, 'close');
  const [silent, told] = [createSocket('udp4'), createSocket('udp4')];
  silent.on('message', () => assert.fail('a query without a header was answered'));
  silent.send(STEERED, PORTS.proxied, address);
  // That listener believes proxies in 192.0.2.0/24 only.
  silent.send(Buffer.concat([proxyHeader('203.0.113.9', false), STEERED]), PORTS.udp, address);
  told.send(Buffer.concat([proxyHeader('203.0.113.9', false), STEERED]), PORTS.proxied, address);
  await once(told, 'message');
  silent.close();
  told.close();
});

test('a listener for UDP is on no stream, and a header does not stand where none is expected', async () => {
  const stream = connect(PORTS.udp, address);
  const [error] = (await once(stream, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNREFUSED');
  const socket = connect(PORTS.dns, address);
  socket.on('data', () => assert.fail('a header was taken for a query'));
  socket.end(Buffer.concat([proxyHeader('198.51.100.9', true), framed(STEERED)]));
  await once(socket, 'close');
});

test('queries that come together are answered each, whatever the pieces of TLS they come in', async () => {
  const socket = connectTls(PORTS.tls, address, { ca: authority.cert, servername: 'ns1.example' });
  await once(socket, 'secureConnect');
  const count = 300;
  const queries = Array.from({ length: count }, (_, index) => {
    const query = Uint8Array.from(QUERY);
    query[0] = index >> 8;
    query[1] = index & 255;
    return framed(query);
  });
  socket.write(Buffer.concat(queries));
  const ids = new Set<number>();
  let held: Buffer = Buffer.alloc(0);
  while (ids.size < count) {
    const [part] = (await once(socket, 'data')) as [Buffer];
    held = Buffer.concat([held, part]);
    while (held.length >= 2 && held.length >= 2 + held.readUInt16BE(0)) {
      const message = held.subarray(2, 2 + held.readUInt16BE(0));
      assert.deepEqual(addressesIn(message), ['192.0.2.25']);
      ids.add(message.readUInt16BE(0));
      held = held.subarray(2 + message.length);
    }
  }
  socket.destroy();
});

test('TLS below 1.2 and handshakes of garbage end, and cost nobody else', async () => {
  const old = connectTls(PORTS.tls, address, {
    ca: authority.cert,
    servername: 'ns1.example',
    maxVersion: 'TLSv1.1',
    minVersion: 'TLSv1',
  });
  await once(old, 'error');
  // More of them than one client may have at once.
  for (let index = 0; index < 30; index += 1) {
    const port = index % 2 === 0 ? PORTS.tls : PORTS.https;
    const garbage = connect(port, address);
    garbage.on('error', () => {});
    garbage.write(Buffer.alloc(2000, 0x5a));
    await once(garbage, 'close');
  }
  const words = ['+tls', `+tls-ca=${caFile}`, '+tls-hostname=ns1.example'];
  const mail = await ask('kdig', at(PORTS.tls), ...words, 'mail.gslb.example');
  assert.equal(mail.status, 'NOERROR');
});

test('a client subnet counts over every transport', async () => {
  const bytes = buildQuery({
    question: [...STEERED.slice(12)],
    records: [opt(ecs(1, 24, 0, [203, 0, 113]))],
  });
  const udp = createSocket('udp4');
  udp.send(bytes, PORTS.dns, address);
  const [reply] = (await once(udp, 'message')) as [Buffer];
  assert.deepEqual(addressesIn(reply), [FRANKFURT]);
  udp.close();
});
