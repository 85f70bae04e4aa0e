import type { RdataProblem } from './rdata/rdata-type.ts';
import { problem } from './rdata-fields.ts';

/** Mnemonics of DNSSEC algorithms in master files (RFC 4034 A.1, RFC 8624, IANA's registry). */
export const ALGORITHMS: Readonly<Record<string, number>> = {
  RSASHA1: 5,
  NSEC3RSASHA1: 7,
  RSASHA256: 8,
  RSASHA512: 10,
  ECDSAP256SHA256: 13,
  ECDSAP384SHA384: 14,
  ED25519: 15,
  ED448: 16,
};

/** Octets of a digest by its type: SHA-1, SHA-256, GOST, SHA-384 (RFC 4509, RFC 6605). */
const DIGEST_OCTETS: ReadonlyMap<number, number> = new Map([
  [1, 20],
  [2, 32],
  [3, 32],
  [4, 48],
]);

/** The digest of DS rdata has the length of its type. */
export function checkDigest(rdata: Uint8Array): RdataProblem | undefined {
  const wanted = DIGEST_OCTETS.get(rdata[3]!);
  const octets = rdata.length - 4;
  if (wanted === undefined || octets === wanted) return undefined;
  return problem(`a digest of type ${rdata[3]!} has ${wanted} octets, not ${octets}`);
}
