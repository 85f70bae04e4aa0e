/**
 * Records that a zone has besides what its configuration says: those of updates and ACME challenges, or all of
 * them, where the zone is a copy of its primary's. They come while a node runs and never touch the file.
 */
import { laterSerial, SERIALS } from '../dns/serial.ts';
import type { Config, RrsetConfig, SoaConfig, ZoneConfig } from './config.ts';
import { standBeside } from './standing.ts';

export type ZoneOverlay = {
  /** As in the configuration. */
  readonly zone: string;
  /** Of a primary; absent = the configuration's. */
  readonly soa?: SoaConfig;
  /** Absent = that of the SOA. Of several the greatest counts. */
  readonly serial?: number;
  /** Added to the serial, whoever it is of. */
  readonly serialIncrement?: number;
  /** Joined with the configuration's: an RRset that both have has all data, and the TTL that is written here. */
  readonly rrsets: readonly RrsetConfig[];
  /** What cannot stand beside what is there (standing.ts) is left out. Default: it must fit. */
  readonly yields?: boolean;
};

/** The configuration with the overlays of zones that it has. */
export function withOverlays(config: Config, overlays: readonly ZoneOverlay[]): Config {
  const ofZones = Map.groupBy(overlays, ({ zone }) => zone);
  const known = [...ofZones].filter(([name]) => config.zones[name] !== undefined);
  if (known.length === 0) return config;
  const zones: Record<string, ZoneConfig> = { ...config.zones };
  for (const [name, all] of known) {
    const before = zones[name]!;
    const soa = all.findLast((each) => each.soa !== undefined)?.soa ?? before.soa;
    let zone: ZoneConfig = { ...before, soa: { ...soa, serial: serialWith(soa.serial, all) } };
    // Those that yield come last: to whatever there is.
    for (const overlay of all.toSorted((a, b) => Number(a.yields ?? 0) - Number(b.yields ?? 0))) {
      const { rrsets } = overlay;
      const kept = overlay.yields ? standBeside(name, zone, config.pools, rrsets).kept : rrsets;
      zone = { ...zone, rrsets: joinedWith(zone.rrsets, kept) };
    }
    zones[name] = zone;
  }
  return { ...config, zones };
}

/** The serial of a zone with these overlays of it. Increments come last: they are of whatever the serial is. */
export function serialWith(
  configured: number,
  overlays: readonly Pick<ZoneOverlay, 'serial' | 'serialIncrement'>[],
): number {
  let serial = configured;
  for (const each of overlays) serial = laterSerial(serial, each.serial ?? serial);
  for (const { serialIncrement = 0 } of overlays) serial = (serial + serialIncrement) % SERIALS;
  return serial;
}

function joinedWith(
  there: readonly RrsetConfig[],
  coming: readonly RrsetConfig[],
): readonly RrsetConfig[] {
  const joined = new Map(there.map((rrset) => [keyOf(rrset), rrset]));
  for (const rrset of coming) {
    const key = keyOf(rrset);
    const data = new Set([...(joined.get(key)?.data ?? []), ...rrset.data]);
    joined.set(key, { ...rrset, data: [...data] });
  }
  return [...joined.values()];
}

const keyOf = ({ owner, type }: RrsetConfig): string => `${owner.toLowerCase()} ${type}`;
