/** The aliases of an answer: CNAMEs and DNAMEs, with what they make of the name. */
import {
  HEADER_LENGTH,
  POINTER_BITS,
  POINTER_OFFSET_MAX,
  SECTION_ANSWER,
  TYPE_CNAME,
} from '../dns/constants.ts';
import { countRecords } from '../dns/encode.ts';
import {
  RECORD_HEADER_LENGTH,
  RRSET_APEX_POSITION,
  RRSET_TARGET_LENGTH,
  RRSET_WORDS,
  type ZoneTable,
} from '../zone/compiled-zones.ts';
import { FOLLOW, isDname, YXDOMAIN } from '../zone/lookup.ts';
import { apexLength, setPointer, suffixPosition, writeRrset, zoneOf } from './records.ts';
import { writeSignatures } from './signed-records.ts';
import type { WorkerState } from './worker-state.ts';

/**
 * Writes the CNAMEs and DNAMEs that were followed and sets the cursor to the name that they lead to;
 * without any, to the question. False when they do not fit.
 */
export function writeChain(worker: WorkerState, table: ZoneTable): boolean {
  const { cursor, reply, result } = worker;
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
      if (!writeDname(worker, table, rrset, kept, isTooLong)) return false;
      nameLength = kept + targetLength;
    } else {
      const start = reply.position;
      if (!writeRrset(reply, table, SECTION_ANSWER, rrset, cursor.name, cursor.apex)) return false;
      const isSynthesized = (result.chainWildcards & (1 << i)) !== 0;
      const owner = cursor.name;
      if (!writeSignatures(worker, table, SECTION_ANSWER, rrset, owner, isSynthesized))
        return false;
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
  worker: WorkerState,
  table: ZoneTable,
  rrset: number,
  kept: number,
  isTooLong: boolean,
): boolean {
  const { cursor, reply } = worker;
  const { out } = reply;
  const start = reply.position;
  const owner = suffixPosition(out, cursor.name, kept);
  if (!writeRrset(reply, table, SECTION_ANSWER, rrset, owner, cursor.apex)) return false;
  // The CNAME has none: a validator makes it itself (RFC 6672 5.3.1).
  if (!writeSignatures(worker, table, SECTION_ANSWER, rrset, owner, false)) return false;
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

/** Of a DNAME's owner: the apex stands behind it where it is the question (RRSET_APEX_POSITION). */
function ownerLength(table: ZoneTable, rrset: number): number {
  const position = table.rrsets[rrset * RRSET_WORDS + RRSET_APEX_POSITION]!;
  return position - HEADER_LENGTH + apexLength(table, zoneOf(table, rrset));
}
