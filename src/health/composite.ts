import type { Judgement } from './quorum.ts';

/**
 * Health of something that is several things: what an endpoint is judged by, as a tree whose leaves
 * are targets that vantage points probe.
 *
 * A composite is down when a member that it must have is down, or when the weights of the members
 * that are not down sum to less than `need`. An inverted member counts as up when its target is down:
 * a standby that takes over when the primary is gone. Unknown is not down, either way round: what is
 * not known makes the whole unknown only where it could still decide.
 */
export type Check =
  | TargetCheck
  | {
      readonly kind: 'composite';
      readonly name: string;
      readonly members: readonly CheckMember[];
      /** Sum of weights that must not be down. */
      readonly need: number;
    };

export type TargetCheck = {
  readonly kind: 'target';
  readonly key: string;
  /** The region at whose address it is; absent = no region's. */
  readonly home?: string;
};

export type CheckMember = {
  readonly check: Check;
  readonly required: boolean;
  readonly inverted: boolean;
  readonly weight: number;
};

/** The keys of all targets of a check, in order. */
export function checkKeys(check: Check): readonly string[] {
  if (check.kind === 'target') return [check.key];
  return check.members.flatMap((member) => checkKeys(member.check));
}

/** Judges the check; `judgeTarget` judges a leaf. */
export function judgeCheck(
  check: Check,
  judgeTarget: (target: TargetCheck) => Judgement,
): Judgement {
  if (check.kind === 'target') return judgeTarget(check);
  const members = check.members.map((member) => {
    const judgement = judgeCheck(member.check, judgeTarget);
    return { member, judgement: member.inverted ? inverted(judgement) : judgement };
  });
  const missing = members.find(
    ({ judgement, member }) => member.required && judgement.health === 'down',
  );
  const weight = sumWeights(members.filter(({ judgement }) => judgement.health !== 'down'));
  const isDown = missing !== undefined || weight < check.need;
  const decisive = missing ?? members.find(({ judgement }) => judgement.health === 'down');
  const undecided = isSurelyUp(members, check.need)
    ? undefined
    : members.find(({ judgement }) => judgement.health === 'unknown');
  const health = isDown ? 'down' : undecided === undefined ? 'up' : 'unknown';
  const total = sumWeights(members);
  const count = `${check.name}: ${weight} of ${total}, ${check.need} needed`;
  const because = decisive ?? (isDown ? undefined : undecided);
  const why =
    because === undefined ? '' : ` (${nameOf(because.member)}: ${because.judgement.reason})`;
  return {
    health,
    reason: missing === undefined ? `${count}${why}` : `${check.name}: must have${why}`,
    slow: !isDown && members.some(({ judgement }) => judgement.health === 'up' && judgement.slow),
    // Any member may tip the balance.
    ttlSeconds: Math.min(...members.map(({ judgement }) => judgement.ttlSeconds)),
    decidedAtMs: Math.max(...members.map(({ judgement }) => judgement.decidedAtMs)),
    isHeld: members.some(({ judgement }) => judgement.isHeld),
  };
}

/** The first target that makes the check slow: none that is not wanted, none of a group that does not count as up. */
export function slowTarget(
  check: Check,
  judgeTarget: (target: TargetCheck) => Judgement,
): TargetCheck | undefined {
  if (!judgeCheck(check, judgeTarget).slow) return undefined;
  if (check.kind === 'target') return check;
  const guilty = check.members.find((member) => {
    const { health, slow } = judgeCheck(member.check, judgeTarget);
    return !member.inverted && health === 'up' && slow;
  });
  return guilty && slowTarget(guilty.check, judgeTarget);
}

type Judged = { readonly member: CheckMember; readonly judgement: Judgement };

/** Fractions of weights are summed as people do: 0.7 and 0.1 are 0.8. */
function sumWeights(members: readonly Judged[]): number {
  const sum = members.reduce((total, { member }) => total + member.weight, 0);
  return Math.round(sum * WEIGHT_UNITS) / WEIGHT_UNITS;
}

const WEIGHT_UNITS = 1e9;

/** Up whatever those turn out to be that are not known. */
function isSurelyUp(members: readonly Judged[], need: number): boolean {
  const known = members.filter(({ judgement }) => judgement.health === 'up');
  const mustHave = members.filter(({ member }) => member.required);
  return mustHave.every((each) => known.includes(each)) && sumWeights(known) >= need;
}

function inverted(judgement: Judgement): Judgement {
  const { health, reason } = judgement;
  if (health === 'unknown') return judgement;
  const opposite = health === 'up' ? 'down' : 'up';
  return {
    ...judgement,
    health: opposite,
    slow: false,
    reason: `not wanted, and ${health}: ${reason}`,
  };
}

function nameOf({ check }: CheckMember): string {
  return check.kind === 'target' ? check.key : check.name;
}
