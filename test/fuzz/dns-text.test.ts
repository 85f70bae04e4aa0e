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
import { formatRdata, parseRdata, rdataTypes, typeName } from '../../src/dns/rdata/registry.ts';
import { quote, tokenize, unescapeText } from '../../src/dns/token.ts';
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
};

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
    options,
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
        if (type.layout === undefined) assert.equal(answer.text, sent);
        else assert.equal(answer.text.toLowerCase(), sent.toLowerCase());
      }
    }),
    options,
  );
});
