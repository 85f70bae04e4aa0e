import { childOf, describeTree, type Tree, textOf } from '../tree.ts';
import type { DynamicPool, DynamicRecord, DynamicRule, PoolValue } from './dynamic-record.ts';
import { placesAround, readGeoCode } from './geo-code.ts';
import type { RecordContext } from './record-context.ts';
import { recordTexts } from './record-data.ts';

/**
 * The older form: values for places, and the record's own for everybody else. Told as a dynamic record: a pool for each
 * place, whose values are answered together, and whose fallback is the place around it, as the providers of octoDNS
 * that take this form have it.
 */
export function readGeoRecord(context: RecordContext): DynamicRecord | undefined {
  const { notes, places, record, settings, ttl, type } = context;
  const geo = childOf(record, 'geo');
  if (geo?.kind !== 'map') {
    notes.error(geo?.at ?? record.at, 'geo is not a map', 'values by place: { EU: [ … ] }');
    return undefined;
  }
  const pools = new Map<string, DynamicPool>();
  const rules: DynamicRule[] = [];
  for (const [code, { key, value }] of geo.entries) {
    const place = readGeoCode(code, key, places, notes);
    const values = textsOf(value, context);
    if (place === undefined || values.length === 0) continue;
    const fallback = placesAround(code).find((each) => geo.entries.has(each));
    const pool = values.map((own) => ({ ...own, weight: 1, status: 'obey' as const }));
    pools.set(code, { id: code, at: key, values: pool, fallback });
    rules.push({ at: key, pool: code, geos: [place], subnets: [] });
  }
  return {
    ...{ type, at: record.at, ttl, pools, rules, catchAll: undefined, answers: 'all' },
    backup: recordTexts(context),
    healthcheck: settings.healthcheck,
  };
}

type Value = Pick<PoolValue, 'at' | 'value'>;

function textsOf(tree: Tree, { notes, type }: RecordContext): readonly Value[] {
  const items = tree.kind === 'list' ? tree.items : [tree];
  if (items.length === 0) notes.error(tree.at, 'the place has no values');
  return items.flatMap((item): readonly Value[] => {
    const value = textOf(item);
    if (value !== undefined) return [{ at: item.at, value }];
    notes.error(item.at, `a value of ${type} is ${describeTree(item)}, not a text`);
    return [];
  });
}
