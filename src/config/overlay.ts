/**
 * Records that a zone has besides what its configuration says: those of updates and ACME challenges, or all of
 * them, where the zone is a copy of its primary's. They come while a node runs and never touch the file.
 */
import { laterSerial, SERIALS } from '../dns/serial.ts';
import type { ZoneContent } from '../zone/zone-content.ts';
import type { Config, RrsetConfig, SoaConfig, ZoneConfig } from './config.ts';
import { copiedRecords } from './copied-records.ts';
import { standBeside, steeredTypes } from './standing.ts';
import { takenOut } from './zone-rrsets.ts';

export type ZoneOverlay = {
  /** As in the configuration. */
  readonly zone: string;
  /** Of a primary; absent = the configuration's. */
  readonly soa?: SoaConfig;
  /** TTL of that SOA. */
  readonly soaTtl?: number;
  /** All records of a primary, packed, instead of `rrsets`: in memory that threads share. */
  readonly content?: Pick<ZoneContent, 'records'>;
  /** The longest TTL of these. */
  readonly contentTtlMax?: number;
  /** The primary was not reached for longer than its SOA allows. */
  readonly isExpired?: boolean;
  /** Absent = that of the SOA. Of several the greatest counts. */
  readonly serial?: number;
  /** Added to the serial, whoever it is of. */
  readonly serialIncrement?: number;
  /** Joined with the configuration's: an RRset that both have has all data, and the TTL that is written here. */
  readonly rrsets: readonly RrsetConfig[];
  /** The zone's keys are among these records, and whoever has them can sign it. */
  readonly isKeyed?: boolean;
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
    const written = zones[name]!;
    const isCopy = (each: ZoneOverlay): boolean => each.soa !== undefined;
    // A reload may have made it a zone of our own again.
    const copy = written.primary && all.findLast(isCopy);
    const others = all.filter((each) => !isCopy(each));
    // First, for all others are joined with what is there.
    let zone = copy?.soa === undefined ? written : copied(written, copy, copy.soa, config.pools);
    zone = { ...zone, soa: { ...zone.soa, serial: serialWith(zone.soa.serial, others) } };
    // Those that yield come last: to whatever there is.
    for (const overlay of others.toSorted(
      (a, b) => Number(a.yields ?? 0) - Number(b.yields ?? 0),
    )) {
      const { rrsets } = overlay;
      const kept = overlay.yields ? standBeside(name, zone, config.pools, rrsets).kept : rrsets;
      const keys = new Set(kept.map(keyOf));
      zone = takenOut(zone, (owner, type) => keys.has(keyOf({ owner, type })));
      zone = { ...zone, rrsets: joinedWith(zone.rrsets, kept) };
    }
    zones[name] = others.some(({ isKeyed }) => isKeyed) ? { ...zone, isKeyed: true } : zone;
  }
  return { ...config, zones };
}

/**
 * The overlays without the records of those that yield, in the zones that a compilation complains of: whatever
 * was added, it must not keep all zones from being served. Undefined = there are none.
 */
export function withoutBlamed(
  overlays: readonly ZoneOverlay[],
  issues: readonly { readonly path: string }[],
): readonly ZoneOverlay[] | undefined {
  const isBlamed = ({ rrsets, yields, zone }: ZoneOverlay): boolean =>
    yields === true &&
    rrsets.length > 0 &&
    issues.some(({ path }) => `${path}.`.startsWith(`zones.${zone}.`));
  if (!overlays.some(isBlamed)) return undefined;
  return overlays.map((each) => (isBlamed(each) ? { ...each, rrsets: [] } : each));
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

const keyOf = ({ owner, type }: Pick<RrsetConfig, 'owner' | 'type'>): string =>
  `${owner.toLowerCase()} ${type}`;

/** A zone with its primary's records, but for those that steered names stand for. */
function copied(
  zone: ZoneConfig,
  { content, isExpired = false, rrsets: listed, soaTtl = zone.ttl }: ZoneOverlay,
  soa: SoaConfig,
  pools: Config['pools'],
): ZoneConfig {
  // What has expired is not in the table at all, so that no alias and no referral leads to it.
  const isGone = isExpired && zone.primary?.whenExpired === 'servfail';
  const rrsets = content === undefined || isGone ? listed : copiedRecords(content);
  const hidden = new Set([...steeredOver(zone, rrsets, pools), ...keysOver(zone, rrsets)]);
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
    // A CNAME stands alone, a steered one too (RFC 1034 3.6.2).
    const isAlone = type === 'CNAME' || taken?.includes('CNAME');
    return taken !== undefined && (isAlone || taken.includes(type));
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
