import { isDown } from '../health/health-word.ts';
import type { HealthWords } from '../health/health-words.ts';
import { activeOverride, type Override } from '../health/override.ts';
import type { OverrideRequest, OverrideStatus, Problem, Target } from './control-plane.ts';
import type { Serving } from './serving.ts';

/** The longest that an override lasts before it lapses by itself: a year. */
export const OVERRIDE_SECONDS_MAX = 366 * 24 * 3600;

/**
 * Whether a person's word is taken. What it names must exist; and it may not leave a pool without
 * any usable endpoint unless forced: most outages are somebody's deploy.
 */
export function checkOverride(
  request: OverrideRequest,
  serving: Serving,
  words: HealthWords,
): Problem | undefined {
  const { action, force, forSeconds } = request;
  const unknown = checkTarget(request.target, serving);
  if (unknown) return unknown;
  if (forSeconds !== undefined && !(forSeconds > 0 && forSeconds <= OVERRIDE_SECONDS_MAX)) {
    return {
      problem: 'invalid',
      code: 'duration-out-of-range',
      message: `An override lasts between 1 second and ${OVERRIDE_SECONDS_MAX / 86_400} days.`,
      hint: 'Leave the duration out for one that lasts until it is cleared.',
    };
  }
  if (action === 'up' || force === true) return undefined;
  const stranded = strandedPool(request.target, serving, words);
  if (stranded === undefined) return undefined;
  return {
    problem: 'refused',
    code: 'no-usable-endpoint',
    message: `This would leave pool ${stranded} without any usable endpoint.`,
    hint: 'Bring another region back first, or repeat with force (--force).',
  };
}

/** The override as the API shows it. */
export function overrideStatus(override: Override): OverrideStatus {
  const { target, action, reason, by, setAtMs, expiresAtMs, drill } = override;
  return { target, action, reason, by, setAtMs, expiresAtMs, drill };
}

export function checkTarget({ kind, name }: Target, serving: Serving): Problem | undefined {
  const known =
    kind === 'region'
      ? Object.keys(serving.config.regions)
      : kind === 'pool'
        ? Object.keys(serving.config.pools)
        : serving.snapshot.endpoints.map((endpoint) => endpoint.name);
  if (known.includes(name)) return undefined;
  return {
    problem: 'not-found',
    code: `unknown-${kind}`,
    message: `There is no ${kind} "${name}".`,
    hint: `Known: ${known.slice(0, 20).join(', ') || 'none'}.`,
  };
}

/** A pool that has usable endpoints now and would have none without the target's. */
function strandedPool(target: Target, serving: Serving, words: HealthWords): string | undefined {
  const { endpoints } = serving.snapshot;
  const probe: Override = { target, action: 'down', reason: '', by: '', setAtMs: 0 };
  for (const pool of Object.keys(serving.config.pools)) {
    const usable = [...endpoints.keys()].filter((index) => {
      return endpoints[index]!.pool === pool && !isDown(words.words[index] ?? 0);
    });
    if (usable.length === 0) continue;
    const left = usable.filter((index) => !activeOverride([probe], endpoints[index]!, 0));
    if (left.length === 0) return pool;
  }
  return undefined;
}
