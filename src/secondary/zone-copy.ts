/**
 * A primary's zone as it is kept: as content (zone/zone-content.ts), which the next changes are applied to, and as the
 * overlay that is served. What cannot be a zone is a reason, and the copy of before stays.
 */
import { isMetaType } from '../config/allowed-records.ts';
import type { SoaConfig } from '../config/config.ts';
import type { ZoneOverlay } from '../config/overlay.ts';
import { CLASS_IN, TYPE_CNAME, TYPE_NS, TYPE_SOA } from '../dns/constants.ts';
import { equalNames, formatName, isSubdomain, nameLength } from '../dns/name.ts';
import { rdataByType } from '../dns/rdata/registry.ts';
import { typeName } from '../dns/type-names.ts';
import {
  type ContentRecord,
  compareRecords,
  packContent,
  recordAt,
  recordsOf,
  type ZoneContent,
} from '../zone/zone-content.ts';
import type { CopyChange } from './transfer-in.ts';

export type CopyResult =
  | { readonly ok: true; readonly content: ZoneContent }
  | { readonly ok: false; readonly reason: string };

/**
 * @param records without the SOA
 * @param unknown of these, those that were not in a copy before
 */
export function copyOf(
  apex: Uint8Array,
  soa: ContentRecord,
  records: readonly ContentRecord[],
  unknown: readonly ContentRecord[] = records,
): CopyResult {
  for (const { owner, rdata, type } of unknown) {
    const problem = problemOf(apex, owner, type, rdata);
    if (problem !== undefined) {
      return { ok: false, reason: `${formatName(owner)} ${typeName(type)}: ${problem}` };
    }
  }
  const isServed = records.some(({ owner, type }) => type === TYPE_NS && equalNames(owner, apex));
  if (!isServed) return { ok: false, reason: 'the zone has no nameservers' };
  return { ok: true, content: packContent(apex, { ...soa, owner: apex }, records) };
}

function problemOf(
  apex: Uint8Array,
  owner: Uint8Array,
  type: number,
  rdata: Uint8Array,
): string | undefined {
  if (!isSubdomain(owner, apex)) return `it is not inside the zone ${formatName(apex)}`;
  if (isMetaType(type) || type === TYPE_SOA) return 'no record of a zone';
  if (type === TYPE_CNAME && equalNames(owner, apex)) return 'a zone itself cannot be a CNAME';
  const known = rdataByType(type);
  const isSound = known === undefined || known.format(rdata) !== undefined;
  return isSound ? undefined : 'its data are broken';
}

/** The copy after changes, each of which must fit what is there (RFC 1995 4): else the whole zone is to be fetched. */
export function changedCopy(before: ZoneContent, changes: readonly CopyChange[]): CopyResult {
  const records = [...recordsOf(before)];
  const gone = new Set<number>();
  const fresh = new Map<string, ContentRecord>();
  /** False when it is not there, or no more. */
  const takeAway = (record: ContentRecord): boolean => {
    let isThere = fresh.delete(keyOf(record));
    for (const index of placesOf(record, records)) {
      isThere ||= !gone.has(index);
      gone.add(index);
    }
    return isThere;
  };
  for (const { added, removed } of changes) {
    for (const record of removed) {
      if (takeAway(record)) continue;
      const what = `${formatName(record.owner)} ${typeName(record.type)}`;
      return { ok: false, reason: `a change takes away ${what}, which is not there` };
    }
    for (const record of added) {
      takeAway(record);
      fresh.set(keyOf(record), record);
    }
  }
  const soa = changes.at(-1)?.soa ?? before.soa;
  const kept = records.filter((_, index) => !gone.has(index));
  return copyOf(before.apex, soa, [...kept, ...fresh.values()], [...fresh.values()]);
}

/** Indexes of the record, under whatever TTL, among records in their order. */
function placesOf(record: ContentRecord, ordered: readonly ContentRecord[]): readonly number[] {
  const least = { ...record, ttlSeconds: 0 };
  let [from, to] = [0, ordered.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (compareRecords(ordered[middle]!, least) < 0) from = middle + 1;
    else to = middle;
  }
  const places: number[] = [];
  for (; from < ordered.length; from += 1) {
    if (compareRecords({ ...ordered[from]!, ttlSeconds: 0 }, least) !== 0) break;
    places.push(from);
  }
  return places;
}

/** TTLs are not part of which record it is (RFC 2181 5). */
const keyOf = ({ owner, rdata, type }: ContentRecord): string =>
  `${type} ${LATIN1.decode(owner)} ${LATIN1.decode(rdata)}`;

const LATIN1 = new TextDecoder('latin1');

/** @param ttlMax the longest TTL of its records */
export function overlayOf(
  zone: string,
  content: ZoneContent,
  ttlMax: number,
  isExpired: boolean,
): ZoneOverlay {
  const { soa } = content;
  const head = { soa: soaOf(soa), soaTtl: soa.ttlSeconds };
  return { zone, ...head, isExpired, rrsets: [], content, contentTtlMax: ttlMax };
}

/** RFC 1035 3.3.13, of well-formed data. */
export function soaOf({ rdata }: Pick<ContentRecord, 'rdata'>): SoaConfig {
  const mnameEnd = nameLength(rdata, 0, rdata.length);
  const view = new DataView(rdata.buffer, rdata.byteOffset + rdata.length - 20, 20);
  return {
    mname: formatName(rdata),
    rname: formatName(rdata, mnameEnd),
    serial: view.getUint32(0),
    refresh: view.getUint32(4),
    retry: view.getUint32(8),
    expire: view.getUint32(12),
    minimum: view.getUint32(16),
  };
}

/** Packed records that were kept elsewhere; undefined when they are not whole. */
export function readCopy(
  apex: Uint8Array,
  soa: ContentRecord,
  packed: Uint8Array,
): ZoneContent | undefined {
  const records: ContentRecord[] = [];
  for (let at = 0; at < packed.length; ) {
    const length = nameLength(packed, at, packed.length);
    if (length < 0 || at + length + 10 > packed.length) return undefined;
    const record = recordAt(packed, at);
    const start = at + length;
    const isIn = packed[start + 2] === 0 && packed[start + 3] === CLASS_IN;
    if (!isIn || record.next > packed.length) return undefined;
    records.push(record);
    at = record.next;
  }
  if (rdataByType(TYPE_SOA)?.format(soa.rdata) === undefined) return undefined;
  const copy = copyOf(apex, soa, records);
  return copy.ok ? copy.content : undefined;
}
