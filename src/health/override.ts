import { DOWN, FORCED, healthWord, TTL_MASK } from './health-word.ts';

/**
 * What people say over health. An override never touches the judged state: that lives on beneath
 * and decides again the moment the override is cleared or lapses.
 */
export type Override = {
  readonly target: { readonly kind: 'region' | 'pool' | 'endpoint'; readonly name: string };
  /** `drain` and `down` take the target out of answers (drain says that it is on purpose); `up` puts it in. */
  readonly action: 'drain' | 'up' | 'down';
  readonly reason: string;
  readonly by: string;
  readonly setAtMs: number;
  /** Absent = until cleared. */
  readonly expiresAtMs?: number | undefined;
  /** The drill that set it; absent = a person did. */
  readonly drill?: string | undefined;
};

/** The names by which an override can mean an endpoint; `name` is `pool/region`. */
export type OverrideSubject = {
  readonly name: string;
  readonly pool: string;
  readonly region: string;
};

/**
 * The override that decides for this endpoint at this instant, if any. A person's word beats a
 * drill's whatever they name (manual > drill > automatic); then the narrower target wins
 * (endpoint > pool > region), then the later.
 */
export function activeOverride(
  overrides: readonly Override[],
  endpoint: OverrideSubject,
  nowMs: number,
): Override | undefined {
  let best: Override | undefined;
  for (const override of overrides) {
    if (!isInForce(override, nowMs) || !concerns(override, endpoint)) continue;
    if (best === undefined || outranks(override, best)) best = override;
  }
  return best;
}

/** Regions that are out of answers by an override on the whole region. */
export function drainedRegions(overrides: readonly Override[], nowMs: number): ReadonlySet<string> {
  const named = overrides.flatMap(({ target }) => (target.kind === 'region' ? [target.name] : []));
  const isOut = (region: string): boolean => {
    const active = activeOverride(overrides, { name: '', pool: '', region }, nowMs);
    return active !== undefined && active.action !== 'up';
  };
  return new Set(named.filter(isOut));
}

/** True until the override lapses. */
export function isInForce(override: Override, nowMs: number): boolean {
  return override.expiresAtMs === undefined || override.expiresAtMs > nowMs;
}

/** When the next override lapses, in milliseconds of the clock; undefined when none will. */
export function nextExpiry(overrides: readonly Override[], nowMs: number): number | undefined {
  let next: number | undefined;
  for (const { expiresAtMs } of overrides) {
    if (expiresAtMs === undefined || expiresAtMs <= nowMs) continue;
    if (next === undefined || expiresAtMs < next) next = expiresAtMs;
  }
  return next;
}

/**
 * The health word with the override on top. The TTL becomes the time until the override lapses,
 * since nothing that is judged meanwhile can change the answer.
 */
export function applyToWord(word: number, override: Override | undefined, nowMs: number): number {
  if (override === undefined) return word;
  const flags = override.action === 'up' ? FORCED : (DOWN | FORCED) >>> 0;
  const { expiresAtMs } = override;
  return healthWord(flags, expiresAtMs === undefined ? TTL_MASK : (expiresAtMs - nowMs) / 1000);
}

const SPECIFICITY = { region: 0, pool: 1, endpoint: 2 } as const;

function concerns(override: Override, endpoint: OverrideSubject): boolean {
  const { kind, name } = override.target;
  if (kind === 'endpoint') return name === endpoint.name;
  return name === (kind === 'pool' ? endpoint.pool : endpoint.region);
}

function outranks(challenger: Override, holder: Override): boolean {
  const manual = Number(challenger.drill === undefined) - Number(holder.drill === undefined);
  if (manual !== 0) return manual > 0;
  const narrower = SPECIFICITY[challenger.target.kind] - SPECIFICITY[holder.target.kind];
  if (narrower !== 0) return narrower > 0;
  return challenger.setAtMs >= holder.setAtMs;
}
