/**
 * The velocity limit: how much of a pool automatic judgement may take out of the answers within a
 * window. A mistake of our own eyes (a bad probe, a network that flaps) looks like many regions dying
 * one after the other; beyond the limit the endpoints stay in the answers and people are called.
 * When all of the pool is down nothing is kept: then every client gets its own region again, which is
 * better than the whole world in one. A limit on speed, not on truth: what has been down for the whole
 * window is taken out all the same, and a person's word is never limited. One endpoint may always
 * leave, whatever its share (unless that is 0).
 *
 * Which ones are kept depends on size and names, the largest leaving first, not on who was seen first:
 * nodes that saw the same things in another order must answer alike.
 */
export type WithdrawalRules = {
  /** Share of the pool's capacity (or weight) that may be withdrawn within the window, 0..1. */
  readonly shareMax: number;
  /** Endpoints that may be, whatever their share. */
  readonly countMax: number;
  readonly windowMs: number;
};

export type PoolMember = {
  readonly name: string;
  /** What it carries, in any unit that is the same for the whole pool. */
  readonly capacity: number;
  /** When it was judged down; undefined = it is not. */
  readonly downSinceMs: number | undefined;
};

/** Names of endpoints that are judged down but stay in the answers. */
export function frozenMembers(
  members: readonly PoolMember[],
  rules: WithdrawalRules,
  nowMs: number,
): ReadonlySet<string> {
  // With nothing left to steer to there is nothing to protect: the ladder answers as if all were up.
  if (members.every(({ downSinceMs }) => downSinceMs !== undefined)) return new Set();
  const total = members.reduce((sum, { capacity }) => sum + capacity, 0);
  const recent = members
    .filter(({ downSinceMs }) => downSinceMs !== undefined && nowMs - downSinceMs < rules.windowMs)
    .toSorted((a, b) => b.capacity - a.capacity || (a.name < b.name ? -1 : 1));
  const frozen = new Set<string>();
  let count = 0;
  let capacity = 0;
  for (const member of recent) {
    // One region is what fail-over is for, however much of the pool it is.
    const isAlone = count === 0 && rules.shareMax > 0;
    // What carries nothing is not missed.
    const isLittle =
      member.capacity === 0 || capacity + member.capacity <= total * (rules.shareMax + EPSILON);
    const fits = count < rules.countMax && (isAlone || isLittle);
    if (!fits) {
      frozen.add(member.name);
      continue;
    }
    count += 1;
    capacity += member.capacity;
  }
  return frozen;
}

/** Three thirds are a whole. */
const EPSILON = 1e-9;
