/** Referrals to the servers of what is delegated away (RFC 1034 4.3.2). */
import { POINTER_OFFSET_MAX, SECTION_ADDITIONAL, SECTION_AUTHORITY } from '../dns/constants.ts';
import {
  NODE_NAME_LENGTH,
  NODE_WORDS,
  RRSET_GLUE,
  RRSET_GLUE_COUNT,
  RRSET_GLUE_REQUIRED,
  RRSET_WORDS,
  type ZoneTable,
} from '../zone/compiled-zones.ts';
import { suffixPosition, writeRrset } from './records.ts';
import { writeDelegationProof, writeProofs } from './signed-records.ts';
import type { WorkerState } from './worker-state.ts';

/** The referral fits with all its glue; or not its NS; or not some in-domain glue. */
export type ReferralFit = 'all' | 'not-ns' | 'not-glue';

/**
 * NS records and glue of a delegation. In-domain glue that does not fit must be told by TC
 * (RFC 9471 3.1); sibling glue that does not is left out.
 */
export function writeReferral(worker: WorkerState, table: ZoneTable): ReferralFit {
  const { cursor, reply, result } = worker;
  const { rrsets, links, nodes } = table;
  const cutLength = nodes[result.node * NODE_WORDS + NODE_NAME_LENGTH]!;
  const owner = suffixPosition(reply.out, cursor.name, result.nameLength - cutLength);
  const start = reply.position;
  if (!writeRrset(reply, table, SECTION_AUTHORITY, result.rrset, owner, cursor.apex)) {
    return 'not-ns';
  }
  // With what proves that the aliases which led here are those of wildcards.
  const isProved = writeDelegationProof(worker, table, owner) && writeProofs(worker, table);
  if (!isProved) return 'not-ns';
  const row = result.rrset * RRSET_WORDS;
  const first = rrsets[row + RRSET_GLUE]!;
  for (let i = 0; i < rrsets[row + RRSET_GLUE_COUNT]!; i++) {
    const target = start + links[first + 2 * i]!;
    const glue = links[first + 2 * i + 1]!;
    const fits =
      target <= POINTER_OFFSET_MAX &&
      writeRrset(reply, table, SECTION_ADDITIONAL, glue, target, cursor.apex);
    if (!fits && i < rrsets[row + RRSET_GLUE_REQUIRED]!) return 'not-glue';
  }
  return 'all';
}
