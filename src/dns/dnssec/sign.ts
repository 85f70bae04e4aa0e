import { sign, verify } from 'node:crypto';
import { lowerName, nameLength } from '../name.ts';
import { canonicalRecords, type Rrset, signedLabels } from './canonical.ts';
import { ECDSA_P256, publicKeyOf, type ZoneKey } from './keys.ts';

/** When a signature is good, in seconds since 1970, both ends included (RFC 4034 3.1.5). */
export type Validity = { readonly inception: number; readonly expiration: number };

/** Octets of a signature before the signer's name (RFC 4034 3.1). */
const FIXED_LENGTH = 18;

/**
 * Rdata of the RRSIG record of an RRset in the zone `signer`. Cost: one signature, about 50 microseconds.
 */
export function signRrset(
  rrset: Rrset,
  signer: Uint8Array,
  key: ZoneKey,
  validity: Validity,
): Uint8Array {
  const head = signatureHead(rrset, signer, key, validity);
  const data = Buffer.concat([head, canonicalRecords(rrset)]);
  const signature = sign(hashOf(key.algorithm), data, signingKey(key));
  return new Uint8Array(Buffer.concat([head, signature]));
}

/** Whether the RRSIG rdata are a signature of the RRset by the DNSKEY's key; times are not looked at. */
export function verifyRrset(rrset: Rrset, rrsig: Uint8Array, dnskey: Uint8Array): boolean {
  const publicKey = publicKeyOf(dnskey);
  const signer = nameLength(rrsig, FIXED_LENGTH, rrsig.length);
  if (publicKey === undefined || signer < 0) return false;
  const end = FIXED_LENGTH + signer;
  const head = rrsig.slice(0, end);
  head.set(lowerName(head.subarray(FIXED_LENGTH)), FIXED_LENGTH);
  const ttlSeconds = new DataView(head.buffer).getUint32(4);
  const data = Buffer.concat([head, canonicalRecords({ ...rrset, ttlSeconds })]);
  const key = { key: publicKey, dsaEncoding: 'ieee-p1363' as const };
  return verify(hashOf(dnskey[3]!), data, key, rrsig.subarray(end));
}

/** Of an RRSIG record's rdata; numbers of 32 bits, so right until 2106 (RFC 4034 3.1.5). */
export function validityOf(rrsig: Uint8Array): Validity {
  const view = new DataView(rrsig.buffer, rrsig.byteOffset, rrsig.length);
  return { inception: view.getUint32(12), expiration: view.getUint32(8) };
}

/** The rdata up to the signature (RFC 4034 3.1); the signer's name is in lower case (RFC 4034 6.2). */
function signatureHead(
  { owner, ttlSeconds, type }: Rrset,
  signer: Uint8Array,
  { algorithm, tag }: ZoneKey,
  { expiration, inception }: Validity,
): Uint8Array {
  const head = Buffer.alloc(FIXED_LENGTH + signer.length);
  head.writeUInt16BE(type, 0);
  head[2] = algorithm;
  head[3] = signedLabels(owner);
  head.writeUInt32BE(ttlSeconds, 4);
  head.writeUInt32BE(expiration >>> 0, 8);
  head.writeUInt32BE(inception >>> 0, 12);
  head.writeUInt16BE(tag, 16);
  head.set(lowerName(signer), FIXED_LENGTH);
  return head;
}

/** Ed25519 hashes by itself. */
function hashOf(algorithm: number): string | null {
  return algorithm === ECDSA_P256 ? 'sha256' : null;
}

/** ECDSA signatures are both numbers in DNS, not the DER form of certificates (RFC 6605 4). */
function signingKey({ privateKey }: ZoneKey) {
  return { key: privateKey, dsaEncoding: 'ieee-p1363' as const };
}
