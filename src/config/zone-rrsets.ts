/** The RRsets of a zone wherever they are kept: those that are written as text, and those of its file, packed. */
import { formatName, parseName } from '../dns/name.ts';
import { formatRdata } from '../dns/rdata/registry.ts';
import { typeName } from '../dns/type-names.ts';
import { type PackedRrsets, type UnpackedRrset, unpackRrsets } from '../zone/packed-rrsets.ts';
import type { RrsetConfig, ZoneConfig } from './config.ts';

type Records = Pick<ZoneConfig, 'filed' | 'rrsets'>;

/** All of them as text, one after the other: made as they are asked for, for they may be a million. */
export function* rrsetsOf({ filed, rrsets }: Records): Generator<RrsetConfig> {
  if (filed !== undefined) for (const rrset of unpackRrsets(filed)) yield textOf(rrset);
  yield* rrsets;
}

/**
 * Those of some owners, as text: of a million others nothing is made.
 * @param owners absolute, lower case
 */
export function* rrsetsAt(
  { filed, rrsets }: Records,
  owners: ReadonlySet<string>,
): Generator<RrsetConfig> {
  if (filed !== undefined) {
    const wanted = new Set([...owners].flatMap((owner) => parseName(owner) ?? []).map(keyOf));
    for (const rrset of unpackRrsets(filed))
      if (wanted.has(keyOf(rrset.owner))) yield textOf(rrset);
  }
  for (const rrset of rrsets) if (owners.has(rrset.owner)) yield rrset;
}

/** Octets as a string, to be a key: other octets, other string. */
const keyOf = (name: Uint8Array): string =>
  Buffer.from(name.buffer, name.byteOffset, name.length).toString('latin1');

/** Their number. */
export const rrsetCount = ({ filed, rrsets }: Records): number =>
  (filed?.count ?? 0) + rrsets.length;

/** A zone as one that has no file: with all of its RRsets as text. */
export function withoutFile(zone: ZoneConfig): ZoneConfig {
  if (zone.filed === undefined) return zone;
  const { filed: _, ...rest } = zone;
  return { ...rest, rrsets: [...rrsetsOf(zone)] };
}

/** The zone with those RRsets of its file as text that `wants` names; the others stay packed. */
export function takenOut(
  zone: ZoneConfig,
  wants: (owner: string, type: string) => boolean,
): ZoneConfig {
  const { filed } = zone;
  if (filed === undefined) return zone;
  const taken: RrsetConfig[] = [];
  const kept: (readonly [from: number, to: number])[] = [];
  let [from, at] = [filed.from, filed.from];
  for (const rrset of unpackRrsets(filed)) {
    const { length } = rrset;
    if (wants(formatName(rrset.owner), typeName(rrset.type))) {
      taken.push(textOf(rrset));
      kept.push([from, at]);
      from = at + length;
    }
    at += length;
  }
  if (taken.length === 0) return zone;
  kept.push([from, at]);
  const rest = joined(filed, kept, filed.count - taken.length);
  return { ...zone, filed: rest, rrsets: [...taken, ...zone.rrsets] };
}

function joined(
  { bytes, ttlMax }: PackedRrsets,
  parts: readonly (readonly [from: number, to: number])[],
  count: number,
): PackedRrsets {
  const length = parts.reduce((sum, [from, to]) => sum + to - from, 0);
  const copy = new Uint8Array(new SharedArrayBuffer(length));
  let at = 0;
  for (const [from, to] of parts) {
    copy.set(bytes.subarray(from, to), at);
    at += to - from;
  }
  return { bytes: copy, from: 0, to: length, count, ttlMax };
}

const textOf = ({ owner, rdata, ttlSeconds: ttl, type }: UnpackedRrset): RrsetConfig => ({
  owner: formatName(owner),
  type: typeName(type),
  ttl,
  data: rdata.map((one) => formatRdata(type, one)),
});

/** Whether two zones have the same from their files, octet for octet. */
export function isSameFile(a: PackedRrsets | undefined, b: PackedRrsets | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined || a.to - a.from !== b.to - b.from) return false;
  return Buffer.compare(a.bytes.subarray(a.from, a.to), b.bytes.subarray(b.from, b.to)) === 0;
}
