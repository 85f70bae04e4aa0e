import type { Config, ZoneConfig } from './config.ts';
import { redactEntry } from './redact.ts';
import { isSameFile, rrsetCount, rrsetsOf } from './zone-rrsets.ts';

/**
 * What a reload changes, in words for the log, the API and the person who asks "what did I just do?".
 * Entries are compared by name, so moving a block in the file is no change.
 */

/** Longer values are not quoted in full; the file has them. */
const VALUE_LENGTH_SHOWN_MAX = 80;

/** One line per change, in the order of the file's sections; empty when nothing changed. */
export function diffConfig(before: Config, after: Config): readonly string[] {
  const sections = [
    ...diffValue('node', before.node, after.node),
    ...diffRecord('regions', 'region', before.regions, after.regions),
    ...diffValue('geo', before.geo, after.geo),
    ...diffValue('latency', before.latency, after.latency),
    ...diffValue('capacity', before.capacity, after.capacity),
    ...diffRecord('monitors', 'monitor', before.monitors, after.monitors),
    ...diffRecord('monitorGroups', 'monitor group', before.monitorGroups, after.monitorGroups),
    ...diffRecord('pools', 'pool', keyedPools(before), keyedPools(after)),
    ...diffRecord('policies', 'policy', before.policies, after.policies),
    ...diffZones(before.zones, after.zones),
    ...diffValue('dns', before.dns, after.dns),
    ...diffRecord('balancer.upstreams', 'upstream', keyedUpstreams(before), keyedUpstreams(after)),
    ...diffRecord(
      'balancer.listeners',
      'listener',
      byName(before.balancer.listeners),
      byName(after.balancer.listeners),
    ),
    ...diffValue('store', before.store, after.store),
    ...diffSecret('cluster', 'keys', before.cluster, after.cluster),
    ...diffSecret('admin', 'tokens', before.admin, after.admin),
    ...diffValue('log', before.log, after.log),
  ];
  return sections;
}

/** Changes that take answers away, and are therefore told of apart from the others. */
export function guardShrink(before: Config, after: Config): readonly string[] {
  const warnings: string[] = [];
  for (const [name, zone] of Object.entries(before.zones)) {
    const now = own(after.zones, name);
    if (!now) {
      warnings.push(`zones.${name}: the zone is removed; its names will be refused`);
      continue;
    }
    if (zone.dnssec && !now.dnssec)
      warnings.push(
        `zones.${name}: the zone is not signed any more; while its parent has a DS, resolvers that validate have no answer`,
      );
    const owners = new Set(now.steered.map(({ owner }) => owner));
    const gone = zone.steered.filter(({ owner }) => !owners.has(owner));
    // Only then, for there may be many.
    if (gone.length > 0) for (const { owner } of rrsetsOf(now)) owners.add(owner);
    for (const { owner } of gone) {
      if (!owners.has(owner))
        warnings.push(
          `zones.${name}: steered ${relative(owner, name)} is removed; it will have no answer`,
        );
    }
  }
  for (const [name, pool] of Object.entries(before.pools)) {
    const now = own(after.pools, name);
    if (!now) {
      warnings.push(
        `pools.${name}: the pool is removed with its ${pool.endpoints.length} endpoints`,
      );
      continue;
    }
    const regions = new Set(now.endpoints.map(({ region }) => region));
    const kept = pool.endpoints.filter(({ region }) => regions.has(region)).length;
    if (kept === 0)
      warnings.push(`pools.${name}: all ${pool.endpoints.length} endpoints are removed`);
    else if (2 * kept < pool.endpoints.length) {
      warnings.push(
        `pools.${name}: ${pool.endpoints.length - kept} of ${pool.endpoints.length} endpoints are removed`,
      );
    }
  }
  return warnings;
}

type Records = Readonly<Record<string, unknown>>;

function diffRecord(path: string, word: string, before: Records, after: Records): string[] {
  const lines: string[] = [];
  for (const name of namesOf(before, after)) {
    const was = own(before, name);
    const is = own(after, name);
    if (was === undefined) lines.push(`${path}: ${word} ${name} added`);
    else if (is === undefined) lines.push(`${path}: ${word} ${name} removed`);
    else
      lines.push(
        ...diffFields(was, is).map((change) => `${path}: ${word} ${name} changed ${change}`),
      );
  }
  return lines;
}

function diffValue(path: string, before: unknown, after: unknown): string[] {
  return diffFields(before, after).map((change) => `${path}: changed ${change}`);
}

/** Secrets: how many, never which. */
/** A section with a list of secrets: that it changed is told, what it was and is never. */
function diffSecret<Field extends string>(
  section: string,
  field: Field,
  before: Readonly<Record<Field, readonly string[]>>,
  after: Readonly<Record<Field, readonly string[]>>,
): string[] {
  const { [field]: secretsBefore, ...shownBefore } = before;
  const { [field]: secretsAfter, ...shownAfter } = after;
  const lines = diffValue(section, shownBefore, shownAfter);
  if (JSON.stringify(secretsBefore) !== JSON.stringify(secretsAfter)) {
    lines.push(`${section}: changed ${field} (${secretsBefore.length} → ${secretsAfter.length})`);
  }
  return lines;
}

function diffZones(before: Config['zones'], after: Config['zones']): string[] {
  return namesOf(before, after).flatMap((name) => {
    const was = own(before, name);
    const is = own(after, name);
    if (!was) return [`zones: zone ${name} added`];
    if (!is) return [`zones: zone ${name} removed`];
    return diffZone(name, was, is).map((line) => `zones.${name}: ${line}`);
  });
}

function diffZone(name: string, before: ZoneConfig, after: ZoneConfig): string[] {
  const head = diffFields(zoneHead(before), zoneHead(after)).map((change) => `changed ${change}`);
  const steered = diffNamed('steered', keyedSteered(name, before), keyedSteered(name, after));
  return [...head, ...steered, ...diffRecords(name, before, after)];
}

/** Zones with more RRsets are told of by number: their changes would be a list that nobody reads. */
const RRSETS_TOLD_MAX = 10_000;

function diffRecords(name: string, before: ZoneConfig, after: ZoneConfig): readonly string[] {
  const isSame = isSameFile(before.filed, after.filed);
  const [old, now] = [rrsetCount(before), rrsetCount(after)];
  if (!isSame && Math.max(old, now) > RRSETS_TOLD_MAX) {
    return [`records changed (${old} → ${now} sets of a name and type)`];
  }
  const shown = ({ filed, rrsets }: ZoneConfig) =>
    isSame || filed === undefined ? { rrsets } : { filed, rrsets };
  return diffNamed('record', keyedRrsets(name, shown(before)), keyedRrsets(name, shown(after)));
}

/** What a zone is besides its records and steered names. */
const zoneHead = ({ dnssec, primary, soa, transfer, ttl }: ZoneConfig) => ({
  ttl,
  soa,
  primary,
  transfer,
  dnssec,
});

function diffNamed(word: string, before: Records, after: Records): string[] {
  return namesOf(before, after).flatMap((name) => {
    if (!Object.hasOwn(before, name)) return [`${word} ${name} added`];
    if (!Object.hasOwn(after, name)) return [`${word} ${name} removed`];
    return diffFields(before[name], after[name]).map(
      (change) => `${word} ${name} changed ${change}`,
    );
  });
}

/** Changed leaves of two maps as `field was → is`; a value that is no map is a leaf. */
function diffFields(before: unknown, after: unknown, prefix = ''): string[] {
  if (!isMap(before) || !isMap(after)) {
    if (JSON.stringify(before) === JSON.stringify(after)) return [];
    const show = (value: unknown): string => showValue(redactEntry(prefix, value));
    return [`${prefix} ${show(before)} → ${show(after)}`.trim()];
  }
  return namesOf(before, after).flatMap((key) =>
    diffFields(own(before, key), own(after, key), prefix === '' ? key : `${prefix}.${key}`),
  );
}

function showValue(value: unknown): string {
  if (value === undefined) return 'none';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > VALUE_LENGTH_SHOWN_MAX ? `${text.slice(0, VALUE_LENGTH_SHOWN_MAX)}…` : text;
}

function keyedPools({ pools }: Config): Records {
  return mapEntries(pools, ({ endpoints, ...pool }) => ({
    ...pool,
    endpoints: Object.fromEntries(endpoints.map(({ region, ...rest }) => [region, rest])),
  }));
}

function keyedUpstreams({ balancer }: Config): Records {
  return mapEntries(balancer.upstreams, ({ servers, ...upstream }) => ({
    ...upstream,
    servers: byName(servers),
  }));
}

function keyedSteered(zone: string, { steered }: ZoneConfig): Records {
  return Object.fromEntries(steered.map(({ owner, ...rest }) => [relative(owner, zone), rest]));
}

function keyedRrsets(zone: string, records: Pick<ZoneConfig, 'filed' | 'rrsets'>): Records {
  return Object.fromEntries(
    [...rrsetsOf(records)].map(({ owner, type, ...rest }) => [
      `${relative(owner, zone)} ${type}`,
      rest,
    ]),
  );
}

function byName(list: readonly { readonly name: string }[]): Records {
  return Object.fromEntries(list.map(({ name, ...rest }) => [name, rest]));
}

/** The owner as people write it in the zone. */
function relative(owner: string, zone: string): string {
  const suffix = zone === '.' ? '.' : `.${zone}.`;
  if (owner === `${zone}.` || owner === zone) return '@';
  return owner.endsWith(suffix) ? owner.slice(0, -suffix.length) : owner;
}

function namesOf(before: object, after: object): readonly string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])];
}

/** A name like `constructor` is in every object, but it is not the configuration's. */
function own<Value>(record: Readonly<Record<string, Value>>, name: string): Value | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function mapEntries<From>(
  record: Readonly<Record<string, From>>,
  map: (value: From) => unknown,
): Records {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
