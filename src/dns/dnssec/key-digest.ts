import { createHash } from 'node:crypto';
import { TYPE_DS } from '../constants.ts';
import { lowerName } from '../name.ts';
import { formatRdata } from '../rdata/registry.ts';

/** How DS records name keys: pure arithmetic over DNSKEY rdata. */

/** Digest types of DS and their hashes (IANA's registry; RFC 3658, 4509, 6605). */
const DIGESTS: ReadonlyMap<number, string> = new Map([
  [1, 'sha1'],
  [2, 'sha256'],
  [4, 'sha384'],
]);
export const DIGEST_SHA1 = 1;
export const DIGEST_SHA256 = 2;
export const DIGEST_SHA384 = 4;

/** The key tag of DNSKEY rdata (RFC 4034 appendix B; not of algorithm 1, which nobody may use). */
export function keyTag(dnskey: Uint8Array): number {
  let sum = 0;
  for (let index = 0; index < dnskey.length; index += 1) {
    sum += index % 2 === 0 ? dnskey[index]! << 8 : dnskey[index]!;
  }
  return (sum + (sum >>> 16)) & 0xffff;
}

/**
 * The digest of a key (RFC 4034 5.1.4): hash of the lower-cased owner and the rdata; undefined when the
 * type is not known.
 * @param owner uncompressed wire form
 */
export function keyDigest(
  type: number,
  owner: Uint8Array,
  dnskey: Uint8Array,
): Uint8Array | undefined {
  const hash = DIGESTS.get(type);
  if (hash === undefined) return undefined;
  return createHash(hash).update(lowerName(owner)).update(dnskey).digest();
}

/** Rdata of the DS record of a key (RFC 4034 5.1). */
export function dsRdata(
  owner: Uint8Array,
  dnskey: Uint8Array,
  digestType: typeof DIGEST_SHA256 | typeof DIGEST_SHA384 = DIGEST_SHA256,
): Uint8Array {
  const tag = keyTag(dnskey);
  const digest = keyDigest(digestType, owner, dnskey)!;
  return Uint8Array.of(tag >> 8, tag & 0xff, dnskey[3]!, digestType, ...digest);
}

/** The same as master-file text, with SHA-256. */
export function dsText(owner: Uint8Array, dnskey: Uint8Array): string {
  return formatRdata(TYPE_DS, dsRdata(owner, dnskey));
}
