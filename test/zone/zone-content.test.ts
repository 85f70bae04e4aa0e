import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseName } from '../../src/dns/name.ts';
import {
  type ContentRecord,
  compareContents,
  packContent,
  recordsOf,
  type ZoneContent,
} from '../../src/zone/zone-content.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';

const APEX = parseName('example.')!;
const SOA = { owner: APEX, type: 6, ttlSeconds: 1, rdata: new Uint8Array(22) };
const anyRecord: fc.Arbitrary<ContentRecord> = fc.record({
  owner: fc.constantFrom('a', 'A', 'b', 'a.b', 'ab', 'z').map((text) => parseName(text, APEX)!),
  type: fc.constantFrom(1, 16, 65_400),
  ttlSeconds: fc.constantFrom(1, 60),
  rdata: fc.uint8Array({ maxLength: 3 }),
});
const anyContent = fc.array(anyRecord, { maxLength: 20 });
const textsOf = (records: Iterable<ContentRecord>): readonly string[] =>
  [...records].map(({ owner, rdata, ttlSeconds, type }) =>
    [
      Buffer.from(owner).toString('hex'),
      type,
      ttlSeconds,
      Buffer.from(rdata).toString('hex'),
    ].join(),
  );

test('what compareContents() takes away and adds leads from any content to any other, and is the least', () => {
  const pack = (records: readonly ContentRecord[]): ZoneContent => packContent(APEX, SOA, records);
  fc.assert(
    fc.property(anyContent, anyContent, anyContent, (one, other, both) => {
      const [before, after] = [pack([...one, ...both]), pack([...other, ...both])];
      const { added, removed } = compareContents(before, after);
      const [had, has] = [textsOf(recordsOf(before)), textsOf(recordsOf(after))];
      assert.deepEqual(
        textsOf(removed),
        had.filter((text) => !has.includes(text)),
      );
      assert.deepEqual(
        textsOf(added),
        has.filter((text) => !had.includes(text)),
      );
    }),
    { seed: fuzzSeed(20261124), numRuns: fuzzRuns(2000) },
  );
});
