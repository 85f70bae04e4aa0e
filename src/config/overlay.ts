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
  /** Absent = that of the SOA. Of several the greatest counts. */
  readonly serial?: number;
  /** Added to the serial, whoever it is of. */
  readonly serialIncrement?: number;
  /** Joined with the configuration's: an RRset that both have has all data, and the TTL that is written here. */
  readonly rrsets: readonly RrsetConfig[];
};

/** The configuration with the overlays of zones that it has. */
export function withOverlays(config: Config, overlays: readonly ZoneOverlay[]): Config {
  const known = overlays.filter(({ zone }) => config.zones[zone] !== undefined);
  if (known.length === 0) return config;
  const zones: Record<string, ZoneConfig> = { ...config.zones };
  // Increments come last: they are of whatever the serial is.
  const ordered = known.toSorted((a, b) => (a.serialIncrement ?? 0) - (b.serialIncrement ?? 0));
  for (const overlay of ordered) zones[overlay.zone] = overlaid(zones[overlay.zone]!, overlay);
  return { ...config, zones };
}

/** Serials count in a circle (RFC 1982 3). */
export const SERIAL_BITS = 32;

function overlaid(zone: ZoneConfig, overlay: ZoneOverlay): ZoneConfig {
  const { rrsets, soa = zone.soa } = overlay;
  const joined = new Map(zone.rrsets.map((rrset) => [keyOf(rrset), rrset]));
  for (const rrset of rrsets) {
    const key = keyOf(rrset);
    const data = new Set([...(joined.get(key)?.data ?? []), ...rrset.data]);
    joined.set(key, { ...rrset, data: [...data] });
  }
  return {
    ...zone,
    soa: { ...soa, serial: serialWith(soa.serial, overlay) },
    rrsets: [...joined.values()],
  };
}

function serialWith(before: number, { serial = before, serialIncrement = 0 }: ZoneOverlay): number {
  const later = isLater(serial, before) ? serial : before;
  return (later + serialIncrement) % 2 ** SERIAL_BITS;
}

/** RFC 1982 3.2. */
export function isLater(serial: number, than: number): boolean {
  const ahead = (serial - than + 2 ** SERIAL_BITS) % 2 ** SERIAL_BITS;
  return ahead > 0 && ahead < 2 ** (SERIAL_BITS - 1);
}

const keyOf = ({ owner, type }: RrsetConfig): string => `${owner.toLowerCase()} ${type}`;
