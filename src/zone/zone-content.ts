/**
 * All records of a zone as they are copied to other servers: one after the other in canonical order, in wire
 * form without compression, in memory that threads share. The look-up table (compiled-zones.ts) is no
 * source for that: it leaves out what nobody is answered with, as what a zone of ours below hides.
 *
 *   owner, type, class, TTL, rdata length, rdata   as in messages (RFC 1035 4.1.3)
 */
import { CLASS_IN } from '../dns/constants.ts';
import { compareNames, equalNames, nameLength } from '../dns/name.ts';

export type ContentRecord = {
  readonly owner: Uint8Array;
  readonly type: number;
  readonly ttlSeconds: number;
  readonly rdata: Uint8Array;
};

/** The records without the SOA, which says which content this is. */
export type ZoneContent = {
  readonly apex: Uint8Array;
  readonly soa: ContentRecord;
  readonly serial: number;
  readonly records: Uint8Array;
  readonly count: number;
  /** Something else was served under the same serial: whoever has the serial may have either. */
  readonly isUnsure?: boolean;
};

/** Type, class, TTL and rdata length. */
const FIXED_LENGTH = 10;

/** Lays the records out, each once (RFC 2181 5) with its least TTL; the SOA apart. */
export function packContent(
  apex: Uint8Array,
  soa: ContentRecord,
  records: readonly ContentRecord[],
): ZoneContent {
  const sorted = records.toSorted(compareRecords);
  const ordered = sorted.filter((each, index) => index === 0 || !isSame(sorted[index - 1]!, each));
  const length = ordered.reduce((sum, record) => sum + sizeOf(record), 0);
  const packed = new Uint8Array(new SharedArrayBuffer(length));
  const view = new DataView(packed.buffer);
  let at = 0;
  for (const { owner, rdata, ttlSeconds, type } of ordered) {
    packed.set(owner, at);
    at += owner.length;
    view.setUint16(at, type);
    view.setUint16(at + 2, CLASS_IN);
    view.setUint32(at + 4, ttlSeconds);
    view.setUint16(at + 8, rdata.length);
    packed.set(rdata, at + FIXED_LENGTH);
    at += FIXED_LENGTH + rdata.length;
  }
  return { apex, soa, serial: serialOf(soa), records: packed, count: ordered.length };
}

const isSame = (a: ContentRecord, b: ContentRecord): boolean =>
  a.type === b.type && Buffer.compare(a.rdata, b.rdata) === 0 && equalNames(a.owner, b.owner);

const sizeOf = ({ owner, rdata }: ContentRecord): number =>
  owner.length + FIXED_LENGTH + rdata.length;

/** By owner, type, rdata; TTLs last, so that a changed TTL is a record taken away and one put there. */
export function compareRecords(a: ContentRecord, b: ContentRecord): number {
  return (
    compareNames(a.owner, b.owner) ||
    a.type - b.type ||
    Buffer.compare(a.rdata, b.rdata) ||
    a.ttlSeconds - b.ttlSeconds ||
    Buffer.compare(a.owner, b.owner)
  );
}

/** RFC 1035 3.3.13: behind both names. */
export function serialOf({ rdata }: ContentRecord): number {
  return new DataView(rdata.buffer, rdata.byteOffset + rdata.length - 20, 4).getUint32(0);
}

/** Reads the record at `at`; its bytes are views. */
export function recordAt(
  records: Uint8Array,
  at: number,
): ContentRecord & { readonly next: number } {
  const start = at + nameLength(records, at, records.length);
  const view = new DataView(records.buffer, records.byteOffset + start, FIXED_LENGTH);
  const end = start + FIXED_LENGTH + view.getUint16(8);
  return {
    owner: records.subarray(at, start),
    type: view.getUint16(0),
    ttlSeconds: view.getUint32(4),
    rdata: records.subarray(start + FIXED_LENGTH, end),
    next: end,
  };
}

/** The records in order. */
export function* recordsOf({ records }: Pick<ZoneContent, 'records'>): Generator<ContentRecord> {
  for (let at = 0; at < records.length; ) {
    const record = recordAt(records, at);
    yield record;
    at = record.next;
  }
}

/** What a secondary takes away and puts there to come from one content to the other (RFC 1995 4). */
export type ContentChange = {
  readonly removed: readonly ContentRecord[];
  readonly added: readonly ContentRecord[];
};

/** One pass over both, for both are in order; most records are the same, octet for octet. */
export function compareContents(before: ZoneContent, after: ZoneContent): ContentChange {
  const removed: ContentRecord[] = [];
  const added: ContentRecord[] = [];
  const [old, now] = [before.records, after.records];
  let [a, b] = [0, 0];
  while (a < old.length && b < now.length) {
    const length = sizeAt(old, a);
    if (length === sizeAt(now, b) && hasSameOctets(old, a, now, b, length)) {
      a += length;
      b += length;
      continue;
    }
    const [gone, come] = [recordAt(old, a), recordAt(now, b)];
    const order = compareRecords(gone, come);
    if (order < 0) removed.push(gone);
    if (order > 0) added.push(come);
    if (order <= 0) a = gone.next;
    if (order >= 0) b = come.next;
  }
  for (; a < old.length; a += sizeAt(old, a)) removed.push(recordAt(old, a));
  for (; b < now.length; b += sizeAt(now, b)) added.push(recordAt(now, b));
  return { removed, added };
}

/** Octets of the record at `at`. */
function sizeAt(records: Uint8Array, at: number): number {
  const name = nameLength(records, at, records.length);
  const length = at + name + 8;
  return name + FIXED_LENGTH + records[length]! * 256 + records[length + 1]!;
}

function hasSameOctets(
  one: Uint8Array,
  a: number,
  other: Uint8Array,
  b: number,
  length: number,
): boolean {
  for (let index = 0; index < length; index += 1) {
    if (one[a + index] !== other[b + index]) return false;
  }
  return true;
}
