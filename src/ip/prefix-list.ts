/**
 * Many networks, one inside another or beside it, as ranges: a million of them are columns of numbers, sorted
 * once and swept from left to right, where the innermost network has its say.
 */
import type { Prefix } from './prefix.ts';
import { buildRanges, type Ranges, type RangesBuilder } from './ranges.ts';

export type PrefixList = {
  /** Appends a network. @param value above 0 */
  add(prefix: Prefix, value: number): void;
  /**
   * Ranges of all that were added; space in none has the value 0.
   * @param leaveOut asked of networks that are there before, by their place among all: true = the first one holds,
   *   false = nothing is made of any
   */
  finish(
    leaveOut: (repeated: number) => boolean,
  ): { readonly ranges: Ranges; readonly leftOut: number } | { readonly twice: number };
};

type Column = {
  readonly bits: 32 | 128;
  readonly words: 1 | 4;
  /** First address, in words. */
  starts: Uint32Array;
  lengths: Uint8Array;
  values: Uint32Array;
  /** Among all that were added. */
  places: Uint32Array;
  count: number;
};

const FIRST_CAPACITY = 1024;

export function createPrefixList(): PrefixList {
  const four = createColumn(32, 1);
  const six = createColumn(128, 4);
  let added = 0;
  return {
    add({ address, length }, value) {
      addTo(address.family === 4 ? four : six, address.bytes, length, value, added);
      added += 1;
    },
    finish(leaveOut) {
      const builder = buildRanges();
      let kept = 0;
      for (const column of [four, six]) {
        const order = orderOf(column);
        const found = withoutRepeated(column, order, leaveOut);
        if (typeof found === 'number') return { twice: found };
        kept += found.length;
        sweep(column, found, writerOf(column, builder));
      }
      return { ranges: builder.finish(), leftOut: added - kept };
    },
  };
}

function createColumn(bits: 32 | 128, words: 1 | 4): Column {
  return {
    ...{ bits, words, count: 0 },
    starts: new Uint32Array(FIRST_CAPACITY * words),
    lengths: new Uint8Array(FIRST_CAPACITY),
    values: new Uint32Array(FIRST_CAPACITY),
    places: new Uint32Array(FIRST_CAPACITY),
  };
}

function addTo(
  column: Column,
  bytes: Uint8Array,
  length: number,
  value: number,
  place: number,
): void {
  if (column.count === column.values.length) {
    column.starts = doubled(column.starts);
    column.lengths = doubled(column.lengths);
    column.values = doubled(column.values);
    column.places = doubled(column.places);
  }
  const { count, words } = column;
  for (let word = 0; word < words; word += 1) {
    const at = word * 4;
    column.starts[count * words + word] =
      (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  }
  column.lengths[count] = length;
  column.values[count] = value;
  column.places[count] = place;
  column.count = count + 1;
}

function doubled<Kind extends Uint8Array | Uint32Array>(column: Kind): Kind {
  const Same = column.constructor as new (length: number) => Kind; // Its own kind.
  const larger = new Same(column.length * 2);
  larger.set(column);
  return larger;
}

/** By first address, outer networks before those inside. */
function orderOf(column: Column): Uint32Array {
  const order = Uint32Array.from({ length: column.count }, (_, index) => index);
  return order.sort((a, b) => compare(column, a, b));
}

function compare({ lengths, starts, words }: Column, a: number, b: number): number {
  for (let word = 0; word < words; word += 1) {
    const difference = starts[a * words + word]! - starts[b * words + word]!;
    if (difference !== 0) return difference;
  }
  return lengths[a]! - lengths[b]!;
}

/** The order without networks that are there before; or the place of one that may not be left out. */
function withoutRepeated(
  column: Column,
  order: Uint32Array,
  leaveOut: (repeated: number) => boolean,
): Uint32Array | number {
  let kept = 0;
  for (const index of order) {
    const place = column.places[index]!;
    if (kept === 0 || compare(column, order[kept - 1]!, index) !== 0) {
      order[kept] = index;
      kept += 1;
    } else if (!leaveOut(place)) return place;
  }
  return order.subarray(0, kept);
}

type Report = (start: Uint32Array, value: number) => void;

function writerOf({ words }: Column, { add4, add6 }: RangesBuilder): Report {
  if (words === 1) return (start, value) => add4(start[0]!, value);
  return (start, value) => add6(start[0]!, start[1]!, start[2]!, start[3]!, value);
}

/** Reports each point from which on another network is the innermost; a point may be reported twice. */
function sweep(column: Column, order: Uint32Array, report: Report): void {
  const { starts, values, words } = column;
  const open: number[] = [];
  const start = new Uint32Array(words);
  /** Where the innermost open network ends; false = at the end of the space. */
  const closeInnermost = (): void => {
    const index = open.pop()!;
    if (endOf(column, index, start)) report(start, open.length === 0 ? 0 : values[open.at(-1)!]!);
  };
  for (const index of order) {
    while (open.length > 0 && !contains(column, open.at(-1)!, index)) closeInnermost();
    for (let word = 0; word < words; word += 1) start[word] = starts[index * words + word]!;
    report(start, values[index]!);
    open.push(index);
  }
  while (open.length > 0) closeInnermost();
}

/** Whether network `outer` holds network `inner`, which starts no earlier. */
function contains({ lengths, starts, words }: Column, outer: number, inner: number): boolean {
  const length = lengths[outer]!;
  for (let word = 0; word < words && word * 32 < length; word += 1) {
    const different = starts[outer * words + word]! ^ starts[inner * words + word]!;
    const bits = Math.min(32, length - word * 32);
    if (different >>> (32 - bits) !== 0 && bits > 0) return false;
  }
  return true;
}

/** Writes the first address behind the network; false when there is none. */
function endOf({ lengths, starts, words }: Column, index: number, into: Uint32Array): boolean {
  for (let word = 0; word < words; word += 1) into[word] = starts[index * words + word]!;
  const length = lengths[index]!;
  if (length === 0) return false;
  let word = (length - 1) >> 5;
  let step = 2 ** (31 - ((length - 1) & 31));
  for (; word >= 0; word -= 1) {
    const sum = into[word]! + step;
    into[word] = sum % 2 ** 32;
    if (sum < 2 ** 32) return true;
    step = 1;
  }
  return false;
}
