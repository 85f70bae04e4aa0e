/**
 * Writes MaxMind DB files (format 2.0), for tests of other schemas and for benchmarks against servers that
 * read MaxMind's own schema only. Plain: no pointers inside records, equal records are stored once.
 */

import type { GeoDatabase } from '../../src/geo/database.ts';
import type { Location } from '../../src/geo/location.ts';
import { addressFromUint32, addressFromWords } from '../../src/ip/address.ts';
import type { Prefix } from '../../src/ip/prefix.ts';

/** Numbers are written as doubles, bigints as 32-bit unsigned integers. */
export type MmdbValue =
  | string
  | number
  | bigint
  | boolean
  | readonly MmdbValue[]
  | { readonly [key: string]: MmdbValue };

export type MmdbEntry = { readonly prefix: Prefix; readonly record: MmdbValue };

export type MmdbMeta = {
  readonly databaseType: string;
  readonly recordSize?: 24 | 28 | 32;
  /** 4 refuses IPv6 entries; 6 puts IPv4 into ::/96. */
  readonly ipVersion?: 4 | 6;
  readonly buildEpochSeconds?: number;
  readonly description?: string;
  /** Points 6to4, Teredo and mapped space to the IPv4 subtree, as MaxMind's own files do. */
  readonly aliases?: boolean;
};

/** The bytes of a database in which the longest prefix that holds an address decides. */
export function writeMmdb(entries: readonly MmdbEntry[], meta: MmdbMeta): Uint8Array {
  const { recordSize = 24, ipVersion = 6 } = meta;
  const data = createSink();
  const offsetOf = createStore(data);
  const tree = createTree();
  // Shorter prefixes first: a longer one then only ever splits a leaf.
  const sorted = [...entries].sort((a, b) => a.prefix.length - b.prefix.length);
  const ofFour = sorted.filter(({ prefix }) => prefix.address.family === 4);
  const ofSix = sorted.filter(({ prefix }) => prefix.address.family === 6);
  if (ipVersion === 4 && ofSix.length > 0) throw new Error('an IPv4 file holds no IPv6 networks');
  // IPv6 first, or its short prefixes would overwrite the IPv4 subtree.
  for (const { prefix, record } of [...ofSix, ...ofFour]) {
    const shift = ipVersion === 6 && prefix.address.family === 4 ? 96 : 0;
    tree.insert(prefix.address.bytes, prefix.length, shift, offsetOf(record));
  }
  if (meta.aliases) tree.alias();
  const nodes = encodeNodes(tree, recordSize);
  return Buffer.concat([
    nodes,
    new Uint8Array(16),
    data.bytes(),
    Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1'),
    encodeMetadata(tree.count(), meta),
  ]);
}

/** A location in MaxMind's City schema, of which the Country schema is a part. */
export function nestedRecord(location: Location): MmdbValue {
  const { continent, country, subdivision, city, latitude, longitude } = location;
  return {
    ...(city && { city: { names: { en: city } } }),
    ...(continent && { continent: { code: continent, names: { en: continent } } }),
    ...(country && { country: { iso_code: country, names: { en: country } } }),
    ...(latitude !== undefined && longitude !== undefined && { location: { latitude, longitude } }),
    ...(subdivision && { subdivisions: [{ iso_code: subdivision, names: { en: subdivision } }] }),
  };
}

/** A flattened database as networks with records in MaxMind's schema. */
export function entriesOfGeo(geo: GeoDatabase): MmdbEntry[] {
  const records = geo.locations.map(nestedRecord);
  const entries: MmdbEntry[] = [];
  const { starts4, values4, starts6, values6 } = geo.ranges;
  const start4 = (i: number): bigint => (i < values4.length ? BigInt(starts4[i]!) : 1n << 32n);
  const start6 = (i: number): bigint => {
    if (i >= values6.length) return 1n << 128n;
    const words = starts6.subarray(4 * i, 4 * i + 4);
    return words.reduce((sum, word) => (sum << 32n) | BigInt(word), 0n);
  };
  for (const [i, value] of values4.entries()) {
    if (value === 0) continue;
    split(start4(i), start4(i + 1), 32, (first, length) => {
      const address = addressFromUint32(Number(first));
      entries.push({ prefix: { address, length }, record: records[value]! });
    });
  }
  for (const [i, value] of values6.entries()) {
    if (value === 0) continue;
    split(start6(i), start6(i + 1), 128, (first, length) => {
      const words = [96n, 64n, 32n, 0n].map((shift) => Number((first >> shift) & 0xffffffffn));
      const address = addressFromWords(Uint32Array.from(words));
      entries.push({ prefix: { address, length }, record: records[value]! });
    });
  }
  return entries;
}

/** The fewest networks that make up the addresses from `start` up to, not including, `end`. */
function split(
  start: bigint,
  end: bigint,
  bits: number,
  report: (first: bigint, length: number) => void,
): void {
  let length = bits;
  let size = 1n;
  while (start < end) {
    // Grow while aligned and inside, then shrink until inside; both end after `bits` steps at most.
    while (length > 0 && (start & size) === 0n && start + (size << 1n) <= end) {
      size <<= 1n;
      length--;
    }
    while (start + size > end) {
      size >>= 1n;
      length++;
    }
    report(start, length);
    start += size;
  }
}

type Tree = {
  insert(bytes: Uint8Array, length: number, shift: number, dataOffset: number): void;
  alias(): void;
  count(): number;
  /** A child is a node number, EMPTY, or a leaf: -2 minus the data offset. */
  child(node: number, side: number): number;
};

const EMPTY = -1;

function createTree(): Tree {
  let children = new Int32Array(2 * 1024).fill(EMPTY);
  let nodes = 1;
  const addNode = (fill: number): number => {
    if (2 * nodes === children.length) {
      const more = new Int32Array(children.length * 2).fill(EMPTY);
      more.set(children);
      children = more;
    }
    children[2 * nodes] = fill;
    children[2 * nodes + 1] = fill;
    return nodes++;
  };
  const set = (bitAt: (depth: number) => number, length: number, value: number): void => {
    let node = 0;
    for (let depth = 0; depth < length - 1; depth++) {
      const slot = 2 * node + bitAt(depth);
      if (children[slot]! < 0) {
        const next = addNode(children[slot]!);
        children[slot] = next;
      }
      node = children[slot]!;
    }
    children[2 * node + bitAt(length - 1)] = value;
  };
  const ofBytes = (bytes: Uint8Array, shift: number) => (depth: number) =>
    depth < shift ? 0 : (bytes[(depth - shift) >> 3]! >> (7 - ((depth - shift) & 7))) & 1;
  const ofWords = (word0: number, word2: number) => (depth: number) =>
    depth < 32 ? (word0 >>> (31 - depth)) & 1 : depth < 64 ? 0 : (word2 >>> (95 - depth)) & 1;
  return {
    insert(bytes, length, shift, dataOffset) {
      const value = -2 - dataOffset;
      if (length + shift === 0) children.fill(value, 0, 2);
      else set(ofBytes(bytes, shift), length + shift, value);
    },
    alias() {
      let root = 0;
      for (let depth = 0; depth < 96 && root >= 0; depth++) root = children[2 * root]!;
      set(ofWords(0x20020000, 0), 16, root);
      set(ofWords(0x20010000, 0), 32, root);
      set(ofWords(0, 0xffff), 96, root);
    },
    count: () => nodes,
    child: (node, side) => children[2 * node + side]!,
  };
}

function encodeNodes(tree: Tree, recordSize: 24 | 28 | 32): Uint8Array {
  const count = tree.count();
  const bytes = Buffer.alloc((count * recordSize) / 4);
  const record = (node: number, side: number): number => {
    const child = tree.child(node, side);
    const value = child >= 0 ? child : child === EMPTY ? count : count + 16 + (-2 - child);
    if (value >= 2 ** recordSize) throw new RangeError(`${recordSize} bits are too few`);
    return value;
  };
  for (let node = 0; node < count; node++) {
    const [left, right] = [record(node, 0), record(node, 1)];
    const at = (node * recordSize) / 4;
    if (recordSize === 32) {
      bytes.writeUInt32BE(left, at);
      bytes.writeUInt32BE(right, at + 4);
      continue;
    }
    bytes.writeUIntBE(left & 0xffffff, at, 3);
    bytes.writeUIntBE(right & 0xffffff, at + (recordSize === 28 ? 4 : 3), 3);
    if (recordSize === 28) bytes[at + 3] = ((left >>> 24) << 4) | (right >>> 24);
  }
  return bytes;
}

type Sink = {
  push(...bytes: number[]): void;
  append(bytes: Uint8Array): void;
  size(): number;
  bytes(): Uint8Array;
};

function createSink(): Sink {
  const parts: Uint8Array[] = [];
  let size = 0;
  const append = (bytes: Uint8Array): void => {
    parts.push(bytes);
    size += bytes.length;
  };
  return {
    push: (...bytes) => append(Uint8Array.from(bytes)),
    append,
    size: () => size,
    bytes: () => Buffer.concat(parts),
  };
}

/** Writes a record and gives its offset; equal records, and first of all the same ones, share it. */
function createStore(data: Sink): (record: MmdbValue) => number {
  const seen = new Map<MmdbValue, number>();
  const offsets = new Map<string, number>();
  return (record) => {
    const known = seen.get(record);
    if (known !== undefined) return known;
    const key = JSON.stringify(record, (_, value) =>
      typeof value === 'bigint' ? `uint32 ${value}` : value,
    );
    const offset = offsets.get(key) ?? data.size();
    if (offset === data.size()) encodeValue(data, record);
    offsets.set(key, offset);
    seen.set(record, offset);
    return offset;
  };
}

const STRING = 2;
const DOUBLE = 3;
const UINT16 = 5;
const UINT32 = 6;
const MAP = 7;
const UINT64 = 9;
const ARRAY = 11;
const BOOLEAN = 14;

function encodeValue(out: Sink, value: MmdbValue): void {
  if (typeof value === 'string') {
    const bytes = Buffer.from(value, 'utf8');
    control(out, STRING, bytes.length);
    out.append(bytes);
  } else if (typeof value === 'number') {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleBE(value);
    control(out, DOUBLE, 8);
    out.append(bytes);
  } else if (typeof value === 'bigint') {
    unsigned(out, UINT32, Number(value));
  } else if (typeof value === 'boolean') {
    control(out, BOOLEAN, value ? 1 : 0);
  } else if (Array.isArray(value)) {
    control(out, ARRAY, value.length);
    for (const item of value) encodeValue(out, item);
  } else {
    const members = Object.entries(value);
    control(out, MAP, members.length);
    for (const [key, member] of members) {
      encodeValue(out, key);
      encodeValue(out, member);
    }
  }
}

/** The control byte: type in three bits (or a second byte), size in five (or up to two more bytes). */
function control(out: Sink, type: number, size: number): void {
  const short = size < 29 ? size : size < 285 ? 29 : 30;
  out.push(((type < 8 ? type : 0) << 5) | short);
  if (type >= 8) out.push(type - 7);
  if (short === 29) out.push(size - 29);
  if (short === 30) out.push((size - 285) >> 8, (size - 285) & 255);
}

function unsigned(out: Sink, type: number, value: number): void {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  const first = bytes.findIndex((byte) => byte !== 0);
  const digits = first < 0 ? bytes.subarray(8) : bytes.subarray(first);
  control(out, type, digits.length);
  out.append(digits);
}

function encodeMetadata(nodeCount: number, meta: MmdbMeta): Uint8Array {
  const out = createSink();
  const { databaseType, description = databaseType, buildEpochSeconds = 1_700_000_000 } = meta;
  control(out, MAP, 9);
  const number = (key: string, type: number, value: number): void => {
    encodeValue(out, key);
    unsigned(out, type, value);
  };
  number('binary_format_major_version', UINT16, 2);
  number('binary_format_minor_version', UINT16, 0);
  number('build_epoch', UINT64, buildEpochSeconds);
  number('ip_version', UINT16, meta.ipVersion ?? 6);
  number('node_count', UINT32, nodeCount);
  number('record_size', UINT16, meta.recordSize ?? 24);
  for (const [key, value] of Object.entries({
    database_type: databaseType,
    description: { en: description },
    languages: ['en'],
  })) {
    encodeValue(out, key);
    encodeValue(out, value);
  }
  return out.bytes();
}
