/**
 * `dig TXT _explain.www.gslb.example`: why this client gets its answer, asked over DNS itself, where
 * an operator has nothing but dig. Who may not ask sees what the zone says for that name, which is
 * NXDOMAIN unless somebody wrote otherwise: nobody can tell that there is anything to be had.
 */
import { TYPE_TXT } from '../dns/constants.ts';
import type { Query } from '../dns/message.ts';
import type { Prefix } from '../ip/prefix.ts';
import type { Client } from './client.ts';

/** The first label of a question for an explanation, with its length octet. */
export const EXPLAIN_LABEL = Uint8Array.from([
  8,
  ...Array.from('_explain', (c) => c.charCodeAt(0)),
]);

/** Costs every other query one comparison. */
export function isExplainQuery({ qname, qtype }: Query): boolean {
  if (qtype !== TYPE_TXT) return false;
  for (let i = 0; i < EXPLAIN_LABEL.length; i++) {
    if (qname[i] !== EXPLAIN_LABEL[i]) return false;
  }
  return true;
}

/** True when the source address of the query is in one of the networks; allocates nothing. */
export function mayExplain(networks: readonly Prefix[], { address, family }: Client): boolean {
  for (const { address: network, length } of networks) {
    if (network.family === family && sharesBits(network.bytes, address, length)) return true;
  }
  return false;
}

function sharesBits(a: Uint8Array, b: Uint8Array, bits: number): boolean {
  const whole = bits >>> 3;
  for (let i = 0; i < whole; i++) {
    if (a[i] !== b[i]) return false;
  }
  const rest = bits & 7;
  return rest === 0 || ((a[whole]! ^ b[whole]!) & (0xff00 >>> rest) & 0xff) === 0;
}
