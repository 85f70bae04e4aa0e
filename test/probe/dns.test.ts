import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Packet } from 'dns2';
import { dns, MESSAGE_BYTES_MAX } from '../../src/probe/dns.ts';
import type { ProbeResult } from '../../src/probe/probe.ts';
import { closedPort } from '../closed-port.ts';
import { a, answeringDns, answerTo, type DnsAnswer, framed, serveUdp } from './dns-server.ts';
import { serve } from './fixture-server.ts';

const never = new AbortController().signal;
const NAME = 'www.gslb.example';

function run(
  port: number,
  options: object = {},
  more: { address?: string; sourceAddress?: string } = {},
): Promise<ProbeResult> {
  const parsed = dns.options.parse({ name: NAME, ...options });
  return dns.run({ address: '127.0.0.1', port, ...more }, parsed, never);
}

test('run() judges code and data', async (t) => {
  const txt = { type: Packet.TYPE.TXT, data: 'All is well' };
  const mx = { type: Packet.TYPE.MX, priority: 10, exchange: 'Mail.Example' };
  const cases: readonly (readonly [object, DnsAnswer, boolean, string])[] = [
    [{}, { records: [a('192.0.2.1')] }, true, 'NOERROR: 192.0.2.1'],
    [{}, { records: [] }, false, 'NOERROR, but no A record'],
    [{ empty: true }, { records: [] }, true, 'NOERROR'],
    [{}, { header: { rcode: 2 } }, false, 'SERVFAIL, wanted NOERROR'],
    [{ rcode: 'NXDOMAIN' }, { header: { rcode: 3 } }, true, 'NXDOMAIN'],
    [{ rcode: 'REFUSED' }, { records: [a('192.0.2.1')] }, false, 'NOERROR, wanted REFUSED'],
    [{ expect: '192.0.2.1' }, { records: [a('192.0.2.1')] }, true, 'NOERROR: 192.0.2.1'],
    [
      { expect: ['192.0.2.1', '192.0.2.2'] },
      { records: [a('192.0.2.2')] },
      false,
      'the answer has no 192.0.2.1: 192.0.2.2',
    ],
    [{ type: 'TXT', expect: 'All is well' }, { records: [txt] }, true, 'NOERROR: "All is well"'],
    [
      { type: 'txt', expect: 'all is well' },
      { records: [txt] },
      false,
      'the answer has no "all is well": "All is well"',
    ],
    [
      { type: 'MX', expect: '10 mail.example' },
      { records: [mx] },
      true,
      'NOERROR: 10 mail.example.',
    ],
  ];
  for (const [options, answer, ok, reason] of cases) {
    const udp = await serveUdp(t, (query, reply) => reply(answerTo(query, answer)));
    const result = await run(udp.port, options);
    assert.deepEqual([result.ok, result.reason], [ok, reason]);
    const tcp = await serve(t, answeringDns(answer));
    const overTcp = await run(tcp.port, { ...options, transport: 'tcp' });
    assert.deepEqual([overTcp.ok, overTcp.reason], [ok, reason], 'over TCP');
    assert.ok(overTcp.timings!.connectMs! > 0 && result.timings!.firstByteMs! > 0);
  }
});

test('run() asks without recursion unless told to, for the name and type', async (t) => {
  const server = await serveUdp(t, (query, reply) => reply(answerTo(query, {})));
  await run(server.port);
  await run(server.port, { name: '.', type: 'NS', recursion: true });
  const [plain, root] = server.queries.map((query) => Packet.parse(query));
  assert.equal(plain!.header.rd, 0);
  assert.deepEqual([plain!.questions[0]!.name, plain!.questions[0]!.type], [NAME, 1]);
  assert.equal(root!.header.rd, 1);
  assert.deepEqual([root!.questions[0]!.name, root!.questions[0]!.type], ['', 2]);
});

test('run() fetches a truncated answer over TCP', async (t) => {
  const tcp = await serve(t, answeringDns({ records: [a('192.0.2.7')] }));
  const truncated = { header: { tc: 1 } };
  await serveUdp(t, (query, reply) => reply(answerTo(query, truncated)), '127.0.0.1', tcp.port);
  const result = await run(tcp.port, { expect: '192.0.2.7' });
  assert.equal(result.ok, true, result.reason);
});

test('run() waits past datagrams that are not its answer', async (t) => {
  const server = await serveUdp(t, (query, reply) => {
    const stranger = Buffer.from(query);
    stranger.writeUInt16BE(query.readUInt16BE(0) ^ 1, 0);
    reply(answerTo(stranger, { records: [a('198.51.100.1')] }));
    reply(Buffer.from('x'));
    reply(answerTo(query, { records: [a('192.0.2.1')] }));
  });
  assert.equal((await run(server.port)).reason, 'NOERROR: 192.0.2.1');
});

test('run() does not believe an answer to another question', async (t) => {
  const other = Packet.createResponseFromRequest(new Packet());
  other.questions.push(new Packet.Question({ name: 'other.example', type: 1, class: 1 }));
  const server = await serveUdp(t, (query, reply) => {
    other.header.id = query.readUInt16BE(0);
    reply(other.toBuffer());
  });
  assert.equal((await run(server.port)).reason, 'the answer belongs to another question');
  const echo = await serveUdp(t, (query, reply) => reply(query));
  assert.equal((await run(echo.port)).reason, 'the answer belongs to another question');
});

test('run() says what is wrong with a broken answer', async (t) => {
  const cut = await serveUdp(t, (query, reply) => {
    reply(answerTo(query, { records: [a('192.0.2.1')] }).subarray(0, -2));
  });
  assert.match((await run(cut.port)).reason, /^the answer is malformed: /);
  const huge = await serve(t, (socket) => {
    socket.once('data', () => socket.write(framed(Buffer.alloc(MESSAGE_BYTES_MAX + 1))));
  });
  assert.match((await run(huge.port, { transport: 'tcp' })).reason, /too large/);
  const short = await serve(t, (socket) => {
    socket.once('data', () => socket.end(Buffer.from([0, 50, 1, 2, 3])));
  });
  assert.match((await run(short.port, { transport: 'tcp' })).reason, /closed after 3 of 50/);
});

test('run() is refused, comes from the source address, and speaks IPv6 over UDP', async (t) => {
  assert.equal((await run(await closedPort())).reason, 'connection refused');
  const healthy = (query: Buffer, reply: (bytes: Buffer) => void) =>
    reply(answerTo(query, { records: [a('192.0.2.1')] }));
  const server = await serveUdp(t, healthy);
  assert.equal((await run(server.port, {}, { sourceAddress: '127.0.0.9' })).ok, true);
  assert.deepEqual(server.sources, ['127.0.0.9']);
  const elsewhere = await run(server.port, {}, { sourceAddress: '198.51.100.7' });
  assert.deepEqual([elsewhere.ok, elsewhere.local], [false, true]);
  const six = await serveUdp(t, healthy, '::1');
  assert.equal((await run(six.port, {}, { address: '::1' })).ok, true);
});

test('options refuse what cannot be asked or expected', () => {
  const bad = [
    {},
    { name: 'a..b' },
    { name: 'x', type: 'NOSUCH' },
    { name: 'x', expect: 'not an address' },
    { name: 'x', type: 'MX', expect: 'mail.example' },
    { name: 'x', rcode: 'FINE' },
  ];
  for (const options of bad) {
    assert.equal(dns.options.safeParse(options).success, false, JSON.stringify(options));
  }
});
