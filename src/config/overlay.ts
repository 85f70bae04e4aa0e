/**
 * Records that a zone has besides what its configuration says: those of updates and ACME challenges, or all of
 * them, where the zone is a copy of its primary's. They come while a node runs and never touch the file.
 */
import { isLaterSerial } from '../dns/serial.ts';
import type { Config, RrsetConfig, SoaConfig, ZoneConfig } from './config.ts';
import { standBeside } from './standing.ts';

export type ZoneOverlay = {
  /** As in the configuration. */
  readonly zone: string;
  /** Of a primary; absent = the configuration's. */
  readonly soa?: SoaConfig;
  /** Absent = that of the SOA. */
  readonly serial?: number;
  /** The SOA's serial is raised to this one, unless it is later already (RFC 1982). */
  readonly serialAtLeast?: number;
  /** Joined with the configuration's: an RRset that both have has all data, and the TTL that is written here. */
  readonly rrsets: readonly RrsetConfig[];
  /** What cannot stand beside what is written (standing.ts) is left out. Default: it must fit. */
  readonly yields?: boolean;
};

/** The configuration with the overlays of zones that it has. */
export function withOverlays(config: Config, overlays: readonly ZoneOverlay[]): Config {
  const known = overlays.filter(({ zone }) => config.zones[zone] !== undefined);
  if (known.length === 0) return config;
  const zones: Record<string, ZoneConfig> = { ...config.zones };
  for (const overlay of known) {
    const zone = zones[overlay.zone]!;
    const { kept } = overlay.yields
      ? standBeside(overlay.zone, zone, config.pools, overlay.rrsets)
      : { kept: overlay.rrsets };
    zones[overlay.zone] = overlaid(zone, { ...overlay, rrsets: kept });
  }
  return { ...config, zones };
}

function overlaid(
  zone: ZoneConfig,
  { rrsets, serial: own, serialAtLeast, soa = zone.soa }: ZoneOverlay,
): ZoneConfig {
  const reached = own ?? soa.serial;
  const isRaised = serialAtLeast !== undefined && isLaterSerial(serialAtLeast, reached);
  const serial = isRaised ? serialAtLeast : own;
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
