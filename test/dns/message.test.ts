import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createQuery,
  PARSE_BADVERS,
  PARSE_DROP,
  PARSE_FORMERR,
  PARSE_NOTIMP,
  PARSE_OK,
  parseQuery,
  type Query,
  skipName,
} from '../../src/dns/message.ts';
import { formatName } from '../../src/dns/name.ts';
import { ascii, buildQuery, ecs, opt, option, QUESTION, record, word } from './query-builder.ts';

function parse(bytes: Uint8Array): { readonly outcome: number; readonly query: Query } {
  const query = createQuery();
  return { outcome: parseQuery(query, bytes, bytes.length), query };
}

function checkOutcomes(expected: number, cases: Readonly<Record<string, Uint8Array>>): void {
  for (const [what, bytes] of Object.entries(cases)) {
    assert.equal(parse(bytes).outcome, expected, what);
  }
}

test('parseQuery() fills every field of a plain query', () => {
  const { outcome, query } = parse(buildQuery({ id: 0xbeef, flags: 0x0130 }));
  assert.equal(outcome, PARSE_OK);
  assert.equal(query.id, 0xbeef);
  assert.deepEqual([query.opcode, query.rd, query.ad, query.cd], [0, true, true, true]);
  assert.equal(formatName(query.qname), 'www.example.com.');
  assert.deepEqual([query.qnameLength, query.qnameLabels], [17, 3]);
  assert.deepEqual([...query.labelOffsets.subarray(0, 4)], [0, 4, 12, 16]);
  assert.deepEqual([query.qtype, query.qclass, query.questionEnd], [1, 1, 33]);
  assert.deepEqual([query.hasEdns, query.hasEcs, query.udpSize], [false, false, 512]);
});

test('parseQuery() reads the root as a name without labels', () => {
  const { outcome, query } = parse(buildQuery({ question: [0, 0, 2, 0, 1] }));
  assert.equal(outcome, PARSE_OK);
  assert.deepEqual([query.qnameLength, query.qnameLabels, query.labelOffsets[0]], [1, 0, 0]);
});

test('parseQuery() reads names of 127 labels and 255 octets, and no longer ones', () => {
  const longest = Array.from({ length: 127 }, () => [1, 0x61]).flat();
  const { outcome, query } = parse(buildQuery({ question: [...longest, 0, 0, 1, 0, 1] }));
  assert.equal(outcome, PARSE_OK);
  assert.deepEqual(
    [query.qnameLength, query.qnameLabels, query.labelOffsets[127]],
    [255, 127, 254],
  );
  const label63 = [63, ...new Array<number>(63).fill(0x61)];
  const tooLong = [...label63, ...label63, ...label63, 62, ...new Array<number>(62).fill(0x61)];
  checkOutcomes(PARSE_FORMERR, {
    '128 labels': buildQuery({ question: [1, 0x61, ...longest, 0, 0, 1, 0, 1] }),
    '256 octets': buildQuery({ question: [...tooLong, 0, 0, 1, 0, 1] }),
  });
});

test('parseQuery() is silent when there is no header or it is a response', () => {
  checkOutcomes(PARSE_DROP, {
    empty: new Uint8Array(0),
    'eleven octets': buildQuery().subarray(0, 11),
    response: buildQuery({ flags: 0x8100 }),
    'response with another opcode': buildQuery({ flags: 0xa800 }),
  });
});

test('parseQuery() answers NOTIMP when the opcode is not QUERY, whatever follows', () => {
  checkOutcomes(PARSE_NOTIMP, {
    status: buildQuery({ flags: 2 << 11 }),
    notify: buildQuery({ flags: 4 << 11 }),
    'update with a prerequisite': buildQuery({ flags: 5 << 11, counts: [1, 9, 9, 9] }),
    'header only': buildQuery({ flags: 15 << 11 }).subarray(0, 12),
  });
});

test('parseQuery() answers FORMERR when header or question are malformed', () => {
  const pointer = [0xc0, 12, 0, 1, 0, 1];
  checkOutcomes(PARSE_FORMERR, {
    'no question': buildQuery({ counts: [0, 0, 0, 0], question: [] }),
    'two questions': buildQuery({ counts: [2, 0, 0, 0], question: [...QUESTION, ...QUESTION] }),
    'an answer': buildQuery({ counts: [1, 1, 0, 0], records: [record([0], 1, [1, 2, 3, 4])] }),
    'an authority': buildQuery({ counts: [1, 0, 1, 0], records: [record([0], 1, [1, 2, 3, 4])] }),
    'header only': buildQuery().subarray(0, 12),
    'name cut': buildQuery().subarray(0, 20),
    'root missing': buildQuery().subarray(0, 28),
    'type missing': buildQuery().subarray(0, 29),
    'class cut': buildQuery().subarray(0, 32),
    'compressed name': buildQuery({ question: pointer }),
    'pointer after a label': buildQuery({ question: [1, 0x61, ...pointer] }),
    'label type 01': buildQuery({ question: [0x41, 0, 0, 1, 0, 1] }),
    'label type 10': buildQuery({ question: [0x81, 0, 0, 1, 0, 1] }),
    'record missing': buildQuery({ counts: [1, 0, 0, 1] }),
  });
});

test('parseQuery() ignores bytes after the last record', () => {
  checkOutcomes(PARSE_OK, {
    'after the question': Uint8Array.of(...buildQuery(), 1, 2, 3),
    'after OPT': Uint8Array.of(...buildQuery({ records: [opt()] }), 0),
  });
});

test('parseQuery() keeps within length when the buffer is larger', () => {
  const bytes = Uint8Array.of(
    ...buildQuery({ records: [opt()] }),
    ...new Array<number>(50).fill(0),
  );
  const whole = bytes.length - 50;
  const query = createQuery();
  for (let length = 0; length < whole; length += 1) {
    assert.notEqual(parseQuery(query, bytes, length), PARSE_OK, `${length} octets`);
  }
  assert.equal(parseQuery(query, bytes, whole), PARSE_OK);
  assert.equal(parseQuery(query, bytes.subarray(0, whole), 9999), PARSE_OK);
});

test('parseQuery() reads OPT: size, DO, options', () => {
  const cookie = option(10, [1, 2, 3, 4, 5, 6, 7, 8]);
  const options = [...option(3, []), ...cookie, ...option(11, []), ...option(12, [0, 0])];
  const bytes = buildQuery({
    records: [opt([...options, ...option(65001, [1])], 4096, [0, 0, 0x80, 0])],
  });
  const { outcome, query } = parse(bytes);
  assert.equal(outcome, PARSE_OK);
  assert.deepEqual([query.hasEdns, query.udpSize, query.ednsVersion], [true, 4096, 0]);
  assert.deepEqual([query.ednsDo, query.hasNsid, query.hasTcpKeepalive], [true, true, true]);
  assert.deepEqual([query.hasPadding, query.hasCookie, query.hasEcs], [true, true, false]);
  const { cookieOffset, cookieLength } = query;
  assert.deepEqual([...bytes.subarray(cookieOffset, cookieOffset + cookieLength)], cookie.slice(4));
});

test('parseQuery() takes sizes below 512 as 512', () => {
  assert.equal(parse(buildQuery({ records: [opt([], 100)] })).query.udpSize, 512);
});

test('parseQuery() finds OPT and TSIG among other additional records', () => {
  const other = record([0xc0, 12], 1, [192, 0, 2, 1]);
  const tsig = record([3, ...ascii('key'), 0], 250, [1, 2, 3]);
  const bytes = buildQuery({ records: [other, opt([], 1400), other, tsig] });
  const { outcome, query } = parse(bytes);
  assert.equal(outcome, PARSE_OK);
  assert.deepEqual([query.hasEdns, query.udpSize, query.hasTsig], [true, 1400, true]);
  assert.equal(query.tsigOffset, bytes.length - tsig.length);
});

test('parseQuery() steps over pointers without following them', () => {
  checkOutcomes(PARSE_OK, {
    'to itself': buildQuery({ records: [record([0xc0, 33], 1, [])] }),
    forward: buildQuery({ records: [record([0xff, 0xff], 1, [])] }),
    'in rdata': buildQuery({ records: [record([0], 2, [0xc0, 44])] }),
  });
});

test('parseQuery() accepts one authority record when the question is IXFR', () => {
  const question = [...QUESTION.slice(0, -4), ...word(251), 0, 1];
  const soa = record([0xc0, 12], 6, new Array<number>(22).fill(0));
  checkOutcomes(PARSE_OK, {
    ixfr: buildQuery({ question, counts: [1, 0, 1, 0], records: [soa] }),
    'ixfr with OPT': buildQuery({ question, counts: [1, 0, 1, 1], records: [soa, opt()] }),
  });
  checkOutcomes(PARSE_FORMERR, {
    two: buildQuery({ question, counts: [1, 0, 2, 0], records: [soa, soa] }),
    'OPT in authority': buildQuery({ question, counts: [1, 0, 1, 0], records: [opt()] }),
  });
});

test('parseQuery() answers FORMERR when the additional section is malformed', () => {
  const tsig = record([0], 250, []);
  checkOutcomes(PARSE_FORMERR, {
    'two OPT': buildQuery({ records: [opt(), opt()] }),
    'OPT not owned by the root': buildQuery({ records: [[1, 0x61, ...opt()]] }),
    'OPT owned by a pointer': buildQuery({ records: [[0xc0, 28, ...opt().slice(1)]] }),
    'TSIG not last': buildQuery({ records: [tsig, opt()] }),
    'owner cut': buildQuery({ records: [[5, 0x61]] }),
    'pointer cut': buildQuery({ records: [[0xc0]] }),
    'label type 10': buildQuery({ records: [record([0x80, 0], 1, [])] }),
    'fixed part cut': buildQuery({ records: [[0, 0, 1, 0, 1, 0, 0, 0, 0, 0]] }),
    'rdata cut': buildQuery({ records: [[0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1]] }),
    'option header cut': buildQuery({ records: [opt([0, 3, 0])] }),
    'option cut': buildQuery({ records: [opt([0, 3, 0, 1])] }),
    'cookie of 7': buildQuery({ records: [opt(option(10, new Array<number>(7).fill(1)))] }),
    'cookie of 15': buildQuery({ records: [opt(option(10, new Array<number>(15).fill(1)))] }),
    'cookie of 41': buildQuery({ records: [opt(option(10, new Array<number>(41).fill(1)))] }),
  });
});

test('parseQuery() takes the first of several cookies', () => {
  const first = option(10, [1, 1, 1, 1, 1, 1, 1, 1]);
  const bytes = buildQuery({ records: [opt([...first, ...option(10, [2])])] });
  const { outcome, query } = parse(bytes);
  assert.equal(outcome, PARSE_OK);
  assert.equal(bytes[query.cookieOffset], 1);
});

test('parseQuery() answers BADVERS without reading the options when the version is not 0', () => {
  const { outcome, query } = parse(
    buildQuery({ records: [opt([1, 2, 3], 1232, [0, 1, 0x80, 0])] }),
  );
  assert.equal(outcome, PARSE_BADVERS);
  assert.deepEqual([query.hasEdns, query.ednsVersion, query.ednsDo], [true, 1, true]);
  checkOutcomes(PARSE_FORMERR, {
    'second OPT': buildQuery({ records: [opt([], 1232, [0, 1, 0, 0]), opt()] }),
  });
});

test('parseQuery() reads the client subnet zero padded', () => {
  const v6 = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0x80];
  const cases: readonly (readonly [number[], number, number, readonly number[]])[] = [
    [ecs(1, 24, 0, [192, 0, 2]), 1, 24, [192, 0, 2, 0]],
    [ecs(1, 32, 0, [192, 0, 2, 1]), 1, 32, [192, 0, 2, 1]],
    [ecs(1, 9, 0, [10, 0x80]), 1, 9, [10, 0x80, 0, 0]],
    [ecs(1, 0, 0, []), 1, 0, [0, 0, 0, 0]],
    [ecs(2, 49, 0, v6), 2, 49, v6],
    [ecs(2, 0, 0, []), 2, 0, []],
    [ecs(0, 0, 0, []), 0, 0, []],
  ];
  const query = createQuery();
  query.ecsAddress.fill(0xff);
  for (const [bytes, family, source, address] of cases) {
    const packet = buildQuery({ records: [opt(bytes)] });
    assert.equal(parseQuery(query, packet, packet.length), PARSE_OK, bytes.join());
    assert.deepEqual([query.hasEcs, query.ecsFamily, query.ecsSource], [true, family, source]);
    // Of an IPv4 address the first four octets are used.
    const used = family === 1 ? 4 : 16;
    assert.deepEqual(
      [...query.ecsAddress.subarray(0, used)],
      [...address, ...new Array(used - address.length).fill(0)],
    );
  }
});

test('parseQuery() answers FORMERR when the client subnet is malformed', () => {
  const cases: Readonly<Record<string, readonly number[]>> = {
    empty: option(8, []),
    'fixed part cut': option(8, [0, 1, 24]),
    'scope not 0': ecs(1, 24, 24, [192, 0, 2]),
    'family unknown': ecs(3, 24, 0, [192, 0, 2]),
    'family unknown with source 0': ecs(3, 0, 0, []),
    'family 0 with source': ecs(0, 8, 0, [10]),
    'family 0 with address': ecs(0, 0, 0, [10]),
    'v4 source 33': ecs(1, 33, 0, [192, 0, 2, 1, 0]),
    'v6 source 129': ecs(2, 129, 0, new Array<number>(17).fill(0)),
    'too few octets': ecs(1, 24, 0, [192, 0]),
    'too many octets': ecs(1, 24, 0, [192, 0, 2, 0]),
    'bits beyond the source': ecs(1, 23, 0, [192, 0, 3]),
    'bits beyond a short source': ecs(1, 1, 0, [0xc0]),
    'two of them': [...ecs(1, 24, 0, [192, 0, 2]), ...ecs(1, 24, 0, [192, 0, 2])],
  };
  for (const [what, bytes] of Object.entries(cases)) {
    assert.equal(parse(buildQuery({ records: [opt(bytes)] })).outcome, PARSE_FORMERR, what);
  }
});

test('parseQuery() leaves nothing of the query before', () => {
  const query = createQuery();
  const options = [
    ...ecs(1, 24, 0, [192, 0, 2]),
    ...option(3, []),
    ...option(10, [...ascii('12345678')]),
  ];
  const rich = buildQuery({ records: [opt(options, 4096, [0, 0, 0x80, 0]), record([0], 250, [])] });
  parseQuery(query, rich, rich.length);
  const plain = buildQuery();
  assert.equal(parseQuery(query, plain, plain.length), PARSE_OK);
  const fresh = createQuery();
  parseQuery(fresh, plain, plain.length);
  fresh.ecsAddress.set(query.ecsAddress);
  assert.deepEqual(query, fresh);
});

test('skipName() stops at the end and at 255 octets', () => {
  assert.equal(skipName(Uint8Array.of(1, 97, 0), 0, 3), 3);
  assert.equal(skipName(Uint8Array.of(1, 97, 0xc0, 0), 0, 4), 4);
  assert.equal(skipName(Uint8Array.of(1, 97), 0, 2), -1);
  assert.equal(skipName(Uint8Array.of(1, 97, 0xc0), 0, 3), -1);
  const endless = new Uint8Array(600).fill(1);
  assert.equal(skipName(endless, 0, endless.length), -1);
});
