import type { Body } from './body.ts';

/**
 * Whoever has the keys, for signatures that could not be made before: of names that nobody foresaw. Records
 * come as they are on the wire when their owner is the question's name.
 */
export type ColdSigner = {
  /** The signatures of a static RRset under this name, which is lower-cased. */
  rrset(owner: Uint8Array, rrset: number): Uint8Array;
  /** Those of steered records; undefined = under the name of the service. */
  body(owner: Uint8Array | undefined, service: number, body: Body): Uint8Array;
  /**
   * Proof that the name has no types but those of an NSEC RRset, or, with NONE, that it is not there
   * (RFC 9824 3.1): an NSEC record and its signatures.
   */
  denial(owner: Uint8Array, zone: number, nsec: number): Uint8Array;
};
