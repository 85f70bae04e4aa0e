/** Writes geo packs (pack.ts). Brotli at its best takes a minute: for `meridian geo pack`, not for a node. */
import { brotliCompressSync, constants, crc32 } from 'node:zlib';
import { mapRanges, type Ranges } from '../ip/ranges.ts';
import type { GeoDatabase } from './database.ts';
import { ODD_LENGTHS, PACK_MAGIC, type PackHead, type PackPlace, WORD_OCTETS } from './pack.ts';

/** Factors of lengths are below this, so that a reader's numbers stay exact; longer ranges are told in two. */
const FACTOR_LIMIT = 2 ** 32;

export type PackOptions = {
  /** 0 to 11; tests take less than the best. */
  readonly quality?: number;
  readonly progress?: (what: string) => void;
};

/** The database as a pack. IPv6 networks longer than /64 are told as the first of their /64. */
export function writePack(
  geo: GeoDatabase,
  { progress = () => {}, quality = constants.BROTLI_MAX_QUALITY }: PackOptions = {},
): Uint8Array {
  const { places, ranges } = rankPlaces(geo);
  const four = columnsOf(lengths4(ranges));
  const six = columnsOf(lengths6(ranges));
  const head: PackHead = {
    description: geo.description,
    builtAtMs: geo.builtAtMs,
    attribution: geo.attribution,
    ranges4: four.count,
    ranges6: six.count,
  };
  const parts: Buffer[] = [];
  const add = (section: Buffer): void => {
    parts.push(word(section.length), section);
  };
  add(Buffer.from(JSON.stringify(head)));
  const columns = [Buffer.from(JSON.stringify(places)), ...four.columns, ...six.columns];
  for (const [index, column] of columns.entries()) {
    progress(`packing section ${index + 1} of ${columns.length}`);
    add(pack(column, quality));
  }
  const file = Buffer.concat([Buffer.from(PACK_MAGIC, 'latin1'), ...parts]);
  return Buffer.concat([file, word(crc32(file))]);
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(WORD_OCTETS);
  bytes.writeUInt32LE(value);
  return bytes;
}

function pack(column: Buffer, quality: number): Buffer {
  return brotliCompressSync(column, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: quality,
      [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
      [constants.BROTLI_PARAM_SIZE_HINT]: column.length,
    },
  });
}

/** The most frequent places first: their numbers are short. The unknown place stays number 0. */
function rankPlaces({ locations, ranges }: GeoDatabase): {
  readonly places: readonly PackPlace[];
  readonly ranges: Ranges;
} {
  const uses = new Float64Array(locations.length);
  for (const values of [ranges.values4, ranges.values6]) {
    for (const value of values) uses[value]! += 1;
  }
  const order = [...locations.keys()]
    .slice(1)
    .filter((index) => uses[index]! > 0 && locations[index]!.country !== undefined)
    .sort((a, b) => uses[b]! - uses[a]!);
  const ranks = new Map(order.map((index, rank) => [index, rank + 1]));
  const places = order.map((index): PackPlace => {
    const { country, latitude, longitude, subdivision } = locations[index]!;
    return [country!, subdivision ?? '', latitude ?? null, longitude ?? null];
  });
  return { places, ranges: mapRanges(ranges, (value) => ranks.get(value) ?? 0) };
}

type Lengths = Iterable<readonly [length: bigint, place: number]>;

function* lengths4({ starts4, values4 }: Ranges): Lengths {
  for (const [index, value] of values4.entries()) {
    const end = starts4[index + 1] ?? 2 ** 32;
    yield [BigInt(end - starts4[index]!), value];
  }
}

/** In networks of /64: one that has several ranges belongs to the first. */
function* lengths6({ starts6, values6 }: Ranges): Lengths {
  const startOf = (index: number): bigint => {
    if (index === values6.length) return 1n << 64n;
    const [first, second, third, fourth] = starts6.subarray(4 * index, 4 * index + 4);
    const start = (BigInt(first!) << 32n) | BigInt(second!);
    return third === 0 && fourth === 0 ? start : start + 1n;
  };
  for (const [index, value] of values6.entries()) {
    const length = startOf(index + 1) - startOf(index);
    if (length > 0n) yield [length, value];
  }
}

function columnsOf(lengths: Lengths): {
  readonly count: number;
  readonly columns: readonly Buffer[];
} {
  const codes = createColumn();
  const factors = createColumn();
  const places = createColumn();
  let count = 0;
  for (const [length, place] of lengths) {
    for (const part of inTwo(length)) {
      let power = 0;
      let factor = part;
      while ((factor & 1n) === 0n) {
        factor >>= 1n;
        power += 1;
      }
      codes.add(factor === 1n ? power : ODD_LENGTHS + power);
      if (factor > 1n) factors.addVarint(Number((factor - 3n) / 2n));
      places.addVarint(place);
      count += 1;
    }
  }
  return { count, columns: [codes.bytes(), factors.bytes(), places.bytes()] };
}

/** Parts of a length whose odd factors are below FACTOR_LIMIT. */
function inTwo(length: bigint): readonly bigint[] {
  const low = length % BigInt(FACTOR_LIMIT);
  return low === 0n || low === length ? [length] : [length - low, low];
}

function createColumn() {
  let bytes = Buffer.alloc(1024);
  let used = 0;
  const add = (octet: number): void => {
    if (used === bytes.length) bytes = Buffer.concat([bytes], bytes.length * 2);
    bytes[used++] = octet;
  };
  return {
    add,
    addVarint(value: number): void {
      let rest = value;
      while (rest >= 128) {
        add((rest % 128) + 128);
        rest = Math.floor(rest / 128);
      }
      add(rest);
    },
    bytes: () => bytes.subarray(0, used),
  };
}
