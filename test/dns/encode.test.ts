import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CLASS_IN,
  FLAG_AA,
  RCODE_NXDOMAIN,
  RCODE_REFUSED,
  SECTION_ADDITIONAL,
  SECTION_ANSWER,
  SECTION_AUTHORITY,
  TYPE_A,
  TYPE_CNAME,
  TYPE_MX,
  TYPE_NS,
  TYPE_SOA,
  TYPE_SRV,
  TYPE_TXT,
} from '../../src/dns/constants.ts';
import { type DecodedMessage, decodeMessage } from '../../src/dns/decode.ts';
import { EDE_NONE, rejectQuery, reserveOption, writeOpt } from '../../src/dns/edns.ts';
import {
  beginReply,
  COMPRESSION_ENTRIES_MAX,
  compressibleNames,
  countRecords,
  createReply,
  endRdata,
  finishReply,
  type Reply,
  truncate,
  writeBytes,
  writeName,
  writeRecord,
  writeRecordHeader,
} from '../../src/dns/encode.ts';
import { createQuery, parseQuery, type Query } from '../../src/dns/message.ts';
import { parseName } from '../../src/dns/name.ts';
import { parseRdata, rdataTypes } from '../../src/dns/rdata/registry.ts';
import { buildQuery, ecs, opt, QUESTION } from './query-builder.ts';

const address = Uint8Array.of(192, 0, 2, 1);

type Started = { readonly reply: Reply; readonly query: Query; readonly out: Uint8Array };

function start(bytes = buildQuery(), limit = 512): Started {
  const query = createQuery();
  const reply = createReply();
  const out = new Uint8Array(4096);
  parseQuery(query, bytes, bytes.length);
  beginReply(reply, out, query, bytes, limit);
  return { reply, query, out };
}

function decoded(bytes: Uint8Array): DecodedMessage {
  const result = decodeMessage(bytes);
  assert.ok(result.ok, result.ok ? '' : result.reason);
  return result.message;
}

function name(text: string): Uint8Array {
  const wire = parseName(text);
  assert.ok(wire);
  return wire;
}

function write(reply: Reply, section: number, owner: string, kind: string, text: string): boolean {
  const rdata = parseRdata(kind, text);
  assert.ok(rdata.ok, text);
  const type = rdataTypes.find((rdataType) => rdataType.kind === kind)?.type ?? 0;
  return writeRecord(reply, section, name(owner), 0, type, 60, rdata.rdata, 0, rdata.rdata.length);
}

test('beginReply() and finishReply() echo id, RD, CD and question, and clear AD', () => {
  const { reply, out } = start(buildQuery({ id: 0xcafe, flags: 0x0130 }));
  const length = finishReply(reply, RCODE_NXDOMAIN, FLAG_AA);
  assert.deepEqual([...out.subarray(0, 12)], [0xca, 0xfe, 0x85, 0x13, 0, 1, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual([...out.subarray(12, length)], [...QUESTION]);
});

test('beginReply() answers in place when the buffer is the query itself', () => {
  const query = createQuery();
  const reply = createReply();
  const buffer = new Uint8Array(512);
  const bytes = buildQuery({ records: [opt(ecs(1, 24, 0, [192, 0, 2]))] });
  buffer.set(bytes);
  parseQuery(query, buffer, bytes.length);
  beginReply(reply, buffer, query, buffer, 512);
  assert.ok(writeRecord(reply, SECTION_ANSWER, query.qname, 0, TYPE_A, 30, address, 0, 4));
  assert.ok(writeOpt(reply, 1232, 20, EDE_NONE));
  const message = decoded(buffer.subarray(0, finishReply(reply, 0, FLAG_AA)));
  assert.equal(message.question[0]?.name, 'www.Example.com.');
  assert.equal(message.answer[0]?.text, '192.0.2.1');
  assert.deepEqual(message.edns?.ecs, { family: 1, source: 24, scope: 20, address: '192.0.2.0' });
});

test('writeRecord() points at the question for its owner, whatever case the client used', () => {
  const { reply, query, out } = start();
  writeRecord(reply, SECTION_ANSWER, query.qname, 0, TYPE_A, 30, address, 0, 4);
  writeRecord(reply, SECTION_ANSWER, name('www.example.com.'), 0, TYPE_A, 30, address, 0, 4);
  writeRecord(reply, SECTION_AUTHORITY, query.qname, 4, TYPE_A, 30, address, 0, 4);
  writeRecord(reply, SECTION_AUTHORITY, query.qname, 16, TYPE_A, 30, address, 0, 4);
  finishReply(reply, 0, 0);
  const record = [0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 192, 0, 2, 1];
  const expected = [0xc0, 12, ...record, 0xc0, 12, ...record, 0xc0, 16, ...record, 0, ...record];
  assert.deepEqual([...out.subarray(33, reply.position)], expected);
});

test('writeRecord() compresses names in rdata of NS CNAME PTR MX SOA and of no other type', () => {
  const cases: readonly (readonly [string, string, number])[] = [
    ['NS', 'ns.example.com.', 5],
    ['CNAME', 'www.example.com.', 2],
    ['PTR', 'ns.example.com.', 5],
    ['MX', '10 ns.example.com.', 7],
    ['SOA', 'ns.example.com. host.ns.example.com. 1 2 3 4 5', 5 + 7 + 20],
    ['SRV', '1 2 3 ns.example.com.', 6 + 16],
    ['CAA', '0 issue "example.com."', 2 + 5 + 12],
  ];
  for (const [kind, text, length] of cases) {
    const { reply, out } = start();
    assert.ok(write(reply, SECTION_ANSWER, 'www.example.com.', kind, text));
    const end = finishReply(reply, 0, 0);
    assert.equal((out[43]! << 8) | out[44]!, length, `${kind} rdata length`);
    assert.equal(end, 45 + length, kind);
    // A pointer to the question shows the client's case, as with any server that compresses.
    const back = decoded(out.subarray(0, end)).answer[0]?.text;
    assert.equal(back?.toLowerCase(), text, kind);
  }
});

test('writeRecord() compresses against earlier records, exactly and with their case', () => {
  const { reply, out } = start();
  write(reply, SECTION_ANSWER, 'www.example.com.', 'CNAME', 'Edge.cdn.net.');
  const before = reply.position;
  write(reply, SECTION_ANSWER, 'Edge.cdn.net.', 'A', '192.0.2.1');
  assert.equal(reply.position - before, 2 + 10 + 4);
  write(reply, SECTION_ANSWER, 'edge.cdn.net.', 'A', '192.0.2.2');
  write(reply, SECTION_AUTHORITY, 'net.', 'NS', 'a.gtld-servers.net.');
  write(reply, SECTION_ADDITIONAL, 'a.gtld-servers.net.', 'A', '192.0.2.3');
  const message = decoded(out.subarray(0, finishReply(reply, 0, 0)));
  assert.deepEqual(
    message.answer.map((record) => record.name),
    ['www.Example.com.', 'Edge.cdn.net.', 'edge.cdn.net.'],
  );
  assert.equal(message.authority[0]?.text, 'a.gtld-servers.net.');
  assert.equal(message.additional[0]?.name, 'a.gtld-servers.net.');
});

test('writeRecord() leaves the reply as it was when the record does not fit', () => {
  const { reply, out } = start(buildQuery(), 100);
  assert.ok(write(reply, SECTION_ANSWER, 'www.example.com.', 'CNAME', 'a.example.com.'));
  const { position, suffixCount, answerCount } = reply;
  const text = `"${'x'.repeat(60)}"`;
  assert.equal(write(reply, SECTION_ANSWER, 'b.example.com.', 'TXT', text), false);
  assert.equal(
    write(
      reply,
      SECTION_ANSWER,
      'www.example.com.',
      'MX',
      '1 a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.',
    ),
    false,
  );
  assert.deepEqual(
    [reply.position, reply.suffixCount, reply.answerCount],
    [position, suffixCount, answerCount],
  );
  assert.ok(write(reply, SECTION_ANSWER, 'b.example.com.', 'A', '192.0.2.1'));
  assert.equal(decoded(out.subarray(0, finishReply(reply, 0, 0))).answer.length, 2);
});

test('writeRecord() never writes past the limit', () => {
  for (let limit = 33; limit < 140; limit += 1) {
    const { reply, out } = start(buildQuery(), limit);
    write(reply, SECTION_ANSWER, 'www.example.com.', 'MX', '10 mail.example.net.');
    write(reply, SECTION_ANSWER, 'www.example.com.', 'SOA', 'a.b.example. c.d.example. 1 2 3 4 5');
    assert.ok(finishReply(reply, 0, 0) <= limit);
    assert.ok(
      out.subarray(limit).every((octet) => octet === 0),
      `limit ${limit}`,
    );
  }
});

test('writeRecord() refuses owner or rdata that are no names', () => {
  const { reply } = start();
  const position = reply.position;
  const pointer = Uint8Array.of(0xc0, 12);
  assert.equal(writeRecord(reply, 1, pointer, 0, TYPE_A, 1, address, 0, 4), false);
  assert.equal(writeRecord(reply, 1, name('a.'), 0, TYPE_CNAME, 1, pointer, 0, 2), false);
  assert.equal(writeRecord(reply, 1, name('a.'), 0, TYPE_MX, 1, Uint8Array.of(0), 0, 1), false);
  assert.equal(writeRecord(reply, 1, name('a.'), 0, TYPE_A, 1, address, 2, 4), false);
  assert.equal(reply.position, position);
});

test('writeRecord() keeps a TTL of 32 bits', () => {
  const { reply, query, out } = start();
  writeRecord(reply, SECTION_ANSWER, query.qname, 0, TYPE_A, 0x7fffffff, address, 0, 4);
  assert.equal(
    decoded(out.subarray(0, finishReply(reply, 0, 0))).answer[0]?.ttlSeconds,
    0x7fffffff,
  );
});

test('writeName() remembers no target beyond the reach of a pointer, nor too many', () => {
  const query = createQuery();
  const reply = createReply();
  const bytes = buildQuery();
  const out = new Uint8Array(65535);
  parseQuery(query, bytes, bytes.length);
  beginReply(reply, out, query, bytes, out.length);
  const text = new Uint8Array(256).fill(0x61);
  text[0] = 255;
  for (let index = 0; index < 120; index += 1) {
    const owner = name(`host-${index}.zone-${index}.example.net.`);
    assert.ok(writeRecord(reply, SECTION_ANSWER, owner, 0, TYPE_TXT, 1, text, 0, 256));
  }
  assert.ok(reply.position > 0x4000);
  assert.ok(reply.suffixCount <= COMPRESSION_ENTRIES_MAX);
  const message = decoded(out.subarray(0, finishReply(reply, 0, 0)));
  assert.deepEqual(
    message.answer.map((record) => record.name),
    Array.from({ length: 120 }, (_, index) => `host-${index}.zone-${index}.example.net.`),
  );
});

test('writeBytes() copies prebuilt records, counted by countRecords()', () => {
  const { reply, out } = start();
  const blob = Uint8Array.of(9, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 192, 0, 2, 1);
  assert.ok(writeBytes(reply, blob, 1, 16));
  countRecords(reply, SECTION_ANSWER, 1);
  assert.equal(writeBytes(reply, blob, 1, 17), false);
  const message = decoded(out.subarray(0, finishReply(reply, 0, 0)));
  assert.equal(message.answer[0]?.text, '192.0.2.1');
});

test('writeRecordHeader() and endRdata() build a record piece by piece', () => {
  const { reply, out } = start();
  writeRecordHeader(reply, name('a.example.com.'), 0, TYPE_NS, CLASS_IN, 5);
  const rdataStart = reply.position;
  writeName(reply, name('b.example.com.'), 0);
  endRdata(reply, rdataStart);
  countRecords(reply, SECTION_AUTHORITY, 1);
  const [record] = decoded(out.subarray(0, finishReply(reply, 0, 0))).authority;
  assert.deepEqual([record?.name, record?.text], ['a.Example.com.', 'b.Example.com.']);
});

test('writeOpt() echoes DO and the client subnet with our scope', () => {
  const subnet = ecs(2, 49, 0, [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0x80]);
  const { reply, out } = start(buildQuery({ records: [opt(subnet, 4096, [0, 0, 0x80, 0])] }));
  assert.ok(writeOpt(reply, 1232, 44, 18));
  const edns = decoded(out.subarray(0, finishReply(reply, RCODE_REFUSED, 0))).edns;
  assert.deepEqual([edns?.udpSize, edns?.version, edns?.dnssecOk], [1232, 0, true]);
  assert.deepEqual(edns?.ecs, { family: 2, source: 49, scope: 44, address: '2001:db8:0:8000::' });
  assert.deepEqual(edns?.extendedErrors, [{ code: 18, text: '' }]);
});

test('writeOpt() writes nothing when the query had no OPT, and a subnet only when it had one', () => {
  const plain = start();
  assert.ok(writeOpt(plain.reply, 1232, 24, 18));
  assert.equal(decoded(plain.out.subarray(0, finishReply(plain.reply, 0, 0))).edns, undefined);
  const bare = start(buildQuery({ records: [opt()] }));
  writeOpt(bare.reply, 1232, 24, EDE_NONE);
  assert.deepEqual(decoded(bare.out.subarray(0, finishReply(bare.reply, 0, 0))).edns?.options, []);
});

test('writeOpt() keeps the scope of source 0 at 0 and cuts one longer than an address', () => {
  const scopes: readonly (readonly [number[], number, number])[] = [
    [ecs(1, 0, 0, []), 24, 0],
    [ecs(1, 24, 0, [192, 0, 2]), 56, 32],
    [ecs(1, 24, 0, [192, 0, 2]), 28, 28],
    [ecs(0, 0, 0, []), 24, 0],
  ];
  for (const [subnet, scope, expected] of scopes) {
    const { reply, out } = start(buildQuery({ records: [opt(subnet)] }));
    writeOpt(reply, 1232, scope, EDE_NONE);
    const message = decoded(out.subarray(0, finishReply(reply, 0, 0)));
    assert.equal(message.edns?.ecs?.scope, expected);
  }
});

test('writeOpt() finds its room kept when records fill the reply', () => {
  const bytes = buildQuery({ records: [opt(ecs(1, 24, 0, [192, 0, 2]))] });
  const { reply, query, out } = start(bytes, 512);
  assert.ok(reserveOption(reply, 2));
  while (writeRecord(reply, SECTION_ANSWER, query.qname, 0, TYPE_A, 30, address, 0, 4));
  assert.ok(writeOpt(reply, 1232, 24, 0));
  const length = finishReply(reply, 0, 0);
  assert.ok(length > 496 && length <= 512, `${length}`);
  assert.deepEqual(decoded(out.subarray(0, length)).edns?.extendedErrors, [{ code: 0, text: '' }]);
});

test('writeOpt() leaves the extended error out when there is no room for it', () => {
  const { reply, out } = start(buildQuery({ records: [opt()] }), 33 + 11);
  assert.equal(reserveOption(reply, 2), false);
  assert.ok(writeOpt(reply, 1232, 0, 18));
  assert.deepEqual(decoded(out.subarray(0, finishReply(reply, 0, 0))).edns?.extendedErrors, []);
  assert.equal(reserveOption(start().reply, 2), false, 'no EDNS, nothing to reserve');
});

test('finishReply() splits an extended RCODE between header and OPT', () => {
  const { reply, out } = start(buildQuery({ records: [opt()] }));
  writeOpt(reply, 1232, 0, EDE_NONE);
  const length = finishReply(reply, 23, 0);
  assert.equal(out[3]! & 0xf, 7);
  assert.equal(decoded(out.subarray(0, length)).rcode, 23);
});

test('truncate() leaves header, question and OPT, and sets TC', () => {
  const { reply, query, out } = start(buildQuery({ records: [opt(ecs(1, 24, 0, [192, 0, 2]))] }));
  writeRecord(reply, SECTION_ANSWER, query.qname, 0, TYPE_A, 30, address, 0, 4);
  write(reply, SECTION_AUTHORITY, 'example.com.', 'NS', 'ns.example.net.');
  truncate(reply);
  writeOpt(reply, 1232, 24, EDE_NONE);
  const message = decoded(out.subarray(0, finishReply(reply, 0, FLAG_AA)));
  assert.deepEqual([message.truncated, message.authoritative], [true, true]);
  assert.deepEqual([message.answer, message.authority, message.additional], [[], [], []]);
  assert.equal(message.edns?.ecs?.scope, 24);
});

test('rejectQuery() answers an outcome with what was understood of the query', () => {
  const cases: readonly (readonly [string, Uint8Array, number, number, boolean])[] = [
    ['no header', new Uint8Array(4), -1, 0, false],
    ['NOTIMP', buildQuery({ flags: 0x2900 }), 4, 1, false],
    ['NOTIMP to EDNS', buildQuery({ flags: 0x2900, records: [opt()] }), 4, 1, true],
    ['NOTIMP to a header', buildQuery({ flags: 0x2900, counts: [0, 0, 0, 0] }), 4, 0, false],
    ['broken question', buildQuery({ question: [0xc0, 12, 0, 1, 0, 1] }), 1, 0, false],
    ['broken record', buildQuery({ counts: [1, 0, 0, 1] }), 1, 1, false],
    ['two OPT', buildQuery({ records: [opt(), opt()] }), 1, 1, true],
    ['broken ECS', buildQuery({ records: [opt(ecs(1, 24, 1, [192, 0, 2]))] }), 1, 1, true],
    ['BADVERS', buildQuery({ records: [opt([], 1232, [0, 1, 0, 0])] }), 16, 1, true],
  ];
  const query = createQuery();
  const reply = createReply();
  for (const [what, bytes, rcode, questions, hasEdns] of cases) {
    const out = new Uint8Array(512);
    const outcome = parseQuery(query, bytes, bytes.length);
    assert.equal(outcome, rcode, what);
    const length = rejectQuery(reply, out, query, bytes, outcome, 1232);
    if (outcome < 0) {
      assert.equal(length, 0);
      continue;
    }
    const message = decoded(out.subarray(0, length));
    assert.deepEqual([message.response, message.rcode, message.id], [true, rcode, 0x1234], what);
    assert.deepEqual([message.question.length, message.edns !== undefined], [questions, hasEdns]);
    assert.equal(message.recursionDesired, rcode !== 4, 'RD is of queries');
    const errors = hasEdns && rcode === 4 ? [{ code: 21, text: '' }] : [];
    assert.deepEqual(message.edns?.extendedErrors ?? [], errors, what);
    assert.equal(message.edns?.options.length ?? 0, errors.length);
    assert.equal(message.edns?.version ?? 0, 0);
  }
});

test('compressibleNames() agrees with the registry', () => {
  for (const { type, kind, fields } of rdataTypes) {
    const first = fields.findIndex(({ name }) => name?.compress === true);
    const expected = fields.filter(({ name }) => name?.compress === true).length;
    assert.equal(compressibleNames(type), expected, kind);
    assert.ok(first <= (type === TYPE_MX ? 1 : 0), kind);
  }
  assert.deepEqual([compressibleNames(TYPE_SOA), compressibleNames(TYPE_SRV)], [2, 0]);
});

test('a steered answer costs no allocation', () => {
  const query = createQuery();
  const reply = createReply();
  const out = new Uint8Array(1232);
  const bytes = buildQuery({ records: [opt(ecs(1, 24, 0, [192, 0, 2]))] });
  const answer = (): number => {
    if (parseQuery(query, bytes, bytes.length) !== 0) return 0;
    beginReply(reply, out, query, bytes, 1232);
    writeRecord(reply, SECTION_ANSWER, query.qname, 0, TYPE_A, 30, address, 0, 4);
    writeOpt(reply, 1232, 24, EDE_NONE);
    return finishReply(reply, 0, FLAG_AA);
  };
  const rounds = 20_000;
  let least = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 8; attempt += 1) {
    const before = process.memoryUsage().heapUsed;
    for (let round = 0; round < rounds; round += 1) answer();
    const grown = process.memoryUsage().heapUsed - before;
    if (grown >= 0) least = Math.min(least, grown);
  }
  // One object a query would be at least 16 bytes.
  assert.ok(least < rounds * 4, `${least} bytes in ${rounds} queries`);
});
