/** Names that people know the protocol's numbers by (IANA's DNS parameters), for text output only. */

const opcodes: ReadonlyMap<number, string> = new Map([
  [0, 'QUERY'],
  [1, 'IQUERY'],
  [2, 'STATUS'],
  [4, 'NOTIFY'],
  [5, 'UPDATE'],
  [6, 'DSO'],
]);

const rcodes: ReadonlyMap<number, string> = new Map([
  [0, 'NOERROR'],
  [1, 'FORMERR'],
  [2, 'SERVFAIL'],
  [3, 'NXDOMAIN'],
  [4, 'NOTIMP'],
  [5, 'REFUSED'],
  [6, 'YXDOMAIN'],
  [7, 'YXRRSET'],
  [8, 'NXRRSET'],
  [9, 'NOTAUTH'],
  [10, 'NOTZONE'],
  [16, 'BADVERS'],
  [17, 'BADKEY'],
  [18, 'BADTIME'],
  [19, 'BADMODE'],
  [20, 'BADNAME'],
  [21, 'BADALG'],
  [22, 'BADTRUNC'],
  [23, 'BADCOOKIE'],
]);

const classes: ReadonlyMap<number, string> = new Map([
  [1, 'IN'],
  [3, 'CH'],
  [4, 'HS'],
  [254, 'NONE'],
  [255, 'ANY'],
]);

/** Purposes by INFO-CODE, from 0 (RFC 8914 4 and IANA's registry). */
const extendedErrors: readonly string[] = [
  'Other Error',
  'Unsupported DNSKEY Algorithm',
  'Unsupported DS Digest Type',
  'Stale Answer',
  'Forged Answer',
  'DNSSEC Indeterminate',
  'DNSSEC Bogus',
  'Signature Expired',
  'Signature Not Yet Valid',
  'DNSKEY Missing',
  'RRSIGs Missing',
  'No Zone Key Bit Set',
  'NSEC Missing',
  'Cached Error',
  'Not Ready',
  'Blocked',
  'Censored',
  'Filtered',
  'Prohibited',
  'Stale NXDOMAIN Answer',
  'Not Authoritative',
  'Not Supported',
  'No Reachable Authority',
  'Network Error',
  'Invalid Data',
  'Signature Expired before Valid',
  'Too Early',
  'Unsupported NSEC3 Iterations Value',
  'Unable to conform to policy',
  'Synthesized',
  'Invalid Query Type',
];

/** `QUERY`, or `OPCODE7` when the number has no name. */
export function opcodeName(opcode: number): string {
  return opcodes.get(opcode) ?? `OPCODE${opcode}`;
}

/** `NXDOMAIN`, or `RCODE99` when the number has no name. */
export function rcodeName(rcode: number): string {
  return rcodes.get(rcode) ?? `RCODE${rcode}`;
}

/** `IN`, or `CLASS99` when the number has no name (RFC 3597 5). */
export function className(recordClass: number): string {
  return classes.get(recordClass) ?? `CLASS${recordClass}`;
}

/** `Prohibited`, or undefined when the code has no name. */
export function extendedErrorName(code: number): string | undefined {
  return extendedErrors[code];
}
