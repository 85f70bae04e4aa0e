import { type Check, judgeCheck, type TargetCheck } from '../health/composite.ts';
import { combineAddresses, type Judged } from '../health/endpoint-health.ts';
import { type Judgement, judge, judgeNear, type Tally, tally } from '../health/quorum.ts';
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
  /** This node has just started: not everybody has been heard. */
  readonly isFresh?: boolean;
  /** It stood still, and reads old news before new ones. */
  readonly isBehind?: boolean;
};

/** Names a judgement: the same target may be judged by other rules for another endpoint. */
export const judgementId = (endpoint: string, key: string): string => `${endpoint} ${key}`;

export function judgeEndpoint(
  endpoint: HealthEndpoint,
  { book, isBehind = false, isFresh = false, previous, regions }: JudgeInputs,
  nowMs: number,
): JudgedEndpoint {
  const { downShare, name, quorumMin, region, sockets, targets } = endpoint;
  const agentDown = book.agentDown(region, sockets, nowMs);
  const tallies = new Map<string, Tally>();
  const tallyOf = ({ home, key }: TargetCheck): Tally => {
    const known = tallies.get(key);
    if (known !== undefined) return known;
    const rules = { quorumMin, downShare, targetRegion: home };
    const counted = tally(book.votes(key), rules, nowMs);
    tallies.set(key, counted);
    return counted;
  };
  const judged = new Map<string, Judgement>();
  const judgeTarget = (target: TargetCheck): Judgement => {
    const id = judgementId(name, target.key);
    const known = judged.get(id);
    if (known !== undefined) return known;
    const was = previous.get(id);
    const counted = tallyOf(target);
    const now = judge(counted, was, nowMs);
    // One alone, who may be the first to be heard of many.
    const isFirst = isFresh && counted.voters.length < 2;
    const judgement = (isFirst || isBehind) && was !== undefined ? notYet(was, now) : now;
    judged.set(id, judgement);
    return judgement;
  };
  const all = (judgeIt: (check: Check) => Judgement): Judged =>
    combineAddresses(targets.map(({ address, check }) => ({ address, judgement: judgeIt(check) })));
  const vetoed = agentDown === undefined ? undefined : vetoReason(agentDown);
  const judgedByAll = all((check) => {
    const judgement = judgeCheck(check, judgeTarget);
    return vetoed === undefined ? judgement : takenOut(judgement, vetoed, nowMs);
  });
  // Nobody probes it, but its balancer speaks for it.
  const isUnprobed = targets.length === 0 && vetoed !== undefined;
  const world = isUnprobed ? { ...judgedByAll, ...DOWN, reason: vetoed } : judgedByAll;
  const near = new Map<number, Judged>();
  // Nobody is served there, wherever the client is.
  if (agentDown !== undefined) return { world, near, targets: judged };
  for (const group of nearGroups(endpoint, tallies.values(), regions)) {
    let differs = false;
    const judgeFromThere = (target: TargetCheck): Judgement => {
      const ofWorld = judgeTarget(target);
      const judgement = judgeNear(group, tallyOf(target), ofWorld);
      if (judgement !== ofWorld) differs = true;
      return judgement;
    };
    const judgements = all((check) => judgeCheck(check, judgeFromThere));
    if (differs) near.set(regions.get(group)!, judgements);
  }
  return { world, near, targets: judged };
}

/** What was judged by all is not overthrown by those who happen to be heard first, nor by old news. */
function notYet(was: Judgement, now: Judgement): Judgement {
  if (was.health === 'unknown' || was.health === now.health) return now;
  const reason = `kept ${was.health}: this node has just started, or stood still`;
  return { ...was, reason, slow: false, ttlSeconds: 0, isHeld: true };
}

/**
 * The region's own balancer knows best whether it serves anybody: a veto on all that is judged there.
 * It changes its mind without counting first.
 */
function takenOut(judgement: Judgement, reason: string, nowMs: number): Judgement {
  return {
    ...judgement,
    ...{ health: 'down', reason, slow: false, ttlSeconds: 0, decidedAtMs: nowMs, isHeld: false },
  };
}
const vetoReason = (why: string): string => `its own balancer says so: ${why}`;
const DOWN = { judged: 'down', ttlSeconds: 0 } as const;

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
