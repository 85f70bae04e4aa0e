/** The explanation of everything that is the same for every client: records, negatives, referrals. */
import { formatName } from '../dns/name.ts';
import { formatRdata } from '../dns/rdata/registry.ts';
import { ZONE_NEGATIVE, ZONE_WORDS } from '../zone/compiled-zones.ts';
import {
  DELEGATION,
  FOLLOW,
  HIT,
  isDname,
  type LookupResult,
  NODATA,
  NXDOMAIN,
  REFUSED,
  STEERED,
  YXDOMAIN,
} from '../zone/lookup.ts';
import { nodeName, rrsetData } from '../zone/rrset-data.ts';
import type { ExplainContext, Explanation, ExplanationHead } from './explain.ts';
import { describeClient } from './explain-client.ts';
import type { Asked } from './explain-question.ts';
import type { Snapshot } from './snapshot.ts';

export function explainStatic(
  context: ExplainContext,
  asked: Asked,
  result: LookupResult,
  head: ExplanationHead,
): Explanation {
  const { snapshot } = context;
  const { zones } = snapshot;
  const found = describeStatic(snapshot, result);
  const answer =
    result.outcome === HIT
      ? rrsetText(snapshot, result.rrset)
      : result.outcome === FOLLOW && result.chainLength > 0
        ? rrsetText(snapshot, result.chain[result.chainLength - 1]!)
        : [];
  const rrset =
    found.rrset ??
    (found.negative ? zones.zones[result.zone * ZONE_WORDS + ZONE_NEGATIVE] : undefined);
  const seconds = rrset === undefined ? 0 : rrsetData(zones, rrset).ttlSeconds;
  const why =
    rrset === undefined
      ? 'there is nothing to keep'
      : found.negative
        ? 'the smaller of the SOA’s TTL and its MINIMUM (RFC 2308)'
        : 'as configured';
  return {
    ...head,
    client: describeClient(context, asked, asked.subnet !== undefined),
    outcome: `${describeChain(snapshot, result)}${found.outcome}`,
    policy: undefined,
    pool: undefined,
    classId: undefined,
    candidates: [],
    steps: [],
    rung: undefined,
    outcomes: [],
    draw: undefined,
    answer,
    region: undefined,
    ttl: { seconds, why, endpoints: [] },
    scope: { prefixLength: 0, why: 'the same for every client', network: undefined },
  };
}

type StaticFinding = {
  readonly outcome: string;
  readonly negative: boolean;
  readonly rrset: number | undefined;
};

function describeStatic(snapshot: Snapshot, result: LookupResult): StaticFinding {
  switch (result.outcome) {
    case HIT: {
      const outcome = result.wildcard ? 'static, from a wildcard' : 'static';
      return { outcome, negative: false, rrset: result.rrset };
    }
    case STEERED:
    case NODATA:
      return {
        outcome: 'nodata: the name exists, the type does not',
        negative: true,
        rrset: undefined,
      };
    case NXDOMAIN:
      return { outcome: 'nxdomain: the name does not exist', negative: true, rrset: undefined };
    case DELEGATION: {
      const cut = formatName(nodeName(snapshot.zones, result.node));
      const servers = rrsetText(snapshot, result.rrset).join(' ');
      return { outcome: `${cut} is delegated to ${servers}`, negative: false, rrset: result.rrset };
    }
    case REFUSED:
      return { outcome: 'refused: in no zone of ours', negative: false, rrset: undefined };
    case YXDOMAIN:
      return { outcome: 'yxdomain: a name too long', negative: false, rrset: result.chain[0] };
    default: {
      const rrset = result.chainLength > 0 ? result.chain[0] : undefined;
      return { outcome: 'outside of our zones', negative: false, rrset };
    }
  }
}

/** `CNAME to x., then ` or `DNAME to y., then `, for each alias that was followed. */
export function describeChain(snapshot: Snapshot, result: LookupResult): string {
  let text = '';
  for (let i = 0; i < result.chainLength; i++) {
    const kind = isDname(snapshot.zones, result.chain[i]!) ? 'DNAME' : 'CNAME';
    text += `${kind} to ${rrsetText(snapshot, result.chain[i]!)[0]}, then `;
  }
  return text;
}

function rrsetText(snapshot: Snapshot, rrset: number): readonly string[] {
  const { type, rdata } = rrsetData(snapshot.zones, rrset);
  return rdata.map((bytes) => formatRdata(type, bytes));
}
