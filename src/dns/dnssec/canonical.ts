import { CLASS_IN } from '../constants.ts';
import { labelCount, lowerName } from '../name.ts';
import { namesIn } from '../names-in-rdata.ts';
import { rdataByType } from '../rdata/registry.ts';

/** RRsets in the one form in which they are signed and compared (RFC 4034 6). */

/** An RRset with its rdata in uncompressed wire form, in any order. */
export type Rrset = {
  readonly owner: Uint8Array;
  readonly type: number;
  readonly ttlSeconds: number;
  readonly rdata: readonly Uint8Array[];
};

/** Rdata with its names in lower case, for the types that demand it (RFC 4034 6.2, RFC 6840 5.1). */
export function canonicalRdata(type: number, rdata: Uint8Array): Uint8Array {
  if (rdataByType(type)?.lowersNames !== true) return rdata;
  const canonical = rdata.slice();
  for (const { at, end } of namesIn(type, rdata)) {
    canonical.set(lowerName(rdata.subarray(at, end)), at);
  }
  return canonical;
}

/**
 * The records one after the other as they are signed: owner in lower case, the TTL that was signed,
 * rdata in the order of their octets (RFC 4034 3.1.8.1, 6.3), each once.
 */
export function canonicalRecords({ owner, rdata, ttlSeconds, type }: Rrset): Uint8Array {
  const head = Buffer.alloc(owner.length + 8);
  head.set(lowerName(owner));
  head.writeUInt16BE(type, owner.length);
  head.writeUInt16BE(CLASS_IN, owner.length + 2);
  head.writeUInt32BE(ttlSeconds, owner.length + 4);
  const ordered = rdata.map((one) => canonicalRdata(type, one)).sort(compareOctets);
  const parts = ordered.flatMap((one, index) => {
    const before = ordered[index - 1];
    if (before !== undefined && compareOctets(before, one) === 0) return [];
    return [head, Uint8Array.of(one.length >> 8, one.length), one];
  });
  return Buffer.concat(parts);
}

/** Octet by octet, a missing one first (RFC 4034 6.3). */
export function compareOctets(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}

/** The labels field of a signature: without the root, and without a wildcard's `*` (RFC 4034 3.1.3). */
export function signedLabels(owner: Uint8Array): number {
  const isWildcard = owner[0] === 1 && owner[1] === 0x2a;
  return labelCount(owner) - (isWildcard ? 1 : 0);
}
