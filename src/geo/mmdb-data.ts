/**
 * The data section of a MaxMind DB file (format 2.0): a record by its offset. The `maxmind` package decodes
 * by address only, and a city database has half a million records, so finding each by the text of an address
 * that it is for costs more than what it says. What no location is made of (bytes, integers of 64 bits and
 * more) is undefined here.
 */

export type MmdbValue =
  | string
  | number
  | boolean
  | undefined
  | readonly MmdbValue[]
  | { readonly [key: string]: MmdbValue };

/** Decodes the value at an offset from the start of the file. Throws on what is malformed. */
export type DecodeRecord = (offset: number) => MmdbValue;

/** Deeper than any schema; a corrupt file may nest without end. */
const DEPTH_MAX = 16;
/** Members and elements of one record; pointers let a small corrupt file claim any number. */
const VALUES_MAX = 10_000;

const TYPE_EXTENDED = 0;
const TYPE_POINTER = 1;
const TYPE_STRING = 2;
const TYPE_DOUBLE = 3;
const TYPE_UINT16 = 5;
const TYPE_UINT32 = 6;
const TYPE_MAP = 7;
const TYPE_INT32 = 8;
const TYPE_ARRAY = 11;
const TYPE_BOOLEAN = 14;
const TYPE_FLOAT = 15;
const LAST_TYPE = TYPE_FLOAT;
/** From its number of bits of size on, a size goes on in so many more octets. */
const SIZE_MORE = 29;
const SIZE_STARTS = [29, 285, 65_821] as const;
const POINTER_STARTS = [0, 2048, 526_336, 0] as const;
const FIRST_EXTENDED = 7;

type Cursor = {
  readonly bytes: Buffer;
  readonly view: DataView;
  readonly base: number;
  /** By offset. Names of members and countries are stored once and pointed to. */
  readonly pointedTexts: Map<number, string>;
  at: number;
  /** Values that the record may still have. */
  left: number;
};

/** @param base where the data section starts: what pointers count from */
export function createRecordDecoder(file: Uint8Array, base: number): DecodeRecord {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const cursor: Cursor = { bytes, view, base, pointedTexts: new Map(), at: 0, left: 0 };
  return (offset) => {
    cursor.at = offset;
    cursor.left = VALUES_MAX;
    return read(cursor, 0);
  };
}

function read(cursor: Cursor, depth: number): MmdbValue {
  cursor.left -= 1;
  if (cursor.left < 0 || depth > DEPTH_MAX) throw new RangeError('a record has no end');
  const control = readUint(cursor, 1);
  let type = control >> 5;
  if (type === TYPE_POINTER) return follow(cursor, readPointer(cursor, control), depth);
  if (type === TYPE_EXTENDED) type = FIRST_EXTENDED + readUint(cursor, 1);
  if (type <= TYPE_EXTENDED || type > LAST_TYPE) throw new RangeError(`no type is ${type}`);
  const size = readSize(cursor, control);
  switch (type) {
    case TYPE_MAP:
      return readMap(cursor, size, depth);
    case TYPE_ARRAY:
      return readArray(cursor, size, depth);
    case TYPE_BOOLEAN:
      return size !== 0;
    default:
      return readScalar(cursor, type, size);
  }
}

function readMap(cursor: Cursor, size: number, depth: number): MmdbValue {
  const map: Record<string, MmdbValue> = {};
  for (let count = 0; count < size; count += 1) {
    const key = read(cursor, depth + 1);
    if (typeof key !== 'string') throw new RangeError('the name of a member is no text');
    const value = read(cursor, depth + 1);
    if (key !== '__proto__') map[key] = value;
  }
  return map;
}

function readArray(cursor: Cursor, size: number, depth: number): MmdbValue {
  const array: MmdbValue[] = [];
  for (let count = 0; count < size; count += 1) array.push(read(cursor, depth + 1));
  return array;
}

function readScalar(cursor: Cursor, type: number, size: number): MmdbValue {
  const { bytes, view } = cursor;
  const from = skip(cursor, size);
  switch (type) {
    case TYPE_STRING:
      return textAt(bytes, from, from + size);
    case TYPE_DOUBLE:
      return size === 8 ? view.getFloat64(from) : undefined;
    case TYPE_FLOAT:
      return size === 4 ? view.getFloat32(from) : undefined;
    case TYPE_UINT16:
    case TYPE_UINT32:
      return uintAt(bytes, from, size);
    case TYPE_INT32:
      return uintAt(bytes, from, size) | 0;
    default:
      return undefined;
  }
}

function follow(cursor: Cursor, target: number, depth: number): MmdbValue {
  const known = cursor.pointedTexts.get(target);
  if (known !== undefined) return known;
  const back = cursor.at;
  cursor.at = target;
  const value = read(cursor, depth + 1);
  cursor.at = back;
  if (typeof value === 'string') cursor.pointedTexts.set(target, value);
  return value;
}

function readPointer(cursor: Cursor, control: number): number {
  const length = (control >> 3) & 3;
  const high = length === 3 ? 0 : (control & 7) * 256 ** (length + 1);
  return cursor.base + high + readUint(cursor, length + 1) + POINTER_STARTS[length]!;
}

function readSize(cursor: Cursor, control: number): number {
  const size = control & 31;
  if (size < SIZE_MORE) return size;
  return SIZE_STARTS[size - SIZE_MORE]! + readUint(cursor, size - SIZE_MORE + 1);
}

function readUint(cursor: Cursor, octets: number): number {
  return uintAt(cursor.bytes, skip(cursor, octets), octets);
}

/** Moves on; returns where it was. */
function skip(cursor: Cursor, octets: number): number {
  const from = cursor.at;
  cursor.at += octets;
  if (cursor.at > cursor.bytes.length) throw new RangeError('a record ends outside of the file');
  return from;
}

function uintAt(bytes: Buffer, from: number, octets: number): number {
  let value = 0;
  for (let at = from; at < from + octets; at += 1) value = value * 256 + bytes[at]!;
  return value;
}

const SHORT_TEXT = 24;

/** UTF-8. Short texts of ASCII, which most are, need no call into the engine. */
function textAt(bytes: Buffer, from: number, to: number): string {
  if (to - from > SHORT_TEXT) return bytes.toString('utf8', from, to);
  let text = '';
  for (let at = from; at < to; at += 1) {
    const octet = bytes[at]!;
    if (octet > 0x7f) return bytes.toString('utf8', from, to);
    text += String.fromCharCode(octet);
  }
  return text;
}
