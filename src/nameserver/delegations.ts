/**
 * What a copy of a zone has of zones of ours below it: there, other than here, nobody else serves those of its parent.
 */
import type { RrsetConfig, ZoneConfig } from '../config/config.ts';
import { namesAbove } from '../config/standing.ts';
import { rrsetsOf } from '../config/zone-rrsets.ts';

/** Of each zone that has some, the zones of ours whose parent it is. */
export type ZonesBelow = ReadonlyMap<string, readonly string[]>;

/** In time in proportion to the number of zones. */
export function findBelow(zones: readonly string[]): ZonesBelow {
  const byApex = new Map(zones.map((zone) => [apexOf(zone), zone]));
  const below = new Map<string, string[]>();
  for (const zone of zones) {
    const parent = namesAbove(apexOf(zone)).find((above) => byApex.has(above));
    if (parent === undefined) continue;
    const name = byApex.get(parent)!;
    const others = below.get(name);
    if (others === undefined) below.set(name, [zone]);
    else others.push(zone);
  }
  return below;
}

/**
 * NS records of zones below, and addresses of nameservers in them, where the zone has not written these itself.
 * @param below those that findBelow() has for the zone
 */
export function delegationsOf(
  zone: ZoneConfig,
  below: readonly string[],
  zones: Readonly<Record<string, ZoneConfig>>,
): readonly RrsetConfig[] {
  if (below.length === 0) return [];
  const written = new Set<string>();
  for (const rrset of rrsetsOf(zone)) written.add(keyOf(rrset));
  return below.flatMap((name) => {
    const apex = apexOf(name);
    const rrsets = [...rrsetsOf(zones[name]!)];
    const ns = rrsets.filter(({ owner, type }) => type === 'NS' && owner.toLowerCase() === apex);
    if (ns.length === 0 || ns.some((rrset) => written.has(keyOf(rrset)))) return [];
    const targets = new Set(ns.flatMap(({ data }) => data.map((target) => target.toLowerCase())));
    const glue = rrsets.filter(
      (rrset) =>
        (rrset.type === 'A' || rrset.type === 'AAAA') &&
        targets.has(rrset.owner.toLowerCase()) &&
        !written.has(keyOf(rrset)),
    );
    return [...ns, ...glue];
  });
}

const keyOf = ({ owner, type }: RrsetConfig): string => `${type} ${owner.toLowerCase()}`;

const apexOf = (zone: string): string => (zone === '.' ? zone : `${zone.toLowerCase()}.`);
