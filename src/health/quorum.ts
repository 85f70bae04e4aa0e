import type { Verdict } from './verdict.ts';

/**
 * Many vantage points, one judgement. Every node computes it from the same votes, so nobody leads.
 *
 *  1. A vantage point that was silent for longer than its lease, or that distrusts its own eyes,
 *     abstains; neither is "down".
 *  2. Votes are counted by group (failure domain): a group says what more than half of its
 *     vantage points say, and nothing when they are split or still unknown.
 *  3. The target's own region cannot know whether others reach it, so it is left out of the count
 *     whenever another group takes part. But it knows best whether the region works: when its vantage
 *     points say down, the target is down (a veto on "up"). It decides only when it is alone.
 *  4. At least `quorumMin` groups must take part. Down needs ⌈(G+1)/2⌉ of the G that do, and
 *     `quorumMin` of them; up again needs ⌈(G+1)/2⌉. With a `downShare` above a half, down needs
 *     that share of G, and up more than what is left of it: then a minority that reaches the target
 *     keeps it up (Route 53: more than 18 %). In every other case (a tie, too few voices, none) the
 *     previous state holds, for STALE_HOLD_MS at most; then it is unknown, which counts as up.
 *  5. Up but slow, for most of the groups that vote, is a mark beside it.
 *
 * `judgeNear` is the same for the clients near one group: what it sees counts for them.
 */
export function judge(count: Tally, previous: Previous | undefined, nowMs: number): Judgement {
  const { need, quorumMin, voters } = count;
  const vetoed = vetoReason(count);
  if (vetoed !== undefined) return decided('down', vetoed, count, nowMs);
  for (const health of ['down', 'up'] as const) {
    const agreeing = voters.filter((group) => group.verdict === health);
    if (voters.length < quorumMin || agreeing.length < need[health]) continue;
    const reason = `${share(agreeing.length, voters)}: ${commonReason(agreeing, health)}`;
    return decided(health, reason, count, nowMs);
  }
  return held(previous, count, nowMs);
}

/**
 * How clients near `group` see the target: as their own vantage points do when those have decided,
 * else as the world does. The veto of the target's region stands above both, and its own vantage
 * points, which always reach it, say nothing about the clients near it.
 */
export function judgeNear(group: string, count: Tally, world: Judgement): Judgement {
  const near = count.byName.get(group);
  if (near === undefined || near === count.own || count.voters.length < 2) return world;
  const soon = secondsToFlipNear(near, count, world);
  const sooner = soon >= world.ttlSeconds ? world : { ...world, ttlSeconds: soon };
  if (near.verdict === 'unknown' || vetoReason(count) !== undefined) return sooner;
  // One pair of eyes against the world's word "down" must be sure of itself.
  if (near.verdict === 'up' && world.health === 'down' && isLeaving(near)) return sooner;
  const slow = near.verdict === 'up' && isSlow(near);
  const agrees = near.verdict === (world.health === 'unknown' ? 'up' : world.health);
  if (agrees && slow === world.slow && sooner === world) return world;
  return {
    ...world,
    health: agrees ? world.health : near.verdict,
    slow,
    reason: `seen from ${group}: ${commonReason([near], near.verdict)}`,
    ttlSeconds: agrees ? sooner.ttlSeconds : soon,
  };
}

/** Counts the votes on one target once, for the world's judgement and those of all who are near. */
export function tally(votes: readonly Vote[], rules: QuorumRules, nowMs: number): Tally {
  const byName = groupVotes(votes, nowMs);
  const groups = [...byName.values()];
  const own = rules.targetRegion === undefined ? undefined : byName.get(rules.targetRegion);
  const others = groups.filter((group) => group !== own);
  const voters = others.length > 0 || own === undefined ? others : [own];
  const up = moreThan(1 - (rules.downShare ?? 0.5), voters.length);
  const down = Math.max(majority(voters.length), voters.length - up + 1, rules.quorumMin);
  return {
    byName,
    own,
    voters,
    veto: others.length > 0 ? own : undefined,
    need: { up, down },
    quorumMin: rules.quorumMin,
  };
}

/** One vantage point's verdict on one target. `leaseMs` after `atMs` it counts as silent. */
export type Vote = {
  readonly vantage: string;
  /** Failure domain: vantage points that fail together. A region's name stands for the region. */
  readonly group: string;
  readonly verdict: Verdict;
  readonly slow: boolean;
  readonly reason: string;
  readonly atMs: number;
  readonly leaseMs: number;
  readonly secondsToChange: number;
  /** True while failures count towards down. */
  readonly failing: boolean;
  /** False while the vantage point distrusts itself. */
  readonly trusted: boolean;
};

export type QuorumRules = {
  /** Fewest groups that must agree on "down", and that must take part for any change; at least 1. */
  readonly quorumMin: number;
  /** Share of the groups that must say "down", from 0.5 (the default: more than half) to 1. */
  readonly downShare?: number | undefined;
  readonly targetRegion: string | undefined;
};

export type Health = 'up' | 'down' | 'unknown';
/** What held before, and when votes last decided it. */
export type Previous = { readonly health: Health; readonly decidedAtMs: number };

/** `ttlSeconds` is the earliest possible change of `health`; 0 when it may change at any moment. */
export type Judgement = Previous & {
  readonly reason: string;
  readonly ttlSeconds: number;
  /** Up, but slower than it should be, or degraded by its own word. */
  readonly slow: boolean;
  /** True when the votes did not decide: the state is the previous one, or unknown. */
  readonly isHeld: boolean;
};

/** A vantage point silent for this many intervals abstains. */
export const LEASE_INTERVALS = 3;
/** How long a state outlives the votes that decided it. */
export const STALE_HOLD_MS = 600_000;

/** True while the vantage point's word counts. */
export function participates(
  vote: Pick<Vote, 'atMs' | 'leaseMs'> & { readonly trusted?: boolean },
  nowMs: number,
): boolean {
  return vote.trusted !== false && nowMs - vote.atMs <= vote.leaseMs;
}

type Group = { readonly name: string; readonly verdict: Verdict; readonly votes: readonly Vote[] };

/** Votes on one target, counted by group. */
export type Tally = {
  /** The groups whose vantage points take part now. */
  readonly byName: ReadonlyMap<string, Group>;
  readonly own: Group | undefined;
  readonly voters: readonly Group[];
  readonly veto: Group | undefined;
  /** Groups that must agree. */
  readonly need: { readonly up: number; readonly down: number };
  readonly quorumMin: number;
};

/** ⌈(n+1)/2⌉: more than half. */
const majority = (count: number): number => Math.ceil((count + 1) / 2);
/** Fewest that are more than this share; a share like 1 - 0.82 is not exact. */
const moreThan = (share: number, count: number): number => Math.floor(share * count + 1e-9) + 1;

function vetoReason({ veto }: Tally): string | undefined {
  if (veto?.verdict !== 'down') return undefined;
  return `its own region sees it down: ${commonReason([veto], 'down')}`;
}

function groupVotes(votes: readonly Vote[], nowMs: number): ReadonlyMap<string, Group> {
  const byName = new Map<string, Vote[]>();
  for (const vote of votes) {
    if (!participates(vote, nowMs)) continue;
    const members = byName.get(vote.group);
    if (members === undefined) byName.set(vote.group, [vote]);
    else members.push(vote);
  }
  const groups = new Map<string, Group>();
  for (const [name, members] of byName) {
    groups.set(name, { name, votes: members, verdict: groupVerdict(members) });
  }
  return groups;
}

function groupVerdict(votes: readonly Vote[]): Verdict {
  const need = majority(votes.length);
  if (votes.filter((vote) => vote.verdict === 'down').length >= need) return 'down';
  if (votes.filter((vote) => vote.verdict === 'up').length >= need) return 'up';
  return 'unknown';
}

function decided(health: 'up' | 'down', reason: string, count: Tally, nowMs: number): Judgement {
  const slow = health === 'up' && isMostlySlow(count.voters);
  return {
    health,
    reason: slow ? `${reason}, but slow or degraded` : reason,
    slow,
    ttlSeconds: secondsToFlip(health, count),
    decidedAtMs: nowMs,
    isHeld: false,
  };
}

function held(previous: Previous | undefined, count: Tally, nowMs: number): Judgement {
  const { voters, quorumMin } = count;
  const why = holdReason(voters, quorumMin);
  const undecided = { slow: false, isHeld: true } as const;
  if (previous === undefined || previous.health === 'unknown') {
    return { ...undecided, health: 'unknown', reason: why, ttlSeconds: 0, decidedAtMs: nowMs };
  }
  if (nowMs - previous.decidedAtMs > STALE_HOLD_MS) {
    const minutes = Math.round(STALE_HOLD_MS / 60_000);
    const reason = `was ${previous.health}, undecided for ${minutes} minutes: ${why}`;
    return { ...undecided, health: 'unknown', reason, ttlSeconds: 0, decidedAtMs: nowMs };
  }
  // Whoever is missing may be back at any moment, so a held state promises nothing unless the
  // voters that are there are enough to compute with.
  const ttlSeconds = voters.length < quorumMin ? 0 : secondsToFlip(previous.health, count);
  const { health, decidedAtMs } = previous;
  return { ...undecided, health, decidedAtMs, reason: `kept ${health}: ${why}`, ttlSeconds };
}

function holdReason(voters: readonly Group[], quorumMin: number): string {
  if (voters.length === 0) return 'no vantage point has reported lately';
  if (voters.length < quorumMin) return `only ${voters.length} of the ${quorumMin} voices needed`;
  const downs = voters.filter((group) => group.verdict === 'down');
  if (downs.length === 0) return 'not judged yet';
  return `${share(downs.length, voters)} say down: ${commonReason(downs, 'down')}`;
}

function share(agreeing: number, voters: readonly Group[]): string {
  const single = voters.every((group) => group.votes.length === 1);
  return `${agreeing} of ${voters.length} vantage ${single ? 'points' : 'groups'}`;
}

/** The reason that most of the votes with this verdict give; the first of equals. */
function commonReason(groups: readonly Group[], verdict: Verdict): string {
  const counts = new Map<string, number>();
  for (const { votes } of groups) {
    for (const vote of votes) {
      if (vote.verdict === verdict) counts.set(vote.reason, (counts.get(vote.reason) ?? 0) + 1);
    }
  }
  let best = '';
  for (const [reason, count] of counts) if (count > (counts.get(best) ?? 0)) best = reason;
  return best;
}

const isSlow = ({ votes }: Group): boolean =>
  votes.filter((vote) => vote.slow).length >= majority(votes.length);

const isMostlySlow = (voters: readonly Group[]): boolean =>
  voters.filter(isSlow).length >= majority(voters.length);

/** Enough of the group are down or on their way there. */
const isLeaving = ({ votes }: Group): boolean =>
  votes.filter((vote) => vote.verdict === 'down' || vote.failing).length >= majority(votes.length);

/**
 * Seconds until the judgement could be the opposite: the time by which enough groups could have
 * changed their mind. 0 when a change for the worse is under way, that is, enough groups are down or
 * on their way there: then an answer must not be kept longer than the shortest TTL allows.
 */
function secondsToFlip(health: 'up' | 'down', { voters, veto, need }: Tally): number {
  if (health === 'up') {
    if (voters.filter(isLeaving).length >= need.down) return 0;
    if (veto !== undefined && isLeaving(veto)) return 0;
    const vote = nthSmallest(
      voters.map((group) => secondsTo('down', group)),
      need.down,
    );
    return veto === undefined ? vote : Math.min(vote, secondsTo('down', veto));
  }
  const vote = nthSmallest(
    voters.map((group) => secondsTo('up', group)),
    need.up,
  );
  return veto?.verdict === 'down' ? Math.max(vote, secondsToLift(veto)) : vote;
}

/** The same for the clients near a group, who follow it when it has decided and the world else. */
function secondsToFlipNear(near: Group, { veto }: Tally, world: Judgement): number {
  if (veto?.verdict === 'down') {
    return Math.max(secondsToLift(veto), near.verdict === 'up' ? 0 : secondsTo('up', near));
  }
  // A first failure, or its forgiveness, is enough.
  if (isLeaving(near) && near.verdict !== 'down') return 0;
  if (near.verdict === 'down' && world.health !== 'down') return secondsToLift(near);
  // 0 for an "up" against the world's "down".
  return secondsTo(world.health === 'down' ? 'up' : 'down', near);
}

/** Until a group that says "down" does not any more, though it may not be up yet. */
function secondsToLift({ votes }: Group): number {
  const downs = votes.filter(({ verdict }) => verdict === 'down');
  const seconds = downs.map(({ secondsToChange }) => secondsToChange);
  return nthSmallest(seconds, downs.length - majority(votes.length) + 1);
}

function secondsTo(verdict: 'up' | 'down', { votes }: Group): number {
  const seconds = votes.map((vote) => (vote.verdict === verdict ? 0 : vote.secondsToChange));
  return nthSmallest(seconds, majority(votes.length));
}

function nthSmallest(values: readonly number[], n: number): number {
  return values.toSorted((a, b) => a - b)[n - 1] ?? 0;
}
