import assert from 'node:assert/strict';
import { test } from 'node:test';
import dnsPacket from 'dns-packet';
import dns2 from 'dns2';
import { FLAG_AA, SECTION_ADDITIONAL, SECTION_ANSWER } from '../../src/dns/constants.ts';
import { decodeMessage } from '../../src/dns/decode.ts';
import { EDE_NONE, writeOpt } from '../../src/dns/edns.ts';
import { beginReply, createReply, finishReply, writeRecord } from '../../src/dns/encode.ts';
import { createQuery, PARSE_OK, parseQuery } from '../../src/dns/message.ts';
import { formatName, parseName } from '../../src/dns/name.ts';
import { parseRdata, rdataByKind } from '../../src/dns/rdata/registry.ts';
import { buildQuery, ecs, opt } from './query-builder.ts';

/** Two independent codecs read what we write, and we read what they write. */

const { Packet } = dns2;

const records: readonly (readonly [string, string])[] = [
  ['A', '192.0.2.1'],
  ['AAAA', '2001:db8::1'],
  ['NS', 'ns.example.com.'],
  ['CNAME', 'edge.example.net.'],
  ['PTR', 'host.example.com.'],
  ['MX', '10 mail.example.com.'],
  ['SRV', '1 2 443 svc.example.com.'],
  ['SOA', 'ns.example.com. host.example.com. 1 2 3 4 5'],
  ['TXT', '"v=spf1 -all" "second"'],
  ['CAA', '128 issue "ca.example"'],
];

/** Our reply with every record type, each under an owner of its own. */
function ourReply(): Buffer {
  const bytes = buildQuery({ records: [opt(ecs(1, 24, 0, [198, 51, 100]))] });
  const query = createQuery();
  const reply = createReply();
  const out = new Uint8Array(4096);
  assert.equal(parseQuery(query, bytes, bytes.length), PARSE_OK);
  beginReply(reply, out, query, bytes, out.length);
  for (const [kind, text] of records) {
    const owner = parseName(`${kind}.example.com.`);
    const parsed = parseRdata(kind, text);
    const type = rdataByKind(kind);
    assert.ok(owner !== undefined && parsed.ok && type !== undefined);
    const section = kind === 'CAA' ? SECTION_ADDITIONAL : SECTION_ANSWER;
    const { rdata } = parsed;
    assert.ok(writeRecord(reply, section, owner, 0, type.type, 300, rdata, 0, rdata.length));
  }
  assert.ok(writeOpt(reply, 1232, 20, EDE_NONE));
  return Buffer.from(out.subarray(0, finishReply(reply, 0, FLAG_AA)));
}

test('dns-packet reads what we write', () => {
  const packet = dnsPacket.decode(ourReply());
  assert.equal(packet.flag_aa, true);
  assert.equal(packet.questions?.[0]?.name, 'www.Example.com');
  const answers = packet.answers ?? [];
  const data = Object.fromEntries(
    answers.map((answer) => [answer.type, 'data' in answer ? answer.data : undefined]),
  );
  assert.deepEqual(data, {
    A: '192.0.2.1',
    AAAA: '2001:db8::1',
    NS: 'ns.Example.com',
    CNAME: 'edge.example.net',
    PTR: 'host.Example.com',
    MX: { preference: 10, exchange: 'mail.Example.com' },
    SRV: { priority: 1, weight: 2, port: 443, target: 'svc.example.com' },
    SOA: {
      mname: 'ns.Example.com',
      rname: 'host.Example.com',
      serial: 1,
      refresh: 2,
      retry: 3,
      expire: 4,
      minimum: 5,
    },
    TXT: [Buffer.from('v=spf1 -all'), Buffer.from('second')],
  });
  assert.deepEqual(
    answers.map((answer) => answer.name.toLowerCase()),
    records.slice(0, -1).map(([kind]) => `${kind.toLowerCase()}.example.com`),
  );
  const optRecord = packet.additionals?.find((record) => record.type === 'OPT');
  assert.ok(optRecord?.type === 'OPT');
  assert.equal(optRecord.udpPayloadSize, 1232);
  const [subnet] = optRecord.options;
  assert.ok(subnet?.code === 8 && 'scopePrefixLength' in subnet);
  assert.deepEqual([subnet.sourcePrefixLength, subnet.scopePrefixLength], [24, 20]);
  assert.equal(subnet.ip, '198.51.100.0');
});

test('dns2 reads what we write', () => {
  const packet = Packet.parse(ourReply());
  assert.deepEqual(packet.errors, []);
  const data = packet.answers.map((answer) => ({ ...answer }) as Record<string, unknown>);
  const expected: readonly Readonly<Record<string, unknown>>[] = [
    { type: 1, address: '192.0.2.1' },
    { type: 28, address: '2001:db8::1' },
    { type: 2, ns: 'ns.Example.com' },
    { type: 5, domain: 'edge.example.net' },
    { type: 12, domain: 'host.Example.com' },
    { type: 15, priority: 10, exchange: 'mail.Example.com' },
    { type: 33, priority: 1, weight: 2, port: 443, target: 'svc.example.com' },
    { type: 6, primary: 'ns.Example.com', admin: 'host.Example.com', serial: 1, minimum: 5 },
    { type: 16, data: ['v=spf1 -all', 'second'] },
  ];
  assert.equal(data.length, expected.length);
  for (const [index, fields] of expected.entries())
    assert.partialDeepStrictEqual(data[index], fields);
  const caa = packet.additionals.find((record) => record.type === 257);
  assert.partialDeepStrictEqual({ ...caa }, { flags: 128, tag: 'issue', value: 'ca.example' });
});

test('parseQuery() reads what dns-packet writes', () => {
  const bytes = dnsPacket.encode({
    type: 'query',
    id: 4711,
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ type: 'AAAA', name: 'Www.Example.com' }],
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: 4096,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: dnsPacket.DNSSEC_OK,
        flag_do: true,
        options: [
          {
            code: 8,
            ip: '2001:db8:1::',
            family: 2,
            sourcePrefixLength: 48,
            scopePrefixLength: 0,
          },
        ],
      },
    ],
  });
  const query = createQuery();
  assert.equal(parseQuery(query, bytes, bytes.length), PARSE_OK);
  assert.equal(formatName(query.qname), 'www.example.com.');
  assert.deepEqual([query.id, query.rd, query.qtype], [4711, true, 28]);
  assert.deepEqual(
    [query.udpSize, query.ednsDo, query.ecsFamily, query.ecsSource],
    [4096, true, 2, 48],
  );
  assert.deepEqual([...query.ecsAddress.subarray(0, 7)], [0x20, 1, 0x0d, 0xb8, 0, 1, 0]);
});

test('parseQuery() reads what dns2 writes', () => {
  const packet = new Packet();
  packet.header.id = 99;
  packet.header.rd = 1;
  packet.questions.push(new Packet.Question('www.example.com', Packet.TYPE.MX, Packet.CLASS.IN));
  packet.additionals.push(Packet.Resource.EDNS([Packet.Resource.EDNS.ECS('198.51.100.0/24')]));
  const bytes = packet.toBuffer();
  const query = createQuery();
  assert.equal(parseQuery(query, bytes, bytes.length), PARSE_OK);
  assert.equal(formatName(query.qname), 'www.example.com.');
  assert.deepEqual([query.id, query.qtype, query.ecsSource], [99, 15, 24]);
});

test('decodeMessage() reads what dns-packet writes', () => {
  const bytes = dnsPacket.encode({
    type: 'response',
    id: 1,
    flags: dnsPacket.AUTHORITATIVE_ANSWER,
    questions: [{ type: 'MX', name: 'example.com' }],
    answers: [
      {
        type: 'MX',
        name: 'example.com',
        ttl: 60,
        data: { preference: 5, exchange: 'm.example.com' },
      },
      { type: 'TXT', name: 'example.com', ttl: 60, data: ['a "b"', 'c'] },
      {
        type: 'SRV',
        name: 'example.com',
        ttl: 60,
        data: { port: 1, target: 't.example.com', priority: 3, weight: 4 },
      },
      {
        type: 'CAA',
        name: 'example.com',
        ttl: 60,
        data: { flags: 0, tag: 'issue', value: ';', issuerCritical: false },
      },
    ],
  });
  const result = decodeMessage(bytes);
  assert.ok(result.ok, result.ok ? '' : result.reason);
  assert.deepEqual(
    result.message.answer.map(({ text }) => text),
    ['5 m.example.com.', '"a \\"b\\"" "c"', '3 4 1 t.example.com.', '0 issue ";"'],
  );
});

test('decodeMessage() reads what dns2 writes, compressed names in SRV included', () => {
  const packet = new Packet();
  packet.header.qr = 1;
  packet.questions.push(new Packet.Question('example.com', Packet.TYPE.SRV, Packet.CLASS.IN));
  packet.answers.push(
    new Packet.Resource({
      ...{ name: 'example.com', type: Packet.TYPE.SRV, class: 1, ttl: 9 },
      ...{ priority: 1, weight: 2, port: 3, target: 't.example.com' },
    }),
    new Packet.Resource({ name: 'example.com', type: 1, class: 1, ttl: 9, address: '192.0.2.7' }),
  );
  const result = decodeMessage(packet.toBuffer());
  assert.ok(result.ok, result.ok ? '' : result.reason);
  assert.deepEqual(
    result.message.answer.map(({ text }) => text),
    ['1 2 3 t.example.com.', '192.0.2.7'],
  );
});
