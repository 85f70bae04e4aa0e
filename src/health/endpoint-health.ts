import { DEGRADED, DOWN, healthWord, TTL_MASK, UNKNOWN, wordTtlSeconds } from './health-word.ts';
import { applyToWord, type Override } from './override.ts';
import type { Judgement } from './quorum.ts';

/**
 * From the judgements of an endpoint's addresses and the override over it to its health word.
 *
 * DNS answers all addresses of an endpoint together, A to some clients and AAAA to others, and both
 * must agree on the region. So an endpoint is up only when every address family that it is answered
 * with is reachable: down when all addresses of one family are down, degraded (used when nothing
 * better is left) when only some are.
 */
export function endpointHealth(
  judgements: readonly AddressJudgement[],
  override: Override | undefined,
  nowMs: number,
): EndpointHealth {
  const judged = combineAddresses(judgements);
  const flags = FLAGS[judged.judged];
  const word = applyToWord(healthWord(flags, judged.ttlSeconds), override, nowMs);
  const judgedReason = judged.reason;
  if (override === undefined) return { ...judged, judgedReason, word, state: judged.judged };
  return {
    word,
    state: OVERRIDE_STATES[override.action],
    judged: judged.judged,
    reason: overrideReason(override, judged),
    judgedReason,
    ttlSeconds: wordTtlSeconds(word),
  };
}

export type AddressJudgement = { readonly address: string; readonly judgement: Judgement };

export type JudgedHealth = 'up' | 'degraded' | 'unknown' | 'down';
export type EndpointHealth = {
  readonly word: number;
  readonly state: JudgedHealth | 'drained' | 'forced-up' | 'forced-down';
  /** The judged state beneath an override. */
  readonly judged: JudgedHealth;
  /** Why `state`; under an override this names who, and the judged state. */
  readonly reason: string;
  readonly judgedReason: string;
  /** TTL_MASK (8 years) when nothing foreseeable changes it. */
  readonly ttlSeconds: number;
};

/** The judged state of an endpoint without a monitor (no addresses to judge): up, and it stays so. */
function combineAddresses(
  judgements: readonly AddressJudgement[],
): Pick<EndpointHealth, 'judged' | 'reason' | 'ttlSeconds'> {
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
  if (judgements.some(isDownAt)) return 'degraded';
  return judgements.some(({ judgement }) => judgement.health === 'unknown') ? 'unknown' : 'up';
}

function isDecisive(judgement: Judgement, judged: JudgedHealth): boolean {
  return judgement.health === (judged === 'degraded' ? 'down' : judged);
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
