/**
 * The RRsets of a zone in one run of octets: what a zone file says, once it was read. A million of them are
 * a million short runs in memory that threads share, not a million objects in each thread.
 *
 *   owner in lower case, type (2 octets), TTL (4), number of records (2), records
 *   record: length of the rdata (2), rdata without compression
 *
 * Each owner and type is there once, and the records of an RRset are different from each other.
 */
import { nameLength } from '../dns/name.ts';

export type PackedRrsets = {
  /** Many zones may lie in it: this one from octet `from` up to `to`. */
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly to: number;
  /** RRsets. */
  readonly count: number;
  readonly ttlMax: number;
};

/** Where the parts of the RRset lie that a cursor stands at. */
export type PackedCursor = {
  owner: number;
  ownerLength: number;
  type: number;
  ttlSeconds: number;
  /** Records, and where the first begins. */
  count: number;
  records: number;
  /** Behind the last record: where the next RRset begins. */
  end: number;
};

/** Type, TTL and number of records, behind the owner. */
export const PACKED_HEAD_LENGTH = 8;
/** Before the rdata of a record. */
export const PACKED_RECORD_HEADER_LENGTH = 2;

export function createPackedCursor(): PackedCursor {
  return { owner: 0, ownerLength: 0, type: 0, ttlSeconds: 0, count: 0, records: 0, end: 0 };
}

/** Moves the cursor to the RRset that begins at `at`; nothing is allocated. */
export function readPacked(bytes: Uint8Array, at: number, cursor: PackedCursor): void {
  const length = nameLength(bytes, at, bytes.length);
  const fixed = at + length;
  cursor.owner = at;
  cursor.ownerLength = length;
  cursor.type = readUint16(bytes, fixed);
  cursor.ttlSeconds = readUint16(bytes, fixed + 2) * 0x10000 + readUint16(bytes, fixed + 4);
  cursor.count = readUint16(bytes, fixed + 6);
  cursor.records = fixed + PACKED_HEAD_LENGTH;
  let end = cursor.records;
  for (let left = cursor.count; left > 0; left -= 1) end = packedRecordEnd(bytes, end);
  cursor.end = end;
}

/** Where the record that begins at `at` ends. */
export function packedRecordEnd(bytes: Uint8Array, at: number): number {
  return at + PACKED_RECORD_HEADER_LENGTH + readUint16(bytes, at);
}

export function readUint16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

/** Writes what stands before the records of an RRset; returns where the first record goes. */
export function writePackedHead(
  bytes: Uint8Array,
  at: number,
  type: number,
  ttlSeconds: number,
  count: number,
): number {
  bytes[at] = type >> 8;
  bytes[at + 1] = type;
  bytes[at + 2] = ttlSeconds >>> 24;
  bytes[at + 3] = ttlSeconds >>> 16;
  bytes[at + 4] = ttlSeconds >>> 8;
  bytes[at + 5] = ttlSeconds;
  bytes[at + 6] = count >> 8;
  bytes[at + 7] = count;
  return at + PACKED_HEAD_LENGTH;
}

/** An RRset as objects, for code that is in no hurry; its octets are views. */
export type UnpackedRrset = {
  readonly owner: Uint8Array;
  readonly type: number;
  readonly ttlSeconds: number;
  readonly rdata: readonly Uint8Array[];
  /** Octets of all of it. */
  readonly length: number;
};

/** The RRsets in the order of the file. */
export function* unpackRrsets({ bytes, from, to }: PackedRrsets): Generator<UnpackedRrset> {
  const cursor = createPackedCursor();
  for (let at = from; at < to; at = cursor.end) {
    readPacked(bytes, at, cursor);
    const rdata: Uint8Array[] = [];
    for (let record = cursor.records; record < cursor.end; ) {
      const end = packedRecordEnd(bytes, record);
      rdata.push(bytes.subarray(record + PACKED_RECORD_HEADER_LENGTH, end));
      record = end;
    }
    const { ownerLength, ttlSeconds, type } = cursor;
    const owner = bytes.subarray(at, at + ownerLength);
    yield { owner, type, ttlSeconds, rdata, length: cursor.end - at };
  }
}
