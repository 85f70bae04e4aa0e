import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SECTION_ANSWER } from '../../src/dns/constants.ts';
import { decodeMessage } from '../../src/dns/decode.ts';
import { beginReply, createReply, finishReply, writeRecord } from '../../src/dns/encode.ts';
import { createQuery, parseQuery } from '../../src/dns/message.ts';
import {
  compareNames,
  equalNames,
  formatName,
  isSubdomain,
  lowerName,
  nameLength,
  parseName,
} from '../../src/dns/name.ts';
import { formatRdata, parseRdata, rdataTypes } from '../../src/dns/rdata/registry.ts';
import { quote, tokenize, unescapeText } from '../../src/dns/token.ts';
import { typeBitmap } from '../../src/dns/type-fields.ts';
import { typeName } from '../../src/dns/type-names.ts';
import { readZoneFile, ZONE_FILE_PROBLEMS_MAX } from '../../src/dns/zone-file.ts';
import { buildQuery } from '../dns/query-builder.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

const options = {
  seed: fuzzSeed(20260801),
  numRuns: fuzzRuns(300),
};

/** Names from few letters, so that they share suffixes, and from any octet, so that they need escapes. */
const octet = fc.oneof(
  fc.constantFrom(0x61, 0x41, 0x62, 0x2e, 0x5c, 0x22),
  fc.integer({ max: 255, min: 0 }),
);
const label = fc.array(octet, { minLength: 1, maxLength: 8 });
const wireName = fc
  .array(label, { maxLength: 6 })
  .map((labels) => Uint8Array.from([...labels.flatMap((octets) => [octets.length, ...octets]), 0]));
const byte = fc.integer({ min: 0, max: 255 });
const bytes = (length: number): fc.Arbitrary<number[]> =>
  fc.array(byte, { minLength: length, maxLength: length });
const characterString = fc
  .array(byte, { maxLength: 255 })
  .map((octets) => [octets.length, ...octets]);
const digit = fc.integer({ min: 0, max: 9 });

/** Well-formed rdata of each kind. A kind that is missing here fails the test. */
const rdataOf: Readonly<Record<string, fc.Arbitrary<Uint8Array>>> = {
  A: bytes(4).map((octets) => Uint8Array.from(octets)),
  AAAA: bytes(16).map((octets) => Uint8Array.from(octets)),
  NS: wireName,
  CNAME: wireName,
  PTR: wireName,
  MX: joined(bytes(2), wireName),
  SRV: joined(bytes(6), wireName),
  SOA: joined(wireName, wireName, bytes(20)),
  TXT: fc
    .array(characterString, { minLength: 1, maxLength: 3 })
    .map((strings) => Uint8Array.from(strings.flat())),
  CAA: joined(
    byte.map((flags) => [flags]),
    fc.constantFrom('issue', 'iodef', 'X9').map((tag) => [tag.length, ...Buffer.from(tag)]),
    fc.array(byte, { maxLength: 40 }),
  ),
  DNAME: wireName,
  HTTPS: fc.oneof(serviceBinding(), joined(bytes(2).filter(isService), wireName)),
  SVCB: fc.oneof(serviceBinding(), joined(fc.constant([0, 0]), wireName)),
  NAPTR: joined(bytes(4), characterString, characterString, characterString, wireName),
  URI: joined(bytes(4), fc.array(byte, { maxLength: 40 })),
  TLSA: joined(bytes(3), someBytes(40)),
  SMIMEA: joined(bytes(3), someBytes(40)),
  SSHFP: joined(bytes(2), someBytes(40)),
  OPENPGPKEY: joined(someBytes(40)),
  LOC: joined(
    fc.constant([0]),
    fc.array(fc.tuple(digit, digit), { minLength: 3, maxLength: 3 }).map(packed),
    angle(90),
    angle(180),
    bytes(4),
  ),
  HINFO: joined(characterString, characterString),
  RP: joined(wireName, wireName),
  DS: joined(bytes(3), fc.constant([2]), bytes(32)),
  CDS: joined(bytes(4), someBytes(40)),
  DNSKEY: joined(bytes(4), someBytes(40)),
  CDNSKEY: joined(bytes(4), someBytes(40)),
  CSYNC: joined(bytes(6), bitmap()),
  ZONEMD: joined(bytes(6), bytes(48)),
  RRSIG: joined(bytes(18), wireName, someBytes(64)),
  NSEC: joined(wireName, bitmap()),
  NSEC3: joined(
    bytes(4),
    characterString,
    fc.array(byte, { minLength: 1, maxLength: 32 }).map((octets) => [octets.length, ...octets]),
    bitmap(),
  ),
  NSEC3PARAM: joined(bytes(4), characterString),
};

function someBytes(maxLength: number): fc.Arbitrary<number[]> {
  return fc.array(byte, { minLength: 1, maxLength });
}

function isService([high, low]: readonly number[]): boolean {
  return high !== 0 || low !== 0;
}

/** A priority above 0, a target, and parameters in ascending order. */
function serviceBinding(): fc.Arbitrary<Uint8Array> {
  const values: readonly (readonly [number, fc.Arbitrary<number[]>])[] = [
    [
      1,
      fc
        .array(fc.array(byte, { minLength: 1, maxLength: 9 }), { minLength: 1, maxLength: 3 })
        .map((items) => items.flatMap((item) => [item.length, ...item])),
    ],
    [3, bytes(2)],
    [4, fc.array(bytes(4), { minLength: 1, maxLength: 3 }).map((list) => list.flat())],
    [5, someBytes(30)],
    [6, fc.array(bytes(16), { minLength: 1, maxLength: 3 }).map((list) => list.flat())],
    [7, fc.array(byte, { minLength: 1, maxLength: 20 })],
    [667, fc.array(byte, { maxLength: 20 })],
  ];
  const parameters = values.map(([key, value]) =>
    fc.option(value.map((octets) => [key >> 8, key & 0xff, 0, octets.length, ...octets])),
  );
  return joined(
    bytes(2).filter(isService),
    wireName,
    fc.tuple(...parameters).map((list) => list.flatMap((one) => one ?? [])),
  );
}

function angle(max: number): fc.Arbitrary<number[]> {
  const most = max * 3_600_000;
  return fc.integer({ min: -most, max: most }).map((value) => {
    const field = Buffer.alloc(4);
    field.writeUInt32BE(2 ** 31 + value);
    return [...field];
  });
}

/** Sizes in LOC: a digit and a power of ten; zero has one spelling only. */
function packed(pairs: readonly (readonly [number, number])[]): number[] {
  return pairs.map(([mantissa, power]) => (mantissa === 0 ? 0 : (mantissa << 4) | power));
}

/** Types of a name, each octet of the bitmap as needed (RFC 4034 4.1.2). */
function bitmap(): fc.Arbitrary<Uint8Array> {
  const types = fc.array(
    fc.oneof(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1, max: 65535 })),
  );
  return types.map(typeBitmap);
}

function joined(...parts: readonly fc.Arbitrary<Iterable<number>>[]): fc.Arbitrary<Uint8Array> {
  return fc.tuple(...parts).map((values) => Uint8Array.from(values.flatMap((value) => [...value])));
}

test('parseName(formatName(name)) is the name, for any octets', () => {
  fc.assert(
    fc.property(wireName, (wire) => {
      const text = formatName(wire);
      assert.match(text, /^[!-~]+$/);
      assert.deepEqual(parseName(text), wire);
    }),
    options,
  );
});

test('parseName() gives a well-formed name or undefined, for any text', () => {
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: fc.constantFrom('a', '.', '\\', '0', '9', '@') }),
  );
  fc.assert(
    fc.property(text, fc.option(wireName, { nil: undefined }), (input, origin) => {
      const wire = parseName(input, origin);
      if (wire !== undefined) assert.equal(nameLength(wire, 0, wire.length), wire.length);
    }),
    options,
  );
});

test('compareNames() is an order that agrees with equality and ignores case', () => {
  fc.assert(
    fc.property(wireName, wireName, wireName, (a, b, c) => {
      assert.equal(Math.sign(compareNames(a, b)) + Math.sign(compareNames(b, a)), 0);
      assert.equal(compareNames(a, b) === 0, equalNames(a, b));
      assert.equal(compareNames(a, lowerName(a)), 0);
      const sorted = [a, b, c].sort(compareNames);
      assert.ok(compareNames(sorted[0]!, sorted[2]!) <= 0);
      if (isSubdomain(a, b)) assert.ok(compareNames(a, b) >= 0, 'a name sorts behind its ancestor');
    }),
    options,
  );
});

test('parseRdata(formatRdata(rdata)) is the rdata, for every type', () => {
  for (const { kind, type } of rdataTypes) {
    const rdata = rdataOf[kind];
    assert.ok(rdata !== undefined, `no rdata generator for ${kind}`);
    fc.assert(
      fc.property(rdata, (wire) => {
        const text = formatRdata(type, wire);
        assert.ok(!text.startsWith('\\#'), `${kind} ${text}`);
        assert.deepEqual(parseRdata(kind, text), { ok: true, rdata: wire });
      }),
      { ...options, numRuns: Math.ceil(options.numRuns / 3) },
    );
  }
});

test('formatRdata() and parseRdata() agree on any octets of any type, generic form included', () => {
  const anyType = fc.oneof(
    fc.constantFrom(...rdataTypes.map(({ type }) => type)),
    fc.integer({ min: 0, max: 65535 }),
  );
  fc.assert(
    fc.property(anyType, fc.uint8Array({ maxLength: 40 }), (type, wire) => {
      const text = formatRdata(type, wire);
      const result = parseRdata(typeName(type), text);
      if (result.ok) assert.deepEqual(result.rdata, wire);
      else assert.ok(text.startsWith('\\#'), text);
    }),
    // What was found: an NSEC3 whose hash is empty.
    { ...options, examples: [[50, new Uint8Array(6)]] },
  );
});

test('parseRdata() never throws, for any text', () => {
  const text = fc.string({
    unit: fc.constantFrom('a', '1', ' ', '.', '"', '\\', '(', ')', ';', '#'),
  });
  fc.assert(
    fc.property(
      fc.constantFrom(...rdataTypes),
      fc.oneof(text, fc.string()),
      ({ kind, format }, input) => {
        const result = parseRdata(kind, input);
        if (result.ok) assert.notEqual(format(result.rdata), undefined);
        else assert.ok(result.message.length > 0);
      },
    ),
    options,
  );
});

test('unescapeText(quote(octets)) is the octets, as one token', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => {
      const tokens = tokenize(quote(octets));
      assert.ok(typeof tokens !== 'string' && tokens.length === 1);
      assert.deepEqual(unescapeText(tokens[0]!.text), octets);
    }),
    options,
  );
});

test('decodeMessage() of a compressed reply gives back every owner and rdata', () => {
  const records = fc.array(
    fc
      .constantFrom(...rdataTypes)
      .chain((type) =>
        fc.record({ type: fc.constant(type), owner: wireName, rdata: rdataOf[type.kind]! }),
      ),
    { maxLength: 12 },
  );
  const query = createQuery();
  const reply = createReply();
  const out = new Uint8Array(65535);
  fc.assert(
    fc.property(records, wireName, (list, qname) => {
      const packet = buildQuery({ question: [...qname, 0, 1, 0, 1] });
      assert.equal(parseQuery(query, packet, packet.length), 0);
      beginReply(reply, out, query, packet, out.length);
      for (const { type, owner, rdata } of list) {
        assert.ok(
          writeRecord(reply, SECTION_ANSWER, owner, 0, type.type, 1, rdata, 0, rdata.length),
        );
      }
      const result = decodeMessage(out.subarray(0, finishReply(reply, 0, 0)));
      assert.ok(result.ok, result.ok ? '' : result.reason);
      for (const [index, answer] of result.message.answer.entries()) {
        const { type, owner, rdata } = list[index]!;
        // Only names can come back in the question's case; all else is compared as it is.
        assert.equal(answer.name.toLowerCase(), formatName(owner).toLowerCase());
        const sent = formatRdata(type.type, rdata);
        if (!type.fields.some(({ name }) => name !== undefined)) assert.equal(answer.text, sent);
        else assert.equal(answer.text.toLowerCase(), sent.toLowerCase());
      }
    }),
    options,
  );
});

test('readZoneFile() reads any text, and its own lines back', () => {
  const word = fc.oneof(
    fc.constantFrom('$ORIGIN', '$TTL', '$INCLUDE', '$GENERATE', '1-3', 'IN', '60', 'A', '(', ')'),
    // biome-ignore lint/suspicious/noTemplateCurlyInString: BIND's syntax
    fc.constantFrom('192.0.2.1', 'MX', '@', '"a b"', '\\', '"', ';', '\\#', '4', '${0,2,n}', '$'),
    fc.string({ maxLength: 12 }),
  );
  const line = fc.array(word, { maxLength: 8 }).map((words) => words.join(' '));
  const text = fc.array(line, { maxLength: 12 }).map((lines) => lines.join('\n'));
  fc.assert(
    fc.property(text, (written) => {
      const options = {
        origin: Uint8Array.of(0),
        include: () => ({ name: 'again', text: written }),
      };
      const file = readZoneFile({ name: 'fuzz', text: written }, options);
      assert.ok(file.problems.length <= ZONE_FILE_PROBLEMS_MAX);
      const lines = file.records.map(({ owner, rdata, ttlSeconds, type }) =>
        [formatName(owner), ttlSeconds, typeName(type), formatRdata(type, rdata)].join(' '),
      );
      const again = readZoneFile({ name: 'again', text: lines.join('\n') }, options);
      assert.deepEqual(again.problems, []);
      assert.deepEqual(
        again.records.map(({ owner, rdata, type }) => [owner, type, rdata]),
        file.records.map(({ owner, rdata, type }) => [owner, type, rdata]),
      );
    }),
    options,
  );
});
