import { distanceKm } from '../geo/distance.ts';
import type { Location } from '../geo/location.ts';

/**
 * How far a client probably is before anybody has measured: light goes a hundred kilometres and back through glass
 * in a millisecond, ways are longer than straight lines, and the last mile takes its own.
 */
const MS_PER_KM = 0.01;
const DETOUR = 1.6;
const LAST_MILE_MS = 5;
/** No straighter way can be: what a region that nobody has measured could be at best. */
const BEST_MILE_MS = 2;
/** Half around the world, when nothing is known of a place. */
const UNKNOWN_KM = 8_000;

/** Expected round-trip time, milliseconds. */
export function priorMs(client: Location | undefined, region: Location | undefined): number {
  return LAST_MILE_MS + kilometres(client, region) * MS_PER_KM * DETOUR;
}

/** The least that it can be, milliseconds. */
export function floorMs(client: Location | undefined, region: Location | undefined): number {
  return BEST_MILE_MS + kilometres(client, region) * MS_PER_KM;
}

function kilometres(client: Location | undefined, region: Location | undefined): number {
  const known = client && region && distanceKm(client, region);
  return known ?? UNKNOWN_KM;
}
