import type { Notes } from '../notes.ts';
import { chainFrom, type DynamicRecord } from './dynamic-record.ts';

/**
 * A and AAAA of one name are two records in octoDNS, each steered by itself. Here both are answered from one decision,
 * so that a client is led to one place whichever it uses: they have to say the same.
 */
export function reportDifferences(
  name: string,
  one: DynamicRecord,
  other: DynamicRecord,
  notes: Notes,
): void {
  const difference = differenceOf(one, other);
  if (difference === undefined) return;
  const message = `${one.type} and ${other.type} of ${name} are steered differently: ${difference}`;
  const hint =
    'both families are answered from one decision here: make them agree, or take one out';
  notes.error(other.at, message, hint);
}

function differenceOf(one: DynamicRecord, other: DynamicRecord): string | undefined {
  if (one.answers !== other.answers) return 'one has "dynamic", the other one "geo"';
  const ids = [...one.pools.keys()];
  const missing =
    ids.find((id) => !other.pools.has(id)) ??
    [...other.pools.keys()].find((id) => !one.pools.has(id));
  if (missing !== undefined) return `only one of them has the pool "${missing}"`;
  return (
    ids.map((id) => poolDifference(one, other, id)).find((text) => text !== undefined) ??
    ruleDifference(one, other) ??
    (JSON.stringify(one.healthcheck) === JSON.stringify(other.healthcheck)
      ? undefined
      : 'their health checks are different')
  );
}

function poolDifference(one: DynamicRecord, other: DynamicRecord, id: string): string | undefined {
  const [a, b] = [one.pools.get(id)!, other.pools.get(id)!];
  if (chainFrom(one.pools, id).join() !== chainFrom(other.pools, id).join()) {
    return `the pool "${id}" has another fallback`;
  }
  if (a.values.length !== b.values.length) {
    return `the pool "${id}" has ${a.values.length} values in one and ${b.values.length} in the other`;
  }
  for (const [index, value] of a.values.entries()) {
    const { status, weight } = b.values[index]!;
    const which = `value ${index + 1} of the pool "${id}"`;
    if (value.weight !== weight) return `${which} has the weight ${value.weight} and ${weight}`;
    if (value.status !== status) return `${which} has the status ${value.status} and ${status}`;
  }
  return undefined;
}

function ruleDifference(one: DynamicRecord, other: DynamicRecord): string | undefined {
  if (one.catchAll !== other.catchAll) return 'everybody else is led to another pool';
  if (one.rules.length !== other.rules.length) return 'their numbers of rules are different';
  const texts = (record: DynamicRecord): readonly string[] =>
    record.rules.map(({ geos, pool, subnets }) => {
      const codes = geos.map(({ code }) => code).toSorted();
      return `${pool}: ${[...codes, ...subnets.map(({ network }) => network).toSorted()].join()}`;
    });
  const own = texts(other);
  // Those of places may be in any order: the narrowest decides.
  const differs = texts(one).findIndex((text) => !own.includes(text));
  return differs < 0 ? undefined : `rule ${differs + 1} is another one`;
}
