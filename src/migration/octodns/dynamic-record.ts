import { formatPrefix, parsePrefix } from '../../ip/prefix.ts';
import type { Place } from '../notes.ts';
import {
  childOf,
  describeTree,
  expectList,
  expectMap,
  type Tree,
  type TreeMap,
  textOf,
  warnOfOthers,
  wholeNumber,
} from '../tree.ts';
import { targetName } from './domain-name.ts';
import { type GeoCode, readGeoCode } from './geo-code.ts';
import type { RecordContext } from './record-context.ts';
import { recordTexts } from './record-data.ts';
import type { Healthcheck } from './settings.ts';
import { withoutShadowed } from './shadowed-rules.ts';

/**
 * A dynamic record of octoDNS: pools of values, rules that lead clients to a pool, and the record's own values behind
 * the last pool of every chain. What octoDNS refuses is an error here too, unless the record is lenient.
 */
export type DynamicRecord = {
  readonly type: string;
  readonly at: Place;
  readonly ttl: number;
  /** In the order of the file. */
  readonly pools: ReadonlyMap<string, DynamicPool>;
  /** Those for some clients; the first that has a client leads it. */
  readonly rules: readonly DynamicRule[];
  /** The pool of everybody else; undefined = they get the record's own values. */
  readonly catchAll: string | undefined;
  /** The record's own values, which nothing checks. */
  readonly backup: readonly string[];
  /** Of a pool: one value in an answer, by weight, or all of them together. */
  readonly answers: 'one' | 'all';
  readonly healthcheck: Healthcheck;
};
export type DynamicPool = {
  readonly id: string;
  readonly at: Place;
  readonly values: readonly PoolValue[];
  /** The pool that answers when all values of this one are down; undefined = the backup. */
  readonly fallback: string | undefined;
};
export type PoolValue = {
  readonly at: Place;
  readonly value: string;
  readonly weight: number;
  /** Served whatever checks say, never, or as they say. */
  readonly status: 'up' | 'down' | 'obey';
};
export type DynamicRule = {
  readonly at: Place;
  readonly pool: string;
  readonly geos: readonly GeoCode[];
  readonly subnets: readonly Subnet[];
};
export type Subnet = { readonly network: string; readonly at: Place };

const STATUSES = ['up', 'down', 'obey'] as const;
const WEIGHT_MAX = 100;
const WEIGHT_HERE_MAX = 1_000_000;
/** What octoDNS takes as a fallback for the record's own values, whatever pools there are. */
const NO_FALLBACK = 'default';

export function readDynamicRecord(context: RecordContext): DynamicRecord | undefined {
  const { notes, record, settings, ttl, type } = context;
  const tree = record.entries.get('dynamic')?.value ?? record;
  const dynamic = expectMap(tree, 'dynamic', notes, '{ pools: …, rules: … }');
  if (dynamic === undefined) return undefined;
  warnOfOthers(dynamic, ['pools', 'rules'], 'dynamic', notes);
  if (record.entries.has('geo')) {
    const message = 'the record has "dynamic" and "geo": "geo" is not carried over';
    context.sayStrict(record.entries.get('geo')!.key, message);
  }
  const pools = readPools(context, dynamic);
  const ruleTrees = expectList(childOf(dynamic, 'rules'), 'rules', notes);
  if (ruleTrees.length === 0)
    notes.error(dynamic.at, 'dynamic has no rules', 'rules: [{ pool: … }]');
  const { catchAll, rules } = readRules(context, ruleTrees, pools);
  const used = reachedPools(pools, [...rules.map(({ pool }) => pool), catchAll]);
  for (const { at, id } of pools.values()) {
    if (!used.has(id)) notes.warn(at, `the pool "${id}" is left out: no rule leads to it`);
  }
  const backup = recordTexts(context);
  return {
    ...{ type, at: record.at, ttl, rules, catchAll, backup, answers: 'one' },
    pools: new Map([...pools].filter(([id]) => used.has(id))),
    healthcheck: settings.healthcheck,
  };
}

/** The pools of a chain, the first one first. */
export function chainFrom(pools: DynamicRecord['pools'], first: string | undefined) {
  const chain: string[] = [];
  for (let id = first; id !== undefined && !chain.includes(id); id = pools.get(id)?.fallback) {
    if (pools.has(id)) chain.push(id);
    else break;
  }
  return chain;
}

function reachedPools(pools: DynamicRecord['pools'], firsts: readonly (string | undefined)[]) {
  return new Set(firsts.flatMap((first) => chainFrom(pools, first)));
}

function readPools(context: RecordContext, dynamic: TreeMap): ReadonlyMap<string, DynamicPool> {
  const { notes } = context;
  const tree = childOf(dynamic, 'pools');
  const map = tree && expectMap(tree, 'pools', notes, 'pools by name: { eu: { values: … } }');
  const pools = new Map<string, DynamicPool>();
  for (const [id, { key, value }] of map?.entries ?? []) {
    const hint = `${id}: { values: [{ value: … }] }`;
    const pool = expectMap(value, `the pool "${id}"`, notes, hint);
    if (pool === undefined) continue;
    warnOfOthers(pool, ['values', 'fallback'], `the pool "${id}"`, notes);
    const fallback = textOf(childOf(pool, 'fallback'));
    pools.set(id, {
      ...{ id, at: key, values: readPoolValues(context, id, pool) },
      fallback: fallback === NO_FALLBACK ? undefined : fallback,
    });
  }
  if (pools.size === 0) notes.error(dynamic.at, 'dynamic has no pools', 'pools: { eu: … }');
  checkFallbacks(context, map, pools);
  return pools;
}

function checkFallbacks(
  { notes }: RecordContext,
  map: TreeMap | undefined,
  pools: ReadonlyMap<string, DynamicPool>,
): void {
  const told = new Set<string>();
  for (const { at, fallback, id } of pools.values()) {
    if (fallback === undefined) continue;
    const tree = map?.entries.get(id)?.value;
    const place = (tree?.kind === 'map' && childOf(tree, 'fallback')?.at) || at;
    if (!pools.has(fallback)) {
      const hint = map?.entries.has(fallback)
        ? undefined
        : `pools: ${[...pools.keys()].join(', ')}`;
      notes.error(place, `the fallback of "${id}" is no pool: "${fallback}"`, hint);
      continue;
    }
    const chain = chainFrom(pools, id);
    const next = pools.get(chain.at(-1)!)?.fallback;
    if (next === undefined || !chain.includes(next) || told.has(next)) continue;
    const loop = chain.slice(chain.indexOf(next));
    for (const each of loop) told.add(each);
    notes.error(place, `the fallbacks go round: ${[...loop, next].join(' → ')}`);
  }
}

function readPoolValues(context: RecordContext, id: string, pool: TreeMap): readonly PoolValue[] {
  const { notes } = context;
  const values = expectList(childOf(pool, 'values'), `values of the pool "${id}"`, notes);
  const read = values.flatMap((tree): readonly PoolValue[] => {
    const map = expectMap(tree, `a value of the pool "${id}"`, notes, '{ value: …, weight: … }');
    if (map === undefined) return [];
    warnOfOthers(map, ['value', 'weight', 'status'], `a value of the pool "${id}"`, notes);
    const value = readValue(context, map, id);
    return value === undefined ? [] : [value];
  });
  if (values.length === 0) notes.error(pool.at, `the pool "${id}" has no values`);
  return read;
}

function readValue(context: RecordContext, map: TreeMap, id: string): PoolValue | undefined {
  const { notes, type } = context;
  const tree = childOf(map, 'value');
  const text = textOf(tree);
  if (tree === undefined || text === undefined) {
    notes.error(map.at, `a value of the pool "${id}" has no "value"`);
    return undefined;
  }
  const value = type === 'CNAME' ? targetName(tree, context) : text;
  const weight = readWeight(context, childOf(map, 'weight'));
  const statusTree = childOf(map, 'status');
  const status = STATUSES.find((one) => one === (textOf(statusTree) ?? 'obey'));
  if (statusTree !== undefined && status === undefined) {
    notes.error(statusTree.at, `"${textOf(statusTree)}" is not a status`, STATUSES.join(', '));
  }
  if (value === undefined || weight === undefined || status === undefined) return undefined;
  return { at: tree.at, value, weight, status };
}

function readWeight({ notes, sayStrict }: RecordContext, tree: Tree | undefined) {
  if (tree === undefined) return 1;
  const weight = wholeNumber(tree, 0, WEIGHT_HERE_MAX);
  const say = weight === undefined ? notes.error : sayStrict;
  if (weight === undefined || weight < 1 || weight > WEIGHT_MAX) {
    const message = `"${textOf(tree) ?? describeTree(tree)}" is not a weight`;
    say(tree.at, message, `a whole number from 1 to ${WEIGHT_MAX}`);
  }
  return weight;
}

type Rules = Pick<DynamicRecord, 'rules' | 'catchAll'>;

function readRules(
  context: RecordContext,
  trees: readonly Tree[],
  pools: ReadonlyMap<string, DynamicPool>,
): Rules {
  const rules: DynamicRule[] = [];
  let catchAll: string | undefined;
  for (const [index, tree] of trees.entries()) {
    const what = `rule ${index + 1}`;
    const map = expectMap(tree, what, context.notes, '{ geos: [ … ], pool: … }');
    const rule = map && readRule(context, map, what, pools);
    if (map === undefined || rule === undefined) continue;
    if (catchAll !== undefined) {
      context.sayStrict(rule.at, `${what} is never reached: the one before it has everybody`);
    } else if (rule.geos.length + rule.subnets.length > 0) rules.push(rule);
    else if (isForSome(map)) continue;
    else catchAll = rule.pool;
  }
  if (catchAll === undefined && trees.length > 0) {
    const message = 'no rule is for everybody else: they get the values of the record';
    context.sayStrict(trees.at(-1)!.at, message, 'end the rules with { pool: … }');
  }
  return { rules: withoutShadowed(rules, context.sayStrict), catchAll };
}

/** It names clients, though none of what it names could be read. */
const isForSome = (map: TreeMap): boolean =>
  ['geos', 'subnets'].some((key) => {
    const tree = childOf(map, key);
    return tree !== undefined && (tree.kind !== 'list' || tree.items.length > 0);
  });

function readRule(
  { notes, places }: RecordContext,
  map: TreeMap,
  what: string,
  pools: ReadonlyMap<string, DynamicPool>,
): DynamicRule | undefined {
  const tree = childOf(map, 'pool');
  const pool = textOf(tree);
  if (tree === undefined || pool === undefined) {
    const isOld = map.entries.has('pools') || map.entries.has('geo');
    const hint = isOld ? 'rules have one "pool", and "geos"' : 'pool: eu';
    notes.error(map.at, `${what} has no pool`, hint);
    return undefined;
  }
  if (!pools.has(pool)) {
    const hint = pools.size === 0 ? undefined : `pools: ${[...pools.keys()].join(', ')}`;
    notes.error(tree.at, `${what}: there is no pool "${pool}"`, hint);
    return undefined;
  }
  warnOfOthers(map, ['pool', 'geos', 'subnets'], what, notes);
  const texts = (key: string): readonly { readonly text: string; readonly at: Place }[] =>
    expectList(childOf(map, key), key, notes).flatMap((item) => {
      const text = textOf(item);
      if (text !== undefined) return { text, at: item.at };
      notes.error(item.at, `${key} has ${describeTree(item)} where a text belongs`);
      return [];
    });
  const geos = texts('geos').flatMap(({ at, text }) => readGeoCode(text, at, places, notes) ?? []);
  const subnets = texts('subnets').flatMap(({ at, text }): readonly Subnet[] => {
    const prefix = parsePrefix(text);
    if (prefix !== undefined) return [{ network: formatPrefix(prefix), at }];
    const hint = 'for instance 192.0.2.0/24; bits after the prefix length must be zero';
    notes.error(at, `"${text}" is not a network`, hint);
    return [];
  });
  return { at: map.at, pool, geos, subnets };
}
