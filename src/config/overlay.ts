/**
 * Records that a zone has besides what its configuration says: those of updates and ACME challenges, or all of
 * them, where the zone is a copy of its primary's. They come while a node runs and never touch the file.
 */
import type { Config, RrsetConfig, SoaConfig, ZoneConfig } from './config.ts';

export type ZoneOverlay = {
  /** As in the configuration. */
  readonly zone: string;
  /** Of a primary; absent = the configuration's. */
  readonly soa?: SoaConfig;
  /** Absent = that of the SOA. */
  readonly serial?: number;
  /** Joined with the configuration's: an RRset that both have has all data, and the TTL that is written here. */
  readonly rrsets: readonly RrsetConfig[];
};

/** The configuration with the overlays of zones that it has. */
export function withOverlays(config: Config, overlays: readonly ZoneOverlay[]): Config {
  const known = overlays.filter(({ zone }) => config.zones[zone] !== undefined);
  if (known.length === 0) return config;
  const zones: Record<string, ZoneConfig> = { ...config.zones };
  for (const overlay of known) zones[overlay.zone] = overlaid(zones[overlay.zone]!, overlay);
  return { ...config, zones };
}

function overlaid(zone: ZoneConfig, { rrsets, serial, soa = zone.soa }: ZoneOverlay): ZoneConfig {
  const joined = new Map(zone.rrsets.map((rrset) => [keyOf(rrset), rrset]));
  for (const rrset of rrsets) {
    const key = keyOf(rrset);
    const data = new Set([...(joined.get(key)?.data ?? []), ...rrset.data]);
    joined.set(key, { ...rrset, data: [...data] });
  }
  return {
    ...zone,
    soa: serial === undefined ? soa : { ...soa, serial },
    rrsets: [...joined.values()],
  };
}

const keyOf = ({ owner, type }: RrsetConfig): string => `${owner.toLowerCase()} ${type}`;
