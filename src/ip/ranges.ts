/**
 * The whole address space, cut into ranges that each have a number: what a geo database, the operator's
 * networks and a steering map all are before they become a look-up table. A range lasts until the next
 * one starts, so nothing can overlap or be missing. Neighbours never have the same value; the scope
 * computation in prefix-table.ts rests on that.
 *
 * A prefix trie says the same, but ranges are a quarter of its size, merge in one pass, cross a thread
 * boundary for free (the arrays lie on shared memory) and cost n log n to build, whatever the nesting.
 */
import type { Prefix } from './prefix.ts';

export type Ranges = {
  /** First address of each IPv4 range, ascending; the first is 0. */
  readonly starts4: Uint32Array;
  readonly values4: Uint32Array;
  /** First address of each IPv6 range as four big-endian words; the first is all zeros. */
  readonly starts6: Uint32Array;
  readonly values6: Uint32Array;
};

/** Collects ranges in ascending order and merges neighbours of equal value. */
export type RangesBuilder = {
  /** The value holds from `start` on; a second call with the same start replaces the first. */
  add4(start: number, value: number): void;
  add6(word0: number, word1: number, word2: number, word3: number, value: number): void;
  /** The ranges so far; space before the first start has the value 0. */
  finish(): Ranges;
};

/** Largest value a range may have: look-ups return it in one small integer beside the scope. */
export const MAX_RANGE_VALUE = 2 ** 22;

/** Both address families with one value everywhere. */
export function uniformRanges(value: number): Ranges {
  const builder = buildRanges();
  builder.add4(0, value);
  builder.add6(0, 0, 0, 0, value);
  return builder.finish();
}

/** An empty builder. `expected` ranges of a family have room from the start; more are no mistake. */
export function buildRanges(expected4 = 0, expected6 = 0): RangesBuilder {
  const four = startSequence(1, expected4);
  const six = startSequence(4, expected6);
  return {
    add4: (start, value) => four.add(start, 0, 0, 0, value),
    add6: (word0, word1, word2, word3, value) => six.add(word0, word1, word2, word3, value),
    finish: () => {
      const a = four.finish();
      const b = six.finish();
      return { starts4: a.starts, values4: a.values, starts6: b.starts, values6: b.values };
    },
  };
}

/** Replaces every value; ranges that become equal merge. `f` is called once for each distinct value. */
export function mapRanges(ranges: Ranges, f: (value: number) => number): Ranges {
  const memo = new Int32Array(Math.max(largest(ranges.values4), largest(ranges.values6)) + 1).fill(
    -1,
  );
  const mapped = (value: number): number => {
    if (memo[value] === -1) memo[value] = f(value);
    return memo[value]!;
  };
  const builder = buildRanges(ranges.values4.length, ranges.values6.length);
  eachRange4(ranges, (start, value) => builder.add4(start, mapped(value)));
  const { starts6: s, values6 } = ranges;
  for (let i = 0; i < values6.length; i++) {
    builder.add6(s[4 * i]!, s[4 * i + 1]!, s[4 * i + 2]!, s[4 * i + 3]!, mapped(values6[i]!));
  }
  return builder.finish();
}

/** The values of two range lists put together by `f`, address by address. */
export function combineRanges(
  a: Ranges,
  b: Ranges,
  f: (valueOfA: number, valueOfB: number) => number,
): Ranges {
  const four = combineSequences(sequence4(a), sequence4(b), f);
  const six = combineSequences(sequence6(a), sequence6(b), f);
  return { starts4: four.starts, values4: four.values, starts6: six.starts, values6: six.values };
}

/**
 * Puts networks on top of ranges. Where networks nest, the longest prefix wins; of two equal prefixes
 * the later in the list. n log n in the number of networks, linear in the ranges.
 */
export function overlayPrefixes(
  ranges: Ranges,
  overlays: readonly { readonly prefix: Prefix; readonly value: number }[],
): Ranges {
  if (overlays.length === 0) return ranges;
  const builder = buildRanges();
  sweep(toSpans(overlays, 4), 1n << 32n, (start, value) => builder.add4(Number(start), value));
  sweep(toSpans(overlays, 6), 1n << 128n, (start, value) =>
    builder.add6(
      wordOf(start, 96n),
      wordOf(start, 64n),
      wordOf(start, 32n),
      wordOf(start, 0n),
      value,
    ),
  );
  return combineRanges(ranges, builder.finish(), (below, above) =>
    above === 0 ? below : above - 1,
  );
}

/** How many IPv4 addresses have each value; divide by 2^32 for the share. Indexed by value. */
export function addressCounts(ranges: Ranges): Float64Array {
  const { starts4, values4 } = ranges;
  const counts = new Float64Array(largest(values4) + 1);
  eachRange4(ranges, (start, value, i) => {
    counts[value]! += (i + 1 < starts4.length ? starts4[i + 1]! : 2 ** 32) - start;
  });
  return counts;
}

function largest(values: Uint32Array): number {
  let most = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, values[i]!);
  return most;
}

/** Calls `f` with every IPv4 range, ascending. */
function eachRange4(
  ranges: Ranges,
  f: (start: number, value: number, index: number) => void,
): void {
  for (let i = 0; i < ranges.starts4.length; i++) f(ranges.starts4[i]!, ranges.values4[i]!, i);
}

/** One family's ranges; a start is one word (IPv4) or four. */
type Sequence = {
  readonly words: 1 | 4;
  readonly starts: Uint32Array;
  readonly values: Uint32Array;
};

const sequence4 = (ranges: Ranges): Sequence => ({
  words: 1,
  starts: ranges.starts4,
  values: ranges.values4,
});

const sequence6 = (ranges: Ranges): Sequence => ({
  words: 4,
  starts: ranges.starts6,
  values: ranges.values6,
});

const FIRST_CAPACITY = 64;

type SequenceWriter = {
  add(word0: number, word1: number, word2: number, word3: number, value: number): void;
  finish(): Sequence;
};

function startSequence(words: 1 | 4, expected: number): SequenceWriter {
  const capacity = Math.max(FIRST_CAPACITY, expected + 1);
  let starts = new Uint32Array(capacity * words);
  let values = new Uint32Array(capacity);
  let count = 1; // Range 0 starts at address 0 with value 0 until told otherwise.
  const startsAtLast = (w0: number, w1: number, w2: number, w3: number): boolean => {
    const at = (count - 1) * words;
    if (starts[at] !== w0) return false;
    return words === 1 || (starts[at + 1] === w1 && starts[at + 2] === w2 && starts[at + 3] === w3);
  };
  const grow = (): void => {
    const moreStarts = new Uint32Array(starts.length * 2);
    const moreValues = new Uint32Array(values.length * 2);
    moreStarts.set(starts);
    moreValues.set(values);
    starts = moreStarts;
    values = moreValues;
  };
  return {
    add(w0, w1, w2, w3, value) {
      if (startsAtLast(w0, w1, w2, w3)) {
        values[count - 1] = value;
        if (count > 1 && values[count - 2] === value) count--;
        return;
      }
      if (values[count - 1] === value) return;
      if (count === values.length) grow();
      const at = count * words;
      starts[at] = w0;
      if (words === 4) {
        starts[at + 1] = w1;
        starts[at + 2] = w2;
        starts[at + 3] = w3;
      }
      values[count++] = value;
    },
    finish: () => ({
      words,
      starts: toShared(starts.subarray(0, count * words)),
      values: toShared(values.subarray(0, count)),
    }),
  };
}

/** A copy on shared memory, so that every worker reads the same bytes. */
function toShared(array: Uint32Array): Uint32Array {
  const shared = new Uint32Array(new SharedArrayBuffer(array.byteLength));
  shared.set(array);
  return shared;
}

function combineSequences(
  a: Sequence,
  b: Sequence,
  f: (valueOfA: number, valueOfB: number) => number,
): Sequence {
  const { words } = a;
  const out = startSequence(words, a.values.length + b.values.length);
  let i = 0;
  let j = 0;
  let from = a;
  let at = 0;
  for (;;) {
    const { starts } = from;
    const word = at * words;
    out.add(
      starts[word]!,
      starts[word + 1] ?? 0,
      starts[word + 2] ?? 0,
      starts[word + 3] ?? 0,
      f(a.values[i]!, b.values[j]!),
    );
    const moreA = i + 1 < a.values.length;
    const moreB = j + 1 < b.values.length;
    if (!moreA && !moreB) return out.finish();
    const order = !moreB ? -1 : !moreA ? 1 : compareStarts(a, i + 1, b, j + 1);
    if (order <= 0) i++;
    if (order >= 0) j++;
    from = order <= 0 ? a : b;
    at = order <= 0 ? i : j;
  }
}

function compareStarts(a: Sequence, i: number, b: Sequence, j: number): number {
  const { words } = a;
  for (let word = 0; word < words; word++) {
    const difference = a.starts[i * words + word]! - b.starts[j * words + word]!;
    if (difference !== 0) return difference;
  }
  return 0;
}

/** A network as numbers, `end` exclusive; big, so that one sweep serves both families. */
type Span = { readonly start: bigint; readonly end: bigint; readonly value: number };

function toSpans(
  overlays: readonly { readonly prefix: Prefix; readonly value: number }[],
  family: 4 | 6,
): Span[] {
  const spans: Span[] = [];
  for (const { prefix, value } of overlays) {
    if (prefix.address.family !== family) continue;
    let start = 0n;
    for (const byte of prefix.address.bytes) start = (start << 8n) | BigInt(byte);
    const size = 1n << BigInt(prefix.address.bytes.length * 8 - prefix.length);
    spans.push({ start, end: start + size, value });
  }
  // Outer networks before the ones inside them; the sort is stable, so equal ones keep their order.
  return spans.sort((a, b) => order(a.start, b.start) || order(b.end, a.end));
}

const order = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * Walks nested spans from left to right and reports, for each point where the innermost span changes,
 * its value plus one, or 0 where no span lies. A point reported twice counts the second time.
 */
function sweep(
  spans: readonly Span[],
  size: bigint,
  report: (start: bigint, value: number) => void,
): void {
  report(0n, 0);
  const open: Span[] = [];
  const closeUpTo = (limit: bigint | undefined): void => {
    let top = open.at(-1);
    while (top && (limit === undefined || top.end <= limit)) {
      const { end } = top;
      open.pop();
      top = open.at(-1);
      if (end < size) report(end, top ? top.value + 1 : 0);
    }
  };
  for (const span of spans) {
    closeUpTo(span.start);
    report(span.start, span.value + 1);
    open.push(span);
  }
  closeUpTo(undefined);
}

const wordOf = (value: bigint, shift: bigint): number => Number((value >> shift) & 0xffffffffn);
