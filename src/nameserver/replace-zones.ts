/**
 * Other records of single zones in a snapshot that stays as it is else: a zone among a hundred thousand is
 * replaced in the time that its own records take, and nothing is looked at for each of the others.
 */
import type { ZoneConfig } from '../config/config.ts';
import type { ZoneCompilation, ZoneCompiler } from '../zone/compile.ts';
import type { ZoneSource } from '../zone/zone-source.ts';
import { answersOf } from './compile.ts';
import { type ServiceTable, serviceAt, servicesOfZone } from './services.ts';
import type { Snapshot } from './snapshot.ts';

/**
 * Whether a zone may be replaced without all else being looked at again. Its steered names are the same, so
 * services are; nobody copies it, it is no copy, and has no keys, so that nothing besides its records changes.
 */
export function isReplaceable(before: ZoneConfig, after: ZoneConfig): boolean {
  return (
    [before, after].every(isSimple) &&
    JSON.stringify(restOf(before)) === JSON.stringify(restOf(after))
  );
}

const isSimple = ({ dnssec, primary, transfer }: ZoneConfig): boolean =>
  dnssec === undefined && primary === undefined && transfer === undefined;

const restOf = ({ steered, update }: ZoneConfig): unknown => [steered, update];

/**
 * @param changed by the place of the zone among those that were compiled
 * @returns undefined = all has to be compiled anew
 */
export function replaceZones(
  compiler: ZoneCompiler,
  { services }: Pick<Snapshot, 'services'>,
  changed: ReadonlyMap<number, readonly [name: string, zone: ZoneConfig]>,
): ZoneCompilation | undefined {
  const sources = new Map<number, ZoneSource>();
  for (const [place, [name, zone]] of changed) {
    const source = sourceOf(name, zone, services);
    if (source === undefined) return undefined;
    sources.set(place, source);
  }
  return compiler.replace(sources);
}

function sourceOf(name: string, zone: ZoneConfig, services: ServiceTable): ZoneSource | undefined {
  const known = zone.steered.length > 0 ? servicesOfZone(services, name) : new Map();
  const steered = zone.steered.flatMap((each) => {
    const service = known.get(each.owner);
    if (service === undefined) return [];
    const { owner } = each;
    return [{ owner, service, answers: answersOf(each, serviceAt(services, service)) }];
  });
  if (steered.length < zone.steered.length) return undefined;
  const { filed, rrsets, soa, ttl } = zone;
  return { name, ttl, soa, rrsets, steered, ...(filed === undefined ? {} : { filed }) };
}
