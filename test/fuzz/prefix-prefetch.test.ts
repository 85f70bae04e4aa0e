import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytesToInt32 } from '../../src/ip/address.ts';
import { createAddressBatch, prefetch } from '../../src/ip/prefix-prefetch.ts';
import { buildPrefixTable, lookup4, lookup6, type PrefixTable } from '../../src/ip/prefix-table.ts';
import { overlayPrefixes, uniformRanges } from '../../src/ip/ranges.ts';
import {
  arbitraryAddress,
  arbitraryCrowd,
  arbitraryOverlays,
  fuzzParameters,
  toAddress,
} from '../ip/range-oracle.ts';

/** With the words of an entry. */
const TABLES = { index4: 1, ranges4: 2, buckets6: 1, cells6: 1, ranges6: 5 } as const;
const MAX = 32;

/** The table, and a note of all that is read in it. */
function watched(table: PrefixTable) {
  const reads = new Set<string>();
  const watch = ([name, words]: [keyof typeof TABLES, number]) =>
    new Proxy(table[name], {
      get(target, key) {
        const at = Number(String(key));
        if (Number.isInteger(at)) reads.add(`${name} ${Math.floor(at / words)}`);
        return Reflect.get(target, key);
      },
    });
  const names = Object.entries(TABLES) as [keyof typeof TABLES, number][];
  const columns = Object.fromEntries(names.map((each) => [each[0], watch(each)]));
  return { table: { ...table, ...columns } as PrefixTable, reads };
}

test('prefetch() reads what the look-ups of its addresses begin with, and nothing else', () => {
  const addresses = (bits: 32 | 128) =>
    fc.array(
      arbitraryAddress(bits).map((value) => toAddress(value, bits).bytes),
      { maxLength: MAX },
    );
  fc.assert(
    fc.property(
      fc.oneof(arbitraryOverlays(), arbitraryCrowd()),
      addresses(32),
      addresses(128),
      (overlays, fours, others) => {
        const crowd = overlays.map(({ prefix: { address } }) => address);
        const sixes = [
          ...others,
          ...crowd.filter(({ family }) => family === 6).map(({ bytes }) => bytes),
        ].slice(0, MAX);
        const built = buildPrefixTable(overlayPrefixes(uniformRanges(0), overlays));
        // What is folded is looked up elsewhere.
        const plain = { ...built, folds: false };
        const [early, late] = [watched(plain), watched(plain)];
        const batch = createAddressBatch(MAX);
        for (const bytes of fours) batch.words4[batch.count4++] = bytesToInt32(bytes, 0);
        for (const bytes of sixes) {
          batch.words6[2 * batch.count6] = bytesToInt32(bytes, 0);
          batch.words6[2 * batch.count6 + 1] = bytesToInt32(bytes, 4);
          batch.count6 += 1;
        }
        prefetch(early.table, batch);
        for (const bytes of fours) lookup4(late.table, bytesToInt32(bytes, 0));
        for (const bytes of sixes) lookup6(late.table, bytes, 0);
        for (const read of early.reads) assert.ok(late.reads.has(read), `${read} is idle`);
        for (const column of ['index4', 'buckets6', 'cells6']) {
          const ofColumn = [...late.reads].filter((read) => read.startsWith(column));
          for (const read of ofColumn) assert.ok(early.reads.has(read), `${read} is forgotten`);
        }
        const touches = (column: string) =>
          [...early.reads].some((read) => read.startsWith(column));
        assert.equal(touches('ranges4'), fours.length > 0);
        assert.equal(touches('ranges6'), sixes.length > 0);
      },
    ),
    fuzzParameters(200),
  );
});
