import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { decode, encode, type Packet, streamDecode, streamEncode } from 'dns-packet';
import { loopbackAddress } from '../node/free-addresses.ts';
import { openCli } from './cli-harness.ts';

type Answer = (query: Packet, transport: 'udp' | 'tcp') => Packet | undefined;

/** A nameserver of a second codec, over UDP and TCP on one port; returns `address:port`. */
async function openNameserver(t: TestContext, answer: Answer): Promise<string> {
  const udp = createSocket('udp4');
  udp.on('message', (message, from) => {
    const reply = answer(decode(message), 'udp');
    if (reply !== undefined) udp.send(encode(reply), from.port, from.address);
  });
  const tcp = createServer((socket) => {
    socket.on('data', (data) => {
      const reply = answer(streamDecode(data as Buffer), 'tcp');
      if (reply !== undefined) socket.write(streamEncode(reply));
    });
    socket.on('error', () => {});
  });
  // An address of its own: on 127.0.0.1 another test may have the port for the other transport.
  const address = loopbackAddress();
  await new Promise<void>((resolve) => udp.bind(0, address, resolve));
  t.after(() => udp.close());
  const { port } = udp.address();
  await new Promise<void>((resolve) => tcp.listen(port, address, resolve));
  t.after(() => tcp.close());
  return `${address}:${port}`;
}

const reply = (
  query: Packet,
  more: Partial<Packet> & { readonly rcode?: number } = {},
): Packet => ({
  type: 'response',
  id: query.id ?? 0,
  flags: 0x0400 | (more.rcode ?? 0),
  questions: query.questions ?? [],
  ...more,
});
const ede = (code: number, text: string) => ({
  code: 15,
  data: Buffer.concat([Buffer.from([0, code]), Buffer.from(text)]),
});
const opt = (options: object[]) =>
  ({
    type: 'OPT',
    name: '.',
    udpPayloadSize: 1232,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options,
  }) as never;

/** Answers steered A and AAAA, with a scope of 16 bits for the query's client network. */
const steered: Answer = (query) => {
  const [edns] = (query.additionals ?? []) as unknown as { options: { data: Buffer }[] }[];
  const options = (edns?.options ?? []).map(({ data }) => {
    const subnet = Buffer.from(data);
    subnet[3] = 16; // SCOPE PREFIX-LENGTH (RFC 7871, section 6).
    return { code: 8, data: subnet };
  });
  const { name, type } = query.questions![0]!;
  const data = type === 'AAAA' ? '2001:db8::1' : '127.0.3.1';
  return reply(query, {
    answers: [{ name, type: type as 'A', ttl: 30, data }],
    additionals: [opt(options)],
  });
};

test('query shows the answer, its TTL and the scope of the client network', async (t) => {
  const server = await openNameserver(t, steered);
  const { run } = await openCli(t);
  const { code, stdout } = await run(
    'query',
    'www.gslb.example',
    '--server',
    server,
    '--subnet',
    '203.0.113.7/24',
  );
  assert.equal(code, 0);
  assert.match(stdout, /status: NOERROR/);
  assert.match(stdout, /^www\.gslb\.example\. 30 IN A 127\.0\.3\.1$/m);
  assert.match(stdout, /CLIENT-SUBNET: 203\.0\.113\.0\/24\/16/);
  assert.match(
    stdout,
    /Scope \/16: a resolver may give this answer to clients in 203\.0\.0\.0\/16 only\./,
  );
  assert.match(stdout, /127\.[\d.]+#\d+ \(UDP\), \d+ octets, \d+\.\d ms/);
});

test('query asks on behalf of IPv6 networks and over TCP, and speaks JSON', async (t) => {
  const server = await openNameserver(t, steered);
  const { run } = await openCli(t);
  const argv = [
    'query',
    'www.gslb.example',
    'aaaa',
    '--server',
    server,
    '--subnet',
    '2001:db8:1:2::/48',
  ];
  const { code, stdout } = await run(...argv, '--tcp', '-o', 'json');
  assert.equal(code, 0);
  const answer = JSON.parse(stdout);
  assert.equal(answer.transport, 'TCP');
  assert.deepEqual(answer.clientSubnet, {
    family: 2,
    source: 48,
    scope: 16,
    address: '2001:db8:1::',
  });
  assert.equal(answer.answer[0].data, '2001:db8::1');
  assert.equal(answer.authoritative, true);
});

test('query asks again over TCP when the answer is truncated', async (t) => {
  const server = await openNameserver(t, (query, transport) =>
    transport === 'udp' ? reply(query, { flags: 0x0600 } as never) : steered(query, transport),
  );
  const { run } = await openCli(t);
  const { code, stdout } = await run('query', 'www.gslb.example', '--server', server);
  assert.equal(code, 0);
  assert.match(stdout, /The UDP answer was truncated; this is the one over TCP\./);
});

test('query shows extended errors, and ends with 1 when there is no answer', async (t) => {
  const server = await openNameserver(t, (query) =>
    reply(query, { rcode: 5, additionals: [opt([ede(20, 'not our zone')])] }),
  );
  const { run } = await openCli(t);
  const { code, stdout } = await run('query', 'www.other.example', '--server', server);
  assert.equal(code, 1);
  assert.match(stdout, /status: REFUSED/);
  assert.match(stdout, /EDE: 20 \(Not Authoritative\): not our zone/);
});

test('query of a server that is not there is exit code 69 and a sentence', async (t) => {
  const { run } = await openCli(t);
  for (const flags of [[], ['--tcp']]) {
    const { code, stderr } = await run('query', 'example.com', '--server', '127.0.0.1:1', ...flags);
    assert.equal(code, 69);
    assert.match(
      stderr,
      /The nameserver at 127\.0\.0\.1, port 1 does not answer: nothing listens there\./,
    );
    assert.match(stderr, /hint: Start a node/);
  }
});
