import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Reader } from 'maxmind';
import { createRecordDecoder, type DecodeRecord } from '../../src/geo/mmdb-data.ts';
import { parsePrefix } from '../../src/ip/prefix.ts';
import { fuzzParameters } from '../ip/range-oracle.ts';
import { type MmdbValue, writeMmdb } from './mmdb-writer.ts';

const SEPARATOR_BYTES = 16;

/** A file with one record, at the start of its data section. */
function fileOf(record: MmdbValue): { bytes: Uint8Array; decode: DecodeRecord; base: number } {
  const bytes = writeMmdb([{ prefix: parsePrefix('192.0.2.0/24')!, record }], {
    databaseType: 'test',
  });
  const { metadata } = new Reader(Buffer.from(bytes));
  const base = metadata.searchTreeSize + SEPARATOR_BYTES;
  return { bytes, base, decode: createRecordDecoder(bytes, base) };
}

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ minLength: 20, maxLength: 400 }),
);
const value = fc.letrec<{ value: MmdbValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    text,
    fc.double({ noNaN: true }),
    fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }),
    fc.boolean(),
    fc.array(tie('value'), { maxLength: 6 }),
    fc.dictionary(
      fc.string({ maxLength: 12 }).filter((key) => key !== '__proto__'),
      tie('value'),
      {
        maxKeys: 6,
        noNullPrototype: true,
      },
    ),
  ),
})).value;

test('records are read as the maxmind package reads them', () => {
  fc.assert(
    fc.property(value, (record) => {
      const { base, bytes, decode } = fileOf({ record });
      const theirs = new Reader(Buffer.from(bytes)).get('192.0.2.1');
      assert.deepEqual(decode(base), theirs);
    }),
    fuzzParameters(400),
  );
});

test('a changed record is read, or an error: it neither hangs nor grows', () => {
  const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(value, changes, (record, edits) => {
      const { base, bytes } = fileOf({ record });
      for (const [at, octet] of edits) bytes[base + (at % (bytes.length - base))] = octet;
      try {
        createRecordDecoder(bytes, base)(base);
      } catch (error) {
        assert.ok(error instanceof RangeError, String(error));
      }
    }),
    fuzzParameters(1000),
  );
});

test('pointers of every size are followed', () => {
  const texts = ['near', 'far'];
  // [pointer's octets, offset in the data section]: the ends of what each size reaches.
  const cases: readonly (readonly [number[], number])[] = [
    [[0x20, 0x20], 0x20],
    [[0x27, 0xff], 0x7ff],
    [[0x28, 0x00, 0x10], 2048 + 0x10],
    [[0x30, 0x00, 0x00, 0x10], 526_336 + 0x10],
    [[0x38, 0x00, 0x00, 0x12, 0x34], 0x1234],
  ];
  for (const [octets, target] of cases) {
    const bytes = new Uint8Array(600_000);
    bytes.set(octets);
    for (const expected of texts) {
      bytes.set([0x40 | expected.length, ...Buffer.from(expected)], target);
      assert.equal(createRecordDecoder(bytes, 0)(0), expected);
    }
  }
});

test('records without end are refused', () => {
  const itself = Uint8Array.of(0x20, 0x00);
  assert.throws(() => createRecordDecoder(itself, 0)(0), /no end/);
  // An array of 8 pointers to the next array of 8 pointers …: 8^10 values in 200 octets.
  const levels = Array.from({ length: 10 }, (_, level) => [
    ...[0x08, 0x04],
    ...Array.from({ length: 8 }, () => [0x20, (level + 1) * 18]).flat(),
  ]);
  const laughs = Uint8Array.from([...levels.flat(), 0x41, 0x61]);
  assert.throws(() => createRecordDecoder(laughs, 0)(0), /no end/);
  assert.throws(() => createRecordDecoder(Uint8Array.of(0x45, 0x61), 0)(0), /outside/);
});
