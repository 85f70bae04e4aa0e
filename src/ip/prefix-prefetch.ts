/**
 * Asks memory for what the look-ups of a batch of addresses are going to read. A look-up is a few reads of tables that
 * no processor's near caches hold, each knowing its place from the one before it; one address after the other, each
 * read is waited for. Here the first reads of all addresses go out together, then the second ones, and so on, so the
 * waiting is done once for all. It decides nothing: whoever is not in the batch is looked up all the same.
 */
import { firstCell6, innerCell6, middle4, middle6, type PrefixTable } from './prefix-table.ts';

/** Addresses by family; for each of IPv6 the first two words. Made once, and filled anew. */
export type AddressBatch = {
  readonly words4: Int32Array;
  count4: number;
  readonly words6: Int32Array;
  count6: number;
  /** Where their look-ups are. */
  readonly cells6: Int32Array;
};

export function createAddressBatch(max: number): AddressBatch {
  return {
    words4: new Int32Array(max),
    count4: 0,
    words6: new Int32Array(2 * max),
    count6: 0,
    cells6: new Int32Array(max),
  };
}

/** @returns a number that means nothing; without it the reads might be left out as idle */
export function prefetch(table: PrefixTable, batch: AddressBatch): number {
  return (prefetch4(table, batch) + prefetch6(table, batch)) | 0;
}

function prefetch4({ index4, ranges4 }: PrefixTable, { count4, words4 }: AddressBatch): number {
  let sum = 0;
  for (let at = 0; at < count4; at += 1) sum ^= index4[words4[at]! >>> 16]!;
  for (let at = 0; at < count4; at += 1) {
    const bucket = words4[at]! >>> 16;
    sum ^= ranges4[middle4(index4[bucket]!, index4[bucket + 1]!)]!;
  }
  return sum;
}

function prefetch6(table: PrefixTable, { cells6, count6, words6 }: AddressBatch): number {
  const { buckets6, cells6: cells, ranges6 } = table;
  let sum = 0;
  for (let at = 0; at < count6; at += 1) {
    const cell = firstCell6(table, words6[2 * at]!);
    cells6[at] = cell;
    sum ^= cells[cell]!;
  }
  let inner = 0;
  for (let at = 0; at < count6; at += 1) {
    const held = cells[cells6[at]!]!;
    if (held >= 0) continue;
    inner += 1;
    sum ^= buckets6[~held]!;
  }
  for (let at = 0; at < count6 && inner > 0; at += 1) {
    const cell = cells6[at]!;
    if (cells[cell]! >= 0) continue;
    cells6[at] = innerCell6(table, cell, words6[2 * at]!, words6[2 * at + 1]!);
    sum ^= cells[cells6[at]!]!;
  }
  for (let at = 0; at < count6; at += 1) sum ^= ranges6[middle6(table, cells6[at]!)]!;
  return sum;
}
