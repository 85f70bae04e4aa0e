/**
 * Writes rows of the table and steered records. Bodies come prebuilt for an owner that is the question's
 * name; where it stands elsewhere, their pointers are set anew after the copy. `Cursor` remembers where in
 * the message the current name and the apex of its zone are spelled out.
 */
import { HEADER_LENGTH, POINTER_BITS, SECTION_ANSWER } from '../dns/constants.ts';
import { countRecords, type Reply, writeBytes } from '../dns/encode.ts';
import { lowerOctet } from '../dns/name.ts';
import { copyWords } from '../dns/packet-memory.ts';
import {
  RECORD_HEADER_LENGTH,
  RRSET_APEX_POSITION,
  RRSET_BODY,
  RRSET_BODY_LENGTH,
  RRSET_PATCH_COUNT,
  RRSET_PATCHES,
  RRSET_RECORDS,
  RRSET_WORDS,
  RRSET_ZONE,
  ZONE_APEX_LENGTH,
  ZONE_WORDS,
  type ZoneTable,
} from '../zone/compiled-zones.ts';
import type { Body } from './body.ts';

/** Offsets in the message; one per worker, set by writeChain() (chain.ts). */
export type Cursor = {
  /** Of the name at which the look-up ended. */
  name: number;
  /** Of the apex of the zone that answers. */
  apex: number;
};

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

/** The same behind a question of their owner; they fit, and three octets more. */
export function writeBodyBehindQuestion(
  reply: Reply,
  view: DataView,
  { bytes, records, stride, words }: Body,
  ttlSeconds: number,
): void {
  const start = reply.position;
  copyWords(view, start, words, 0, words.length);
  reply.position = start + bytes.length;
  reply.answerCount = records;
  for (let at = start; at < reply.position; at += stride) view.setInt32(at + 6, ttlSeconds);
}

/**
 * Copies records whose owner is the question's name, and gives them the owner at `owner`.
 * @param ttlSeconds -1 = that of the records
 */
export function writeRecords(
  reply: Reply,
  section: number,
  source: Uint8Array,
  offset: number,
  length: number,
  owner: number,
  ttlSeconds: number,
): boolean {
  const start = reply.position;
  if (!writeBytes(reply, source, offset, length)) return false;
  let count = 0;
  for (let at = start; at < reply.position; count += 1) {
    setPointer(reply.out, at, owner);
    if (ttlSeconds >= 0) setTtl(reply.out, at, ttlSeconds);
    at += RECORD_HEADER_LENGTH + ((reply.out[at + 10]! << 8) | reply.out[at + 11]!);
  }
  countRecords(reply, section, count);
  return true;
}

/** The zone of an RRset, or NONE. */
export function zoneOf(table: ZoneTable, rrset: number): number {
  return table.rrsets[rrset * RRSET_WORDS + RRSET_ZONE]!;
}

export function apexLength(table: ZoneTable, zone: number): number {
  return zone < 0 ? 0 : table.zones[zone * ZONE_WORDS + ZONE_APEX_LENGTH]!;
}

/**
 * Where the suffix that begins after the first `skip` bytes of a name (counted as if it were not
 * compressed) stands. We wrote the name, so its pointers lead backward and end.
 */
export function suffixPosition(out: Uint8Array, name: number, skip: number): number {
  let at = name;
  let left = skip;
  for (;;) {
    while (out[at]! >= POINTER_BITS) at = ((out[at]! & 0x3f) << 8) | out[at + 1]!;
    if (left <= 0) return at;
    left -= out[at]! + 1;
    at += out[at]! + 1;
  }
}

/**
 * Spells the name at `position` of a message out into `to`, in lower case; returns its length. We wrote the
 * name, or it is the question, so its pointers lead backward and end, and it has at most 255 octets.
 */
export function spellName(out: Uint8Array, position: number, to: Uint8Array): number {
  let length = 0;
  for (let at = position; ; ) {
    while (out[at]! >= POINTER_BITS) at = ((out[at]! & 0x3f) << 8) | out[at + 1]!;
    const end = at + out[at]!;
    to[length++] = out[at]!;
    if (end === at) return length;
    for (at += 1; at <= end; at += 1) to[length++] = lowerOctet(out[at]!);
  }
}

/** Of a record whose owner is a pointer. */
function setTtl(out: Uint8Array, at: number, ttlSeconds: number): void {
  out[at + 6] = ttlSeconds >>> 24;
  out[at + 7] = ttlSeconds >>> 16;
  out[at + 8] = ttlSeconds >>> 8;
  out[at + 9] = ttlSeconds;
}

export function setPointer(out: Uint8Array, at: number, target: number): void {
  out[at] = POINTER_BITS | (target >> 8);
  out[at + 1] = target;
}
