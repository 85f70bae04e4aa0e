import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  type webcrypto,
} from 'node:crypto';
import { keyTag } from './key-digest.ts';

type JsonWebKey = webcrypto.JsonWebKey;

/**
 * Keys of zones: their DNSKEY records, tags and DS digests (RFC 4034 2, 5, RFC 6605, RFC 8080). A key is kept
 * as a JSON Web Key, which Node reads and writes and which has nothing to misplace.
 */
export type Algorithm = typeof ECDSA_P256 | typeof ED25519;
/** RFC 6605: what every validator knows, with short signatures. */
export const ECDSA_P256 = 13;
/** RFC 8080. */
export const ED25519 = 15;

/** Flags of a DNSKEY: zone key, and secure entry point (RFC 4034 2.1.1). */
export const FLAGS_ZSK = 256;
export const FLAGS_KSK = 257;
/** The key says of itself that it is not to be trusted any more (RFC 5011 7). */
export const FLAG_REVOKED = 0x80;

export type ZoneKey = {
  readonly algorithm: Algorithm;
  readonly flags: number;
  /** Of this DNSKEY record. */
  readonly tag: number;
  /** Rdata of the DNSKEY record. */
  readonly dnskey: Uint8Array;
  readonly privateKey: KeyObject;
};

/** A new private key. */
export function generateKey(algorithm: Algorithm): JsonWebKey {
  const { privateKey } =
    algorithm === ECDSA_P256
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('ed25519');
  return privateKey.export({ format: 'jwk' });
}

/** The key as a zone uses it; undefined when it is none of ours, or has no private part. */
export function openKey(jwk: JsonWebKey, flags: number): ZoneKey | undefined {
  const algorithm = algorithmOf(jwk);
  if (algorithm === undefined || typeof jwk.d !== 'string') return undefined;
  try {
    const privateKey = createPrivateKey({ key: jwk, format: 'jwk' });
    const dnskey = dnskeyRdata(flags, algorithm, publicOctets(privateKey));
    return { algorithm, flags, tag: keyTag(dnskey), dnskey, privateKey };
  } catch {
    return undefined;
  }
}

function algorithmOf({ crv, kty }: JsonWebKey): Algorithm | undefined {
  if (kty === 'EC' && crv === 'P-256') return ECDSA_P256;
  return kty === 'OKP' && crv === 'Ed25519' ? ED25519 : undefined;
}

/** The public key as DNSKEY records have it: both coordinates (RFC 6605 4), or the key (RFC 8080 3). */
function publicOctets(privateKey: KeyObject): Uint8Array {
  const { x, y } = createPublicKey(privateKey).export({ format: 'jwk' });
  return Buffer.concat([x, y].flatMap((one) => (one ? [Buffer.from(one, 'base64url')] : [])));
}

/** The public key of a DNSKEY record; undefined for algorithms that we do not sign with. */
export function publicKeyOf(dnskey: Uint8Array): KeyObject | undefined {
  const octets = Buffer.from(dnskey.subarray(4));
  const part = (from: number, to: number): string =>
    octets.subarray(from, to).toString('base64url');
  try {
    switch (dnskey[3]) {
      case ECDSA_P256: {
        const jwk = { kty: 'EC', crv: 'P-256', x: part(0, 32), y: part(32, 64) };
        return createPublicKey({ key: jwk, format: 'jwk' });
      }
      case ED25519: {
        const jwk = { kty: 'OKP', crv: 'Ed25519', x: part(0, 32) };
        return createPublicKey({ key: jwk, format: 'jwk' });
      }
      default:
        return undefined;
    }
  } catch {
    return undefined;
  }
}

export function dnskeyRdata(flags: number, algorithm: number, key: Uint8Array): Uint8Array {
  return Uint8Array.of(flags >> 8, flags & 0xff, 3, algorithm, ...key);
}
