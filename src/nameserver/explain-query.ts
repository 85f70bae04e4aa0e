/**
 * `dig TXT _explain.www.gslb.example`: why this client gets its answer, asked over DNS itself, where
 * an operator has nothing but dig. Who may not ask sees what the zone says for that name, which is
 * NXDOMAIN unless somebody wrote otherwise: nobody can tell that there is anything to be had.
 */
import { TYPE_TXT } from '../dns/constants.ts';
import type { Query } from '../dns/message.ts';

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
