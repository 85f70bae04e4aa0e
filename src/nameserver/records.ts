/**
 * Writes the rows that a look-up found: CNAME chains, RRsets, SOA, referrals with glue. Bodies come
 * prebuilt for an owner that is the question's name; where it stands elsewhere, their pointers are
 * set anew after the copy. `Cursor` remembers where in the message the current name and the apex of
 * its zone are spelled out.
 */
import {
  HEADER_LENGTH,
  POINTER_BITS,
  POINTER_OFFSET_MAX,
  SECTION_ADDITIONAL,
  SECTION_ANSWER,
  SECTION_AUTHORITY,
  TYPE_CNAME,
} from '../dns/constants.ts';
import { countRecords, type Reply, writeBytes } from '../dns/encode.ts';
import {
  NODE_NAME_LENGTH,
  NODE_WORDS,
  RECORD_HEADER_LENGTH,
  RRSET_APEX_POSITION,
  RRSET_BODY,
  RRSET_BODY_LENGTH,
  RRSET_GLUE,
  RRSET_GLUE_COUNT,
  RRSET_GLUE_REQUIRED,
  RRSET_PATCH_COUNT,
  RRSET_PATCHES,
  RRSET_RECORDS,
  RRSET_TARGET_LENGTH,
  RRSET_WORDS,
  RRSET_ZONE,
  ZONE_APEX_LENGTH,
  ZONE_NEGATIVE,
  ZONE_WORDS,
  type ZoneTable,
} from '../zone/compiled-zones.ts';
import { FOLLOW, isDname, type LookupResult, YXDOMAIN } from '../zone/lookup.ts';
import type { Body } from './body.ts';

/** Offsets in the message; one per worker, set by `writeChain`. */
export type Cursor = {
  /** Of the name at which the look-up ended. */
  name: number;
  /** Of the apex of the zone that answers. */
  apex: number;
};

/**
 * Writes the CNAMEs and DNAMEs that were followed and sets the cursor to the name that they lead to;
 * without any, to the question. False when they do not fit.
 */
export function writeChain(
  reply: Reply,
  table: ZoneTable,
  result: LookupResult,
  cursor: Cursor,
): boolean {
  const { chain, chainLength } = result;
  cursor.name = HEADER_LENGTH;
  let nameLength = reply.query.qnameLength;
  let zone = chainLength > 0 ? zoneOf(table, chain[0]!) : result.zone;
  cursor.apex = HEADER_LENGTH + nameLength - apexLength(table, zone);
  for (let i = 0; i < chainLength; i++) {
    const rrset = chain[i]!;
    const targetLength = table.rrsets[rrset * RRSET_WORDS + RRSET_TARGET_LENGTH]!;
    const isLast = i + 1 === chainLength;
    if (isDname(table, rrset)) {
      const kept = nameLength - ownerLength(table, rrset);
      const isTooLong = isLast && result.outcome === YXDOMAIN;
      if (!writeDname(reply, table, rrset, cursor, kept, isTooLong)) return false;
      nameLength = kept + targetLength;
    } else {
      const start = reply.position;
      if (!writeRrset(reply, table, SECTION_ANSWER, rrset, cursor.name, cursor.apex)) return false;
      cursor.name = start + RECORD_HEADER_LENGTH;
      nameLength = targetLength;
    }
    if (isLast && (result.outcome === FOLLOW || result.outcome === YXDOMAIN)) return true;
    const next = isLast ? result.zone : zoneOf(table, chain[i + 1]!);
    if (next === zone) continue;
    zone = next;
    cursor.apex = suffixPosition(reply.out, cursor.name, nameLength - apexLength(table, zone));
  }
  return true;
}

/**
 * A DNAME and the CNAME that it makes of the current name (RFC 6672 3.1), whose first `kept` octets stay;
 * that one has the DNAME's TTL, and its name ends in a pointer to the DNAME's target.
 */
function writeDname(
  reply: Reply,
  table: ZoneTable,
  rrset: number,
  cursor: Cursor,
  kept: number,
  isTooLong: boolean,
): boolean {
  const { out } = reply;
  const start = reply.position;
  const owner = suffixPosition(out, cursor.name, kept);
  if (!writeRrset(reply, table, SECTION_ANSWER, rrset, owner, cursor.apex)) return false;
  if (isTooLong) return true;
  const at = reply.position;
  const target = start + RECORD_HEADER_LENGTH;
  const end = at + RECORD_HEADER_LENGTH + kept + 2;
  if (target > POINTER_OFFSET_MAX || end > reply.limit) return false;
  for (let i = 2; i < 10; i++) out[at + i] = out[start + i]!; // Type, class, TTL.
  setPointer(out, at, cursor.name);
  out[at + 3] = TYPE_CNAME;
  out[at + 10] = (kept + 2) >> 8;
  out[at + 11] = kept + 2;
  copyLabels(out, cursor.name, at + RECORD_HEADER_LENGTH, kept);
  setPointer(out, end - 2, target);
  reply.position = end;
  countRecords(reply, SECTION_ANSWER, 1);
  cursor.name = at + RECORD_HEADER_LENGTH;
  return true;
}

/** Copies the first `length` octets of a name, counted as if it were not compressed. */
function copyLabels(out: Uint8Array, name: number, to: number, length: number): void {
  let from = name;
  for (let done = 0; done < length; ) {
    while (out[from]! >= POINTER_BITS) from = ((out[from]! & 0x3f) << 8) | out[from + 1]!;
    const label = out[from]! + 1;
    for (let i = 0; i < label; i++) out[to + done + i] = out[from + i]!;
    done += label;
    from += label;
  }
}

/** Copies an RRset into a section, its owner and its zone's apex standing at the given offsets. */
export function writeRrset(
  reply: Reply,
  table: ZoneTable,
  section: number,
  rrset: number,
  ownerPosition: number,
  apexPosition: number,
): boolean {
  const { rrsets, links, arena } = table;
  const row = rrset * RRSET_WORDS;
  const start = reply.position;
  if (!writeBytes(reply, arena, rrsets[row + RRSET_BODY]!, rrsets[row + RRSET_BODY_LENGTH]!)) {
    return false;
  }
  const records = rrsets[row + RRSET_RECORDS]!;
  countRecords(reply, section, records);
  if (ownerPosition !== HEADER_LENGTH) {
    let at = start;
    for (let i = 0; i < records; i++) {
      setPointer(reply.out, at, ownerPosition);
      at += RECORD_HEADER_LENGTH + ((reply.out[at + 10]! << 8) | reply.out[at + 11]!);
    }
  }
  if (apexPosition !== rrsets[row + RRSET_APEX_POSITION]) {
    const first = rrsets[row + RRSET_PATCHES]!;
    const end = first + rrsets[row + RRSET_PATCH_COUNT]!;
    for (let i = first; i < end; i++) setPointer(reply.out, start + links[i]!, apexPosition);
  }
  return true;
}

/** Copies steered records. */
export function writeBody(
  reply: Reply,
  { bytes, records, stride }: Body,
  ownerPosition: number,
  ttlSeconds: number,
): boolean {
  const start = reply.position;
  if (!writeBytes(reply, bytes, 0, bytes.length)) return false;
  countRecords(reply, SECTION_ANSWER, records);
  for (let at = start; at < reply.position; at += stride) {
    setPointer(reply.out, at, ownerPosition);
    setTtl(reply.out, at, ttlSeconds);
  }
  return true;
}

/** The SOA of the zone that says no, with the TTL of its no (RFC 2308 3). */
export function writeNegative(
  reply: Reply,
  table: ZoneTable,
  zone: number,
  cursor: Cursor,
): boolean {
  const rrset = table.zones[zone * ZONE_WORDS + ZONE_NEGATIVE]!;
  return writeRrset(reply, table, SECTION_AUTHORITY, rrset, cursor.apex, cursor.apex);
}

/** The referral fits with all its glue; or not its NS; or not some in-domain glue. */
export type ReferralFit = 'all' | 'not-ns' | 'not-glue';

/**
 * NS records and glue of a delegation. In-domain glue that does not fit must be told by TC
 * (RFC 9471 3.1); sibling glue that does not is left out.
 */
export function writeReferral(
  reply: Reply,
  table: ZoneTable,
  result: LookupResult,
  cursor: Cursor,
): ReferralFit {
  const { rrsets, links, nodes } = table;
  const cutLength = nodes[result.node * NODE_WORDS + NODE_NAME_LENGTH]!;
  const owner = suffixPosition(reply.out, cursor.name, result.nameLength - cutLength);
  const start = reply.position;
  if (!writeRrset(reply, table, SECTION_AUTHORITY, result.rrset, owner, cursor.apex)) {
    return 'not-ns';
  }
  const row = result.rrset * RRSET_WORDS;
  const first = rrsets[row + RRSET_GLUE]!;
  for (let i = 0; i < rrsets[row + RRSET_GLUE_COUNT]!; i++) {
    const target = start + links[first + 2 * i]!;
    const glue = links[first + 2 * i + 1]!;
    const fits =
      target <= POINTER_OFFSET_MAX &&
      writeRrset(reply, table, SECTION_ADDITIONAL, glue, target, cursor.apex);
    if (!fits && i < rrsets[row + RRSET_GLUE_REQUIRED]!) return 'not-glue';
  }
  return 'all';
}

function zoneOf(table: ZoneTable, rrset: number): number {
  return table.rrsets[rrset * RRSET_WORDS + RRSET_ZONE]!;
}

/** Of a DNAME's owner: the apex stands behind it where it is the question (RRSET_APEX_POSITION). */
function ownerLength(table: ZoneTable, rrset: number): number {
  const position = table.rrsets[rrset * RRSET_WORDS + RRSET_APEX_POSITION]!;
  return position - HEADER_LENGTH + apexLength(table, zoneOf(table, rrset));
}

function apexLength(table: ZoneTable, zone: number): number {
  return zone < 0 ? 0 : table.zones[zone * ZONE_WORDS + ZONE_APEX_LENGTH]!;
}

/**
 * Where the suffix that begins after the first `skip` bytes of a name (counted as if it were not
 * compressed) stands. We wrote the name, so its pointers lead backward and end.
 */
function suffixPosition(out: Uint8Array, name: number, skip: number): number {
  let at = name;
  let left = skip;
  for (;;) {
    while (out[at]! >= POINTER_BITS) at = ((out[at]! & 0x3f) << 8) | out[at + 1]!;
    if (left <= 0) return at;
    left -= out[at]! + 1;
    at += out[at]! + 1;
  }
}

/** Of a record whose owner is a pointer. */
function setTtl(out: Uint8Array, at: number, ttlSeconds: number): void {
  out[at + 6] = ttlSeconds >>> 24;
  out[at + 7] = ttlSeconds >>> 16;
  out[at + 8] = ttlSeconds >>> 8;
  out[at + 9] = ttlSeconds;
}

function setPointer(out: Uint8Array, at: number, target: number): void {
  out[at] = POINTER_BITS | (target >> 8);
  out[at + 1] = target;
}
