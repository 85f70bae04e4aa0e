import { type Check, checkKeys, judgeCheck } from '../health/composite.ts';
import { combineAddresses, type Judged } from '../health/endpoint-health.ts';
import {
  type Judgement,
  judge,
  judgeNear,
  participatingGroups,
  type QuorumRules,
} from '../health/quorum.ts';
import type { HealthEndpoint } from './health-table.ts';
import type { VoteBook } from './vote-book.ts';

/**
 * One endpoint judged: as the world sees it, and as clients near a region do where that differs.
 * Reads votes and earlier judgements, changes nothing.
 */
export type JudgedEndpoint = {
  readonly world: Judged;
  /** By client region. */
  readonly near: ReadonlyMap<number, Judged>;
  /** Judgements of its targets, by judgementId: what the next time calls "previous". */
  readonly targets: ReadonlyMap<string, Judgement>;
};

export type JudgeInputs = {
  readonly book: Pick<VoteBook, 'votes' | 'agentDown'>;
  readonly previous: ReadonlyMap<string, Judgement>;
  /** Client regions by name. */
  readonly regions: ReadonlyMap<string, number>;
};

/** Names a judgement: the same target may be judged by other rules for another endpoint. */
export const judgementId = (endpoint: string, key: string): string => `${endpoint} ${key}`;

export function judgeEndpoint(
  endpoint: HealthEndpoint,
  { book, previous, regions }: JudgeInputs,
  nowMs: number,
): JudgedEndpoint {
  const { name, quorumMin, region, sockets, targets } = endpoint;
  const rules: QuorumRules = {
    quorumMin,
    targetRegion: region,
    agentDown: book.agentDown(region, sockets, nowMs),
  };
  const judged = new Map<string, Judgement>();
  const judgeTarget = (key: string): Judgement => {
    const id = judgementId(name, key);
    const known = judged.get(id);
    if (known !== undefined) return known;
    const judgement = judge(book.votes(key), rules, previous.get(id), nowMs);
    judged.set(id, judgement);
    return judgement;
  };
  const world = combineAddresses(
    targets.map(({ address, check }) => ({ address, judgement: judgeCheck(check, judgeTarget) })),
  );
  const near = new Map<number, Judged>();
  for (const group of nearGroups(endpoint, book, regions, nowMs)) {
    let differs = false;
    const judgeFromThere = (key: string): Judgement => {
      const ofWorld = judgeTarget(key);
      const judgement = judgeNear(group, book.votes(key), rules, ofWorld, nowMs);
      if (judgement !== ofWorld) differs = true;
      return judgement;
    };
    const judgements = targets.map(({ address, check }) => ({
      address,
      judgement: judgeCheck(check, judgeFromThere),
    }));
    if (differs) near.set(regions.get(group)!, combineAddresses(judgements));
  }
  return { world, near, targets: judged };
}

/** Regions whose vantage points have a say on this endpoint, and which are not its own. */
function nearGroups(
  { region, targets }: HealthEndpoint,
  book: JudgeInputs['book'],
  regions: ReadonlyMap<string, number>,
  nowMs: number,
): ReadonlySet<string> {
  const keys = new Set(targets.flatMap(({ check }: { readonly check: Check }) => checkKeys(check)));
  const groups = new Set([...keys].flatMap((key) => participatingGroups(book.votes(key), nowMs)));
  return new Set([...groups].filter((group) => group !== region && regions.has(group)));
}
