import { type Clock, repeat } from '../control/clock.ts';
import type { Events } from '../control/events.ts';
import type { Serving } from '../control/serving.ts';

/** How often the age is looked at. */
export const GEO_AGE_MS = 3_600_000;
const DAY_MS = 86_400_000;

type Dated = Pick<Serving, 'geo'> & { readonly config: Pick<Serving['config'], 'geo'> };

/**
 * Says of geo data, once, that they are older than `geo.maxAge`: networks move, and steering by old data gets
 * worse without anything that fails. Returns what stops it.
 */
export function watchGeoAge(
  clock: Clock,
  events: Pick<Events, 'record'>,
  current: () => Dated,
): () => void {
  let told = '';
  const check = (): void => {
    const { config, geo } = current();
    const ageMs = clock.nowMs() - geo.builtAtMs;
    const isOld = geo.builtAtMs > 0 && ageMs > config.geo.maxAgeMs;
    if (!isOld || told === geo.description) return;
    told = geo.description;
    const days = Math.floor(ageMs / DAY_MS);
    const advice = 'Configure newer geo.databases, or build a new pack (geo/README.md).';
    events.record('geo.old', 'geo', `${geo.description} is ${days} days old. ${advice}`, 'warn');
  };
  check();
  return repeat(clock, GEO_AGE_MS, check);
}
