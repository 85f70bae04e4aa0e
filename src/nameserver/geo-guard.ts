/**
 * Whether geo data that came by themselves may take the place of those that serve: a file that is half written, of
 * another kind or of another world must not send half of the clients elsewhere while nobody looks.
 */
import { addressCounts } from '../ip/ranges.ts';
import { classEntries } from '../steering/class-list.ts';
import type { Compiled } from './compile.ts';
import { mapAt } from './map-table.ts';
import { servicesOf } from './services.ts';
import type { Snapshot } from './snapshot.ts';

/** So much of the address space that was located may be without a place now. */
const LOSS_MAX = 0.5;
/** So much of the located address space may begin with another region than before. */
const CHANGE_MAX = 0.3;

/** Why not; undefined = nothing is against it. */
export function geoObjection(before: Compiled, next: Compiled): string | undefined {
  const [had, has] = [locatedShare(before), locatedShare(next)];
  if (has < had * (1 - LOSS_MAX)) {
    return `they know the places of ${percent(has)} of the IPv4 addresses, those in force of ${percent(had)}`;
  }
  const old = sharesByName(before.snapshot);
  for (const [name, shares] of sharesByName(next.snapshot)) {
    const was = old.get(name);
    const changed = was === undefined ? 0 : changedShare(was, shares);
    if (changed > CHANGE_MAX) {
      return `${name} would lead ${percent(changed)} of the address space to another region`;
    }
  }
  return undefined;
}

/** Of IPv4 addresses, 0..1. */
function locatedShare({ geo }: Compiled): number {
  const counts = addressCounts(geo.ranges);
  return counts.reduce((sum, count, number) => (number === 0 ? sum : sum + count), 0) / 2 ** 32;
}

type Shares = ReadonlyMap<string, number>;

/** By steered name. */
function sharesByName(snapshot: Snapshot): ReadonlyMap<string, Shares> {
  // Names of one policy over one pool have the same table.
  const known = new Map<string, Shares>();
  const names = new Map<string, Shares>();
  const tables = new Map<object, number>();
  for (const { map: index, owner } of servicesOf(snapshot.services)) {
    const { classes, pool } = mapAt(snapshot.maps, index);
    const table = tables.get(classes.classes.words) ?? tables.size;
    tables.set(classes.classes.words, table);
    const key = `${pool} ${table}`;
    const shares = known.get(key) ?? sharesOf(snapshot, classes);
    known.set(key, shares);
    names.set(owner, shares);
  }
  return names;
}

/** Of the address space, by the region that clients are led to first if everything is up. */
function sharesOf(
  { endpoints }: Snapshot,
  { classes }: ReturnType<typeof mapAt>['classes'],
): Shares {
  const shares = new Map<string, number>();
  for (const { addressShare, leaves } of classEntries(classes)) {
    const first = leaves.find((tiers) => tiers.length > 0)?.[0] ?? [];
    for (const endpoint of first) {
      const { region } = endpoints[endpoint]!;
      shares.set(region, (shares.get(region) ?? 0) + addressShare / first.length);
    }
  }
  return shares;
}

function changedShare(before: Shares, after: Shares): number {
  let gained = 0;
  for (const [region, share] of after) gained += Math.max(0, share - (before.get(region) ?? 0));
  return gained;
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;
