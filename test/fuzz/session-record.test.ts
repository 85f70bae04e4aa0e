import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  bucketBitsFor,
  bucketOf,
  keyOctets,
  NOTICE_RECORDS_MAX,
  parseMoves,
  parseValue,
  valueOctets,
} from '../../src/sessions/session-record.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

/** Whatever is published or stored by others: records come out whole, or nothing does. */
const parameters = { seed: fuzzSeed(20_261_122), numRuns: fuzzRuns(2000) };
const word = fc.nat(0xffff_ffff);
const record = fc.record(
  {
    high: word,
    low: word,
    server: fc.integer({ min: 1, max: 0xffff_ffff }),
    expiresSeconds: word,
  },
  { noNullPrototype: true },
);

test('what is written is read back', () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 9 }), (records) => {
      const octets = records.flatMap(({ high, low, server, expiresSeconds }) => {
        const value = valueOctets(server, expiresSeconds);
        assert.deepEqual(parseValue(value), { server, expiresSeconds });
        return [keyOctets(high, low), value];
      });
      assert.deepEqual(parseMoves(Buffer.concat(octets).toString('hex')), records);
    }),
    parameters,
  );
});

test('anything else is undefined and never throws', () => {
  const digits = fc.string({ unit: fc.constantFrom(...'0123456789abcdefAF g\n\u0660') });
  fc.assert(
    fc.property(fc.oneof(digits, fc.string(), fc.string({ minLength: 30 })), (message) => {
      for (const text of [message, message.repeat(32)]) {
        const records = parseMoves(text);
        assert.equal(records !== undefined, /^[0-9a-f]+$/.test(text) && isWhole(text), text);
      }
    }),
    parameters,
  );
  assert.equal(parseMoves('1'.repeat(32 * (NOTICE_RECORDS_MAX + 1))), undefined);
  for (const value of [null, undefined, 7, '12345678', Buffer.alloc(8), Buffer.alloc(9, 1)]) {
    assert.equal(parseValue(value), undefined);
  }
});

/** Records of 32 digits, each with a server. */
function isWhole(text: string): boolean {
  if (text.length % 32 !== 0 || text.length === 0 || text.length > 32 * NOTICE_RECORDS_MAX) {
    return false;
  }
  for (let at = 0; at < text.length; at += 32) {
    if (text.slice(at + 16, at + 24) === '00000000') return false;
  }
  return true;
}

test('buckets are as many as the sessions need, and no key is too large for them', () => {
  assert.equal(bucketBitsFor(1), 16);
  assert.equal(bucketBitsFor(10_000_000), 17);
  assert.equal(bucketBitsFor(1e12), 22);
  fc.assert(
    fc.property(word, fc.integer({ min: 16, max: 22 }), (high, bits) => {
      const bucket = bucketOf(high, bits);
      assert.ok(bucket >= 0 && bucket < 2 ** bits);
      // Bucket and field together hold every bit of the key.
      assert.equal(high >>> 16, Number(BigInt(bucket) >> BigInt(bits - 16)));
    }),
    parameters,
  );
});
