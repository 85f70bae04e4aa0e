import { DEGRADED, DOWN, healthWord, TTL_MASK, UNKNOWN, wordTtlSeconds } from './health-word.ts';
import { applyToWord, type Override } from './override.ts';
import type { Judgement } from './quorum.ts';

/**
 * From what an endpoint is judged to be, and what else decides, to its health word.
 *
 * DNS answers all addresses of an endpoint together, A to some clients and AAAA to others, and both
 * must agree on the region. So an endpoint is up only when every address family that it is answered
 * with is reachable: down when all addresses of one family are down, degraded (used when nothing
 * better is left) when only some are.
 */
export function endpointHealth(
  judged: Judged,
  { frozen, override, share }: Circumstances,
  nowMs: number,
): EndpointHealth {
  const isFrozen = frozen && judged.judged === 'down';
  const flags = isFrozen ? 0 : FLAGS[judged.judged];
  // A frozen endpoint goes as soon as there is room for it to go, or comes back.
  const ttlSeconds = isFrozen ? 0 : judged.ttlSeconds;
  const isReturning = share < 1 && flags !== DOWN;
  const ownWord = healthWord(flags, isReturning ? 0 : ttlSeconds, isReturning ? share : 1);
  const word = applyToWord(ownWord, override, nowMs);
  const judgedReason = judged.reason;
  if (override !== undefined) {
    return {
      word,
      state: OVERRIDE_STATES[override.action],
      judged: judged.judged,
      reason: overrideReason(override, judged),
      judgedReason,
      ttlSeconds: wordTtlSeconds(word),
      share: 1,
    };
  }
  const reason = isFrozen
    ? `kept in the answers, too much is down: ${judged.reason}`
    : judged.reason;
  return {
    word,
    state: isFrozen ? 'frozen' : judged.judged,
    judged: judged.judged,
    reason,
    judgedReason,
    ttlSeconds: wordTtlSeconds(word),
    share: isReturning ? share : 1,
  };
}

/** What decides beside the judgements. */
export type Circumstances = {
  readonly override: Override | undefined;
  /** The withdrawal limit keeps it in the answers (withdrawal.ts). */
  readonly frozen: boolean;
  /** The part of its share that it gets by now (ramp.ts), 0..1. */
  readonly share: number;
};

export type AddressJudgement = { readonly address: string; readonly judgement: Judgement };

export type Judged = Pick<EndpointHealth, 'judged' | 'reason' | 'ttlSeconds'>;
export type JudgedHealth = 'up' | 'degraded' | 'unknown' | 'down';
export type EndpointHealth = {
  readonly word: number;
  readonly state: JudgedHealth | 'frozen' | 'drained' | 'forced-up' | 'forced-down';
  /** The judged state beneath an override. */
  readonly judged: JudgedHealth;
  /** Why `state`; under an override this names who, and the judged state. */
  readonly reason: string;
  readonly judgedReason: string;
  /** TTL_MASK (12 days) when nothing foreseeable changes it. */
  readonly ttlSeconds: number;
  /** The part of its share that it gets: below 1 while it returns slowly. */
  readonly share: number;
};

/** What the judgements of its addresses make of an endpoint; one without a monitor is up, and stays so. */
export function combineAddresses(judgements: readonly AddressJudgement[]): Judged {
  if (judgements.length === 0) {
    return { judged: 'up', reason: 'not monitored', ttlSeconds: TTL_MASK };
  }
  const judged = combinedState(judgements);
  const decisive = judgements.filter(({ judgement }) => isDecisive(judgement, judged));
  const { address, judgement } = decisive[0] ?? judgements[0]!;
  const reason =
    judgements.length === 1 || judged === 'up'
      ? judgement.reason
      : `${address}: ${judgement.reason}`;
  const ttlSeconds = Math.min(...judgements.map((each) => each.judgement.ttlSeconds));
  return { judged, reason, ttlSeconds: Math.min(TTL_MASK, Math.floor(ttlSeconds)) };
}

const FLAGS: Record<JudgedHealth, number> = {
  up: 0,
  degraded: DEGRADED,
  unknown: UNKNOWN,
  down: DOWN,
};

const OVERRIDE_STATES = { drain: 'drained', up: 'forced-up', down: 'forced-down' } as const;

function combinedState(judgements: readonly AddressJudgement[]): JudgedHealth {
  const isDownAt = ({ judgement }: AddressJudgement): boolean => judgement.health === 'down';
  const families = [
    judgements.filter(({ address }) => !address.includes(':')),
    judgements.filter(({ address }) => address.includes(':')),
  ].filter((family) => family.length > 0);
  if (families.some((family) => family.every(isDownAt))) return 'down';
  if (judgements.some((each) => isDownAt(each) || each.judgement.slow)) return 'degraded';
  return judgements.some(({ judgement }) => judgement.health === 'unknown') ? 'unknown' : 'up';
}

function isDecisive({ health, slow }: Judgement, judged: JudgedHealth): boolean {
  return judged === 'degraded' ? health === 'down' || slow : health === judged;
}

function overrideReason(
  { action, by, reason, drill }: Override,
  beneath: Pick<EndpointHealth, 'judged' | 'reason'>,
): string {
  const who = drill === undefined ? by : `drill ${drill}`;
  const verb = action === 'drain' ? 'drained' : `forced ${action}`;
  const why = reason === '' ? '' : ` (${reason})`;
  return `${verb} by ${who}${why}; judged ${beneath.judged}: ${beneath.reason}`;
}
