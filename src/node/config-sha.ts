import { createHash } from 'node:crypto';
import type { Config, ZoneConfig } from '../config/config.ts';

/**
 * The same configuration has the same hash on every node. Zones are hashed one by one and summed up, so that where one
 * of a hundred thousand is replaced the others need no look: nodes tell their hash every few seconds.
 */
export function configSha({
  regions,
  monitors,
  monitorGroups,
  pools,
  policies,
  zones,
}: Config): string {
  const hash = createHash('sha256');
  hash.update(JSON.stringify({ regions, monitors, monitorGroups, pools, policies }));
  hash.update(zonesSum(zones).toString(16));
  return hash.digest('hex').slice(0, SHOWN_DIGITS);
}

/** Puts another value in the place of a zone, in these zones themselves. */
export function replaceZoneIn(zones: Config['zones'], name: string, zone: ZoneConfig): void {
  const [before, sum] = [zones[name], sums.get(zones)];
  if (sum !== undefined) {
    const gone = before === undefined ? 0n : zoneNumber(name, before);
    sums.set(zones, BigInt.asUintN(SUM_BITS, sum - gone + zoneNumber(name, zone)));
  }
  (zones as Record<string, ZoneConfig>)[name] = zone;
}

const SHOWN_DIGITS = 12;
/** More than is shown. */
const SUM_BITS = 64;

/** Of zones that are the same but in another order it is the same. */
const sums = new WeakMap<Config['zones'], bigint>();

function zonesSum(zones: Config['zones']): bigint {
  const known = sums.get(zones);
  if (known !== undefined) return known;
  let sum = 0n;
  for (const name in zones) sum += zoneNumber(name, zones[name]!);
  const bounded = BigInt.asUintN(SUM_BITS, sum);
  sums.set(zones, bounded);
  return bounded;
}

function zoneNumber(name: string, zone: ZoneConfig): bigint {
  const { filed, ...rest } = zone;
  const hash = createHash('sha256').update(JSON.stringify([name, rest]));
  if (filed !== undefined) hash.update(filed.bytes.subarray(filed.from, filed.to));
  return hash.digest().readBigUInt64BE();
}
