/**
 * Signs all RRsets of a table's signed zones before they are served, so that no worker ever signs. What
 * was signed before and is still the same costs a hash; the rest about 60 microseconds each.
 */
import { TYPE_CDNSKEY, TYPE_CDS, TYPE_DNSKEY, TYPE_DS, TYPE_NSEC } from '../dns/constants.ts';
import {
  NODE_CUT,
  NODE_RRSET_COUNT,
  NODE_RRSETS,
  NODE_WORDS,
  NODE_ZONE,
  NONE,
  RRSET_TYPE,
  RRSET_WORDS,
  ZONE_APEX,
  ZONE_DENIAL,
  ZONE_DENIAL_AT_PARENT,
  ZONE_NEGATIVE,
  ZONE_PARENT,
  ZONE_WORDS,
  type ZoneTable,
} from '../zone/compiled-zones.ts';
import { nodeName, rrsetData } from '../zone/rrset-data.ts';
import { packSignatures, type ZoneSignatures } from '../zone/signatures.ts';
import { type KeyRing, nameKey, type ZoneRing } from './key-ring.ts';
import type { SignatureCache } from './signature-cache.ts';

/** RRsets that are signed in one go; whoever drives it may do other things in between. */
export const PRESIGN_STEP = 64;

/** Yields after every few RRsets; returns the signatures. */
export function* presign(
  table: ZoneTable,
  ring: KeyRing,
  cache: SignatureCache,
  nowSeconds: number,
): Generator<void, ZoneSignatures> {
  const records: (Uint8Array | undefined)[] = Array.from({
    length: table.rrsets.length / RRSET_WORDS,
  });
  const rings = ringsOf(table, ring);
  let count = 0;
  for (const { owner, rrset, zone } of signedRrsets(table)) {
    const keys = rings[zone];
    if (keys === undefined) continue;
    const data = rrsetData(table, rrset);
    records[rrset] = cache.sign({ owner, ...data }, keys, keysFor(keys, data.type), nowSeconds);
    count += 1;
    if (count % PRESIGN_STEP === 0) yield;
  }
  return packSignatures(records);
}

/** The keys that sign an RRset of this type. */
export function keysFor({ entryKeys, zoneKeys }: ZoneRing, type: number) {
  return type === TYPE_DNSKEY || type === TYPE_CDS || type === TYPE_CDNSKEY ? entryKeys : zoneKeys;
}

/** By row of `zones`. */
export function ringsOf({ zones, ...table }: ZoneTable, ring: KeyRing): (ZoneRing | undefined)[] {
  return Array.from({ length: zones.length / ZONE_WORDS }, (_, zone) => {
    if (zones[zone * ZONE_WORDS + ZONE_DENIAL] === NONE) return undefined;
    return ring.get(nameKey(nodeName({ ...table, zones }, zones[zone * ZONE_WORDS + ZONE_APEX]!)));
  });
}

type Signed = { readonly owner: Uint8Array; readonly rrset: number; readonly zone: number };

/** What has a signature: nothing below a cut, and at a cut only what the parent says (RFC 4035 2.2). */
function* signedRrsets(table: ZoneTable): Generator<Signed> {
  const { nodes, rrsets, zones } = table;
  for (let node = 0; node < nodes.length / NODE_WORDS; node++) {
    const row = node * NODE_WORDS;
    const cut = nodes[row + NODE_CUT]!;
    const zone = nodes[row + NODE_ZONE]!;
    if ((cut !== NONE && cut !== node) || zone === NONE) continue;
    const owner = nodeName(table, node);
    const isApex = zones[zone * ZONE_WORDS + ZONE_APEX] === node;
    const first = nodes[row + NODE_RRSETS]!;
    for (let rrset = first; rrset < first + nodes[row + NODE_RRSET_COUNT]!; rrset++) {
      const type = rrsets[rrset * RRSET_WORDS + RRSET_TYPE]!;
      if (cut === node && type !== TYPE_DS && type !== TYPE_NSEC) continue;
      const isOfParent = isApex && type === TYPE_DS;
      const signer = isOfParent ? zones[zone * ZONE_WORDS + ZONE_PARENT]! : zone;
      if (signer !== NONE) yield { owner, rrset, zone: signer };
    }
  }
  for (let zone = 0; zone < zones.length / ZONE_WORDS; zone++) {
    const row = zone * ZONE_WORDS;
    const owner = nodeName(table, zones[row + ZONE_APEX]!);
    yield { owner, rrset: zones[row + ZONE_NEGATIVE]!, zone };
    const atParent = zones[row + ZONE_DENIAL_AT_PARENT]!;
    if (atParent !== NONE) yield { owner, rrset: atParent, zone: zones[row + ZONE_PARENT]! };
  }
}
