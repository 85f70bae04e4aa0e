/**
 * Records that a zone has besides what its configuration says: those of updates and ACME challenges, or all of
 * them, where the zone is a copy of its primary's. They come while a node runs and never touch the file.
 */
import type { Config, RrsetConfig, SoaConfig, SteeredConfig, ZoneConfig } from './config.ts';

export type ZoneOverlay = {
  /** As in the configuration. */
  readonly zone: string;
  /** Of a primary; absent = the configuration's. */
  readonly soa?: SoaConfig;
  /** TTL of that SOA. */
  readonly soaTtl?: number;
  /** The primary was not reached for longer than its SOA allows. */
  readonly isExpired?: boolean;
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
  // First, for all others are joined with what is there.
  for (const overlay of known) {
    const zone = zones[overlay.zone]!;
    // A reload may have made it a zone of our own again.
    if (overlay.soa === undefined || zone.primary === undefined) continue;
    zones[overlay.zone] = copied(zone, overlay, overlay.soa, config.pools);
  }
  // Increments come last: they are of whatever the serial is.
  const others = known
    .filter(({ soa }) => soa === undefined)
    .toSorted((a, b) => (a.serialIncrement ?? 0) - (b.serialIncrement ?? 0));
  for (const overlay of others) zones[overlay.zone] = overlaid(zones[overlay.zone]!, overlay);
  return { ...config, zones };
}

/** Serials count in a circle (RFC 1982 3). */
export const SERIAL_BITS = 32;

function overlaid(zone: ZoneConfig, overlay: ZoneOverlay): ZoneConfig {
  const { rrsets } = overlay;
  const joined = new Map(zone.rrsets.map((rrset) => [keyOf(rrset), rrset]));
  for (const rrset of rrsets) {
    const key = keyOf(rrset);
    const data = new Set([...(joined.get(key)?.data ?? []), ...rrset.data]);
    joined.set(key, { ...rrset, data: [...data] });
  }
  return {
    ...zone,
    soa: { ...zone.soa, serial: serialWith(zone.soa.serial, overlay) },
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

/** A zone with its primary's records, but for those that steered names stand for. */
function copied(
  zone: ZoneConfig,
  { isExpired = false, rrsets, soaTtl = zone.ttl }: ZoneOverlay,
  soa: SoaConfig,
  pools: Config['pools'],
): ZoneConfig {
  const hidden = new Set([...steeredOver(zone, rrsets, pools), ...keysOver(zone, rrsets)]);
  // What has expired is not in the table at all, so that no alias and no referral leads to it.
  const isGone = isExpired && zone.primary?.whenExpired === 'servfail';
  return {
    ...zone,
    ttl: soaTtl,
    soa,
    copy: isExpired ? 'expired' : 'current',
    rrsets: isGone ? [] : rrsets.filter((rrset) => !hidden.has(rrset)),
  };
}

/** Records of a primary in whose place a steered name answers: what is steered here was wanted here. */
export function steeredOver(
  { steered }: Pick<ZoneConfig, 'steered'>,
  rrsets: readonly RrsetConfig[],
  pools: Config['pools'],
): readonly RrsetConfig[] {
  if (steered.length === 0) return [];
  const types = new Map(
    steered.map((each) => [each.owner.toLowerCase(), steeredTypes(each, pools)] as const),
  );
  return rrsets.filter(({ owner, type }) => {
    const taken = types.get(owner.toLowerCase());
    return taken === 'all' || (taken?.includes(type) ?? false);
  });
}

/** What a primary signed its zone with, in a zone that is signed here: it has other keys, and those alone. */
export function keysOver(
  { dnssec }: Pick<ZoneConfig, 'dnssec'>,
  rrsets: readonly RrsetConfig[],
): readonly RrsetConfig[] {
  return dnssec === undefined ? [] : rrsets.filter(({ type }) => KEY_TYPES.includes(type));
}

const KEY_TYPES: readonly string[] = ['DNSKEY', 'CDNSKEY', 'CDS'];

function steeredTypes(
  { https, pool, svcb }: SteeredConfig,
  pools: Config['pools'],
): 'all' | readonly string[] {
  const endpoints = Object.hasOwn(pools, pool) ? pools[pool]!.endpoints : [];
  // A CNAME stands alone, a steered one too (RFC 1034 3.6.2).
  if (endpoints.some(({ cname }) => cname !== undefined)) return 'all';
  return ['A', 'AAAA', 'CNAME', ...(https ? ['HTTPS'] : []), ...(svcb ? ['SVCB'] : [])];
}
