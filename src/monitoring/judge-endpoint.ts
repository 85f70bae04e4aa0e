import { judgeCheck } from '../health/composite.ts';
import { combineAddresses, type Judged } from '../health/endpoint-health.ts';
import {
  type Judgement,
  judge,
  judgeNear,
  type QuorumRules,
  type Tally,
  tally,
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
  const { downShare, name, quorumMin, region, sockets, targets } = endpoint;
  const rules: QuorumRules = {
    quorumMin,
    downShare,
    targetRegion: region,
    agentDown: book.agentDown(region, sockets, nowMs),
  };
  const tallies = new Map<string, Tally>();
  const tallyOf = (key: string): Tally => {
    const known = tallies.get(key);
    if (known !== undefined) return known;
    const counted = tally(book.votes(key), rules, nowMs);
    tallies.set(key, counted);
    return counted;
  };
  const judged = new Map<string, Judgement>();
  const judgeTarget = (key: string): Judgement => {
    const id = judgementId(name, key);
    const known = judged.get(id);
    if (known !== undefined) return known;
    const judgement = judge(tallyOf(key), previous.get(id), nowMs);
    judged.set(id, judgement);
    return judgement;
  };
  const world = combineAddresses(
    targets.map(({ address, check }) => ({ address, judgement: judgeCheck(check, judgeTarget) })),
  );
  const near = new Map<number, Judged>();
  for (const group of nearGroups(endpoint, tallies.values(), regions)) {
    let differs = false;
    const judgeFromThere = (key: string): Judgement => {
      const ofWorld = judgeTarget(key);
      const judgement = judgeNear(group, tallyOf(key), ofWorld);
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
  { region }: HealthEndpoint,
  tallies: Iterable<Tally>,
  regions: ReadonlyMap<string, number>,
): ReadonlySet<string> {
  const groups = new Set<string>();
  for (const { byName } of tallies) {
    for (const group of byName.keys()) {
      if (group !== region && regions.has(group)) groups.add(group);
    }
  }
  return groups;
}
