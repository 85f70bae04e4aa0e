import type { webcrypto } from 'node:crypto';
import type { SigningTimes } from './validity.ts';

/** What a signer has to know of a zone: plain data, so that a thread can be told. */
export type ZoneSigningKeys = {
  /** As in the configuration. */
  readonly zone: string;
  readonly times: SigningTimes;
  /** Sign what the zone answers. */
  readonly zoneKeys: readonly KeyMaterial[];
  /** Sign the RRsets that say which keys there are: DNSKEY, CDS, CDNSKEY (RFC 7344 4.1). */
  readonly entryKeys: readonly KeyMaterial[];
};

export type KeyMaterial = {
  /** With its private part. */
  readonly jwk: webcrypto.JsonWebKey;
  /** Of its DNSKEY record. */
  readonly flags: number;
};
