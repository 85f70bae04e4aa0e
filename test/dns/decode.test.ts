import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeMessage, expandName, expandRdata } from '../../src/dns/decode.ts';
import { formatMessage } from '../../src/dns/format.ts';
import { formatName } from '../../src/dns/name.ts';
import { ascii, buildQuery, ecs, opt, option, QUESTION, record, word } from './query-builder.ts';

const WWW = [0xc0, 12];

/** A response with an answer by pointer, an authority, an address and OPT. */
const response = buildQuery({
  id: 4660,
  flags: 0x8583,
  counts: [1, 1, 1, 2],
  records: [
    record(WWW, 5, [2, ...ascii('lb'), 0xc0, 16]),
    record([0xc0, 16], 2, [2, ...ascii('ns'), 0xc0, 16]),
    record([2, ...ascii('ns'), 0xc0, 16], 1, [192, 0, 2, 53]),
    opt(
      [
        ...ecs(1, 24, 20, [198, 51, 100]),
        ...option(15, [...word(18), ...ascii('no\u001bway')]),
        ...option(3, ascii('ns1')),
        ...option(10, [1, 2, 3, 4, 5, 6, 7, 8]),
      ],
      1232,
      [1, 0, 0x80, 0],
    ),
  ],
});

function reason(bytes: Uint8Array): string {
  const result = decodeMessage(bytes);
  return result.ok ? '' : result.reason;
}

test('decodeMessage() reads every section and expands names', () => {
  const result = decodeMessage(response);
  assert.ok(result.ok);
  const { message } = result;
  assert.deepEqual(
    [message.response, message.authoritative, message.truncated],
    [true, true, false],
  );
  assert.deepEqual([message.recursionDesired, message.recursionAvailable], [true, true]);
  assert.equal(message.rcode, 16 + 3);
  assert.deepEqual(message.question, [{ name: 'www.Example.com.', type: 1, class: 1 }]);
  const [answer] = message.answer;
  assert.deepEqual([answer?.name, answer?.text], ['www.Example.com.', 'lb.Example.com.']);
  assert.equal(answer?.rdata.length, 16);
  assert.equal(message.authority[0]?.text, 'ns.Example.com.');
  assert.equal(message.additional[0]?.text, '192.0.2.53');
  assert.deepEqual(message.edns?.ecs, {
    family: 1,
    source: 24,
    scope: 20,
    address: '198.51.100.0',
  });
  assert.equal(message.edns?.options.length, 4);
});

test('formatMessage() prints a message for people, without control characters', () => {
  const result = decodeMessage(response);
  assert.ok(result.ok);
  assert.equal(
    formatMessage(result.message),
    [
      ';; opcode: QUERY, status: BADMODE, id: 4660',
      ';; flags: qr aa rd ra',
      '',
      ';; EDNS: version: 0, flags: do, udp: 1232',
      '; CLIENT-SUBNET: 198.51.100.0/24/20',
      '; EDE: 18 (Prohibited): no\ufffdway',
      '; NSID: 6e7331',
      '; COOKIE: 0102030405060708',
      '',
      ';; QUESTION',
      ';www.Example.com. IN A',
      '',
      ';; ANSWER',
      'www.Example.com. 60 IN CNAME lb.Example.com.',
      '',
      ';; AUTHORITY',
      'Example.com. 60 IN NS ns.Example.com.',
      '',
      ';; ADDITIONAL',
      'ns.Example.com. 60 IN A 192.0.2.53',
    ].join('\n'),
  );
});

test('formatMessage() has numbers for what has no name', () => {
  const bytes = buildQuery({ flags: 0x800b | (7 << 11), question: [0, 0xff, 0, 0, 9] });
  const result = decodeMessage(bytes);
  assert.ok(result.ok);
  assert.equal(
    formatMessage(result.message),
    ';; opcode: OPCODE7, status: RCODE11, id: 4660\n;; flags: qr\n\n;; QUESTION\n;. CLASS9 TYPE65280',
  );
});

test('decodeMessage() expands names in SRV although none may be compressed there', () => {
  const srv = record(WWW, 33, [0, 1, 0, 2, 1, 0xbb, 0xc0, 16]);
  const result = decodeMessage(buildQuery({ flags: 0x8000, counts: [1, 1, 0, 0], records: [srv] }));
  assert.ok(result.ok);
  assert.equal(result.message.answer[0]?.text, '1 2 443 Example.com.');
});

test('decodeMessage() keeps empty rdata of updates and broken rdata as octets', () => {
  const records = [record(WWW, 5, []), record(WWW, 1, [1, 2, 3])];
  const result = decodeMessage(buildQuery({ flags: 0x8000, counts: [1, 2, 0, 0], records }));
  assert.ok(result.ok);
  assert.deepEqual(
    result.message.answer.map(({ text }) => text),
    ['\\# 0', '\\# 3 010203'],
  );
});

test('decodeMessage() shows a client subnet that it cannot read only as an option', () => {
  for (const value of [
    [0, 1],
    [0, 1, 24, 0, 1, 2, 3, 4, 5],
    [0, 9, 8, 0, 1],
  ]) {
    const result = decodeMessage(buildQuery({ records: [opt(option(8, value))] }));
    assert.ok(result.ok);
    assert.equal(result.message.edns?.ecs, undefined);
    assert.equal(result.message.edns?.options.length, 1);
  }
});

test('decodeMessage() says where a message is broken', () => {
  const cases: readonly (readonly [RegExp, Uint8Array])[] = [
    [/no header/, new Uint8Array(11)],
    [/question/, buildQuery().subarray(0, 30)],
    [/question/, buildQuery({ question: [0xc0, 12, 0, 1, 0, 1] })],
    [/record at offset 33/, buildQuery({ counts: [1, 1, 0, 0] })],
    [
      /record at offset 33/,
      buildQuery({ counts: [1, 1, 0, 0], records: [[0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 1]] }),
    ],
    [/record at offset 33/, buildQuery({ counts: [1, 1, 0, 0], records: [[0, 0, 1, 0, 1]] })],
    [
      /data at offset 45/,
      buildQuery({ counts: [1, 1, 0, 0], records: [record(WWW, 5, [0xc0, 45])] }),
    ],
    [/data at offset 45/, buildQuery({ counts: [1, 1, 0, 0], records: [record(WWW, 15, [0])] })],
    [/more than one OPT/, buildQuery({ records: [opt(), opt()] })],
    [/outside/, buildQuery({ counts: [1, 1, 0, 0], records: [opt()] })],
    [/root does not own/, buildQuery({ records: [[1, 97, ...opt()]] })],
    [/options/, buildQuery({ records: [opt([0, 3, 0, 9])] })],
    [/options/, buildQuery({ records: [opt([0, 3])] })],
    [/2 octets after/, Uint8Array.of(...buildQuery(), 0, 0)],
  ];
  for (const [expected, bytes] of cases) assert.match(reason(bytes), expected);
});

test('expandRdata() expands names of types that have no text form here', () => {
  const header = new Array<number>(12).fill(0);
  // MINFO: a.example.com, and the name that it stands beside.
  const rdata = [1, 97, 0xc0, 16, 0xc0, 12];
  const bytes = Uint8Array.from([...header, ...QUESTION, ...rdata]);
  const raw = { owner: Uint8Array.of(0), type: 14, fixed: 0, rdataStart: 33, end: bytes.length };
  const [first, second] = [expandName(bytes, 33, 37)!.wire, expandName(bytes, 12, 33)!.wire];
  assert.deepEqual(expandRdata(bytes, raw), new Uint8Array([...first, ...second]));
  assert.equal(expandRdata(bytes, { ...raw, end: bytes.length - 1 }), undefined);
});

test('expandName() follows pointers backward only', () => {
  const header = new Array<number>(12).fill(0);
  const bytes = Uint8Array.from([...header, ...QUESTION, 1, 97, 0xc0, 16, 0xc0, 33, 0xc0, 37]);
  assert.equal(
    formatName(expandName(bytes, 33, bytes.length)?.wire ?? Uint8Array.of()),
    'a.Example.com.',
  );
  assert.equal(expandName(bytes, 33, bytes.length)?.next, 37);
  assert.equal(expandName(bytes, 37, bytes.length)?.wire.length, 15);
  assert.equal(expandName(bytes, 37, bytes.length)?.next, 39);
  const loops: readonly (readonly number[])[] = [
    [0xc0, 0],
    [0xc0, 2, 0xc0, 0],
    [1, 97, 0xc0, 0],
    [0xff, 0xff],
    [0xc0],
    [0x80, 0],
    [1],
    [],
  ];
  for (const loop of loops) {
    assert.equal(expandName(Uint8Array.from(loop), 0, loop.length), undefined, loop.join());
  }
});

test('expandName() follows as many pointers as a name has labels, and no chain of thousands', () => {
  const last = (length: number): number => 4 + 2 * (length - 1);
  // The first leads to the name, each other one to the one before it.
  const made = (length: number): Uint8Array => {
    const bytes = new Uint8Array(4 + 2 * length);
    bytes.set([1, 97, 0]);
    for (let index = 0; index < length; index += 1) {
      const to = index === 0 ? 0 : 4 + 2 * (index - 1);
      bytes[4 + 2 * index] = 0xc0 | (to >> 8);
      bytes[5 + 2 * index] = to & 0xff;
    }
    return bytes;
  };
  assert.ok(expandName(made(127), last(127), 4 + 2 * 127));
  assert.equal(expandName(made(128), last(128), 4 + 2 * 128), undefined);
});

test('expandName() stops at 255 octets', () => {
  const labels = Array.from({ length: 127 }, () => [1, 97]).flat();
  const fits = Uint8Array.from([...labels, 0]);
  assert.equal(expandName(fits, 0, fits.length)?.wire.length, 255);
  const tooLong = Uint8Array.from([...labels, 1, 97, 0]);
  assert.equal(expandName(tooLong, 0, tooLong.length), undefined);
});
