import { equalNames, formatName, isSubdomain, lowerName, parentName } from '../dns/name.ts';
import { namesIn } from '../dns/names-in-rdata.ts';
import { typeNumber } from '../dns/type-names.ts';
import { RRSET_BYTES_MAX, rrsetBytes } from '../zone/zone-source.ts';
import type { Config, SteeredConfig } from './config.ts';
import type { ConfigPath, Report } from './issue.ts';
import type { PlacedSet, ResolvedZone } from './zone-records.ts';

/**
 * What is wrong with records only when they are seen together: a CNAME beside other data (RFC 1034
 * section 3.6.2), static addresses beside steered ones, nameservers without addresses, data that a
 * delegation hides. A mistake that makes answers wrong is an error, a doubtful one a warning.
 * A zone that is not whole, since some of its records were refused, is not asked what it lacks.
 */
export function checkZones(
  zones: readonly ResolvedZone[],
  pools: Config['pools'],
  error: Report,
  warn: Report,
  isWhole: (zone: ResolvedZone) => boolean,
): void {
  const byName = new Map<string, ResolvedZone>();
  for (const zone of zones) {
    const name = formatName(zone.apex);
    const before = byName.get(name);
    if (before)
      error(
        zone.path,
        `the zone ${name} is there twice`,
        `the other one is ${before.path.join('.')}`,
        'key',
      );
    else byName.set(name, zone);
  }
  for (const zone of byName.values()) {
    if (zone.config.filed !== undefined) {
      checkPlain(zone, pools, error);
      continue;
    }
    const view = createView(zone, byName);
    if (isWhole(zone)) checkServed(zone, error);
    checkAliases(view, error);
    checkRenamed(view, error);
    checkSteered(view, pools, error);
    checkHidden(view, error, warn);
    for (const set of zone.placed) {
      if (set.type === 'NS' && isWhole(zone)) checkNameservers(view, set, error);
      checkTargets(view, set, warn);
      checkSize(set, error);
    }
  }
}

/** Of a plain file all is known but what its steered names are answered with. */
function checkPlain(zone: ResolvedZone, pools: Config['pools'], error: Report): void {
  const nothing = new Map<string, readonly PlacedSet[]>();
  for (const { config, ownerText, path } of zone.steered) {
    if (isAlias(config, pools)) checkSteeredAlias({ sets: nothing, zone }, path, ownerText, error);
  }
}

/** The records of a name and type are answered together or not at all (RFC 2181 5). */
function checkSize({ ownerText, path, rdata, type }: PlacedSet, error: Report): void {
  const bytes = rrsetBytes(rdata);
  if (bytes <= RRSET_BYTES_MAX) return;
  const message = `${type} of ${ownerText} has ${bytes} octets: one answer holds ${RRSET_BYTES_MAX}`;
  error(path, message, 'spread the data over several names', 'key');
}

type ZoneView = {
  readonly zone: ResolvedZone;
  readonly sets: ReadonlyMap<string, readonly PlacedSet[]>;
  readonly steered: ReadonlySet<string>;
  /** The delegation at or above a name, below the apex. */
  delegationOf(name: Uint8Array): string | undefined;
  /** The other zone of the file, below this one, that owns a name. */
  childZoneOf(name: Uint8Array): string | undefined;
};

function createView(zone: ResolvedZone, byName: ReadonlyMap<string, ResolvedZone>): ZoneView {
  const sets = new Map<string, PlacedSet[]>();
  for (const set of zone.placed) {
    const there = sets.get(set.ownerText);
    if (there) there.push(set);
    else sets.set(set.ownerText, [set]);
  }
  const isDelegation = (name: string) => sets.get(name)?.some(({ type }) => type === 'NS') ?? false;
  return {
    zone,
    sets,
    steered: new Set(zone.steered.map(({ ownerText }) => ownerText)),
    delegationOf: (name) => highestBelow(zone.apex, name, isDelegation),
    childZoneOf: (name) => highestBelow(zone.apex, name, (ancestor) => byName.has(ancestor)),
  };
}

/** Of a name and its ancestors below `apex`, the highest that fits: cuts hide what is below them. */
function highestBelow(
  apex: Uint8Array,
  name: Uint8Array,
  fits: (name: string) => boolean,
): string | undefined {
  let highest: string | undefined;
  let at: Uint8Array | undefined = name;
  while (at && at.length > apex.length) {
    const text = formatName(at);
    if (fits(text)) highest = text;
    at = parentName(at);
  }
  return highest;
}

/** A zone without NS records is none (RFC 1034 section 4.2.1). */
function checkServed({ apex, config, path, placed }: ResolvedZone, error: Report): void {
  if (config.primary !== undefined) return;
  if (placed.some(({ owner, type }) => type === 'NS' && equalNames(owner, apex))) return;
  const hint =
    'nameservers: [ns1.example.com, ns2.example.com], file: with a master file, or primary:';
  error(path, 'this zone has no nameservers', hint, 'key');
}

function checkAliases({ zone, sets, steered }: ZoneView, error: Report): void {
  for (const alias of zone.placed) {
    if (alias.type !== 'CNAME') continue;
    if (equalNames(alias.owner, zone.apex)) {
      error(alias.path, 'a zone itself cannot be a CNAME', "steer it: steered: { '@': … }", 'key');
      continue;
    }
    if (alias.rdata.length > 1) {
      error(
        alias.path,
        `a CNAME has one target, this one has ${alias.rdata.length}`,
        'keep one',
        'key',
      );
    }
    const others = sets.get(alias.ownerText)!.filter((set) => set !== alias);
    const beside = others
      .map(({ type }) => type)
      .concat(steered.has(alias.ownerText) ? ['steered'] : []);
    if (beside.length > 0) {
      const message = `${alias.ownerText} has a CNAME and also ${beside.join(', ')}`;
      error(alias.path, message, 'a CNAME stands alone: remove one or the other', 'key');
    }
  }
}

/** One DNAME at most, and nothing below it (RFC 6672 2.4); what is delegated is not renamed here too. */
function checkRenamed({ delegationOf, zone }: ZoneView, error: Report): void {
  const renamed = new Set(
    zone.placed.filter(({ type }) => type === 'DNAME').map(({ ownerText }) => ownerText),
  );
  if (renamed.size === 0) return;
  for (const { owner, ownerText, path, rdata, type } of zone.placed) {
    if (type === 'DNAME' && rdata.length > 1) {
      error(path, `a DNAME has one target, this one has ${rdata.length}`, 'keep one', 'key');
    }
    if (type === 'DNAME' && owner[0] === 1 && owner[1] === WILDCARD) {
      error(path, 'a wildcard cannot have a DNAME', 'give it to the name above', 'key');
    }
    const cut = type === 'DNAME' ? delegationOf(owner) : undefined;
    if (cut !== undefined) {
      const message = `DNAME of ${ownerText} has no effect: ${cut} is delegated`;
      error(path, message, 'move it to that zone, or do not delegate the name', 'key');
    }
    checkBelow(owner, ownerText, path);
  }
  for (const { owner, ownerText, path } of zone.steered) checkBelow(owner, ownerText, path);

  function checkBelow(owner: Uint8Array, ownerText: string, path: ConfigPath): void {
    for (let at = parentName(owner); at && at.length >= zone.apex.length; at = parentName(at)) {
      const above = formatName(at);
      if (!renamed.has(above)) continue;
      const hint = 'remove one of the two: a DNAME stands for all names below it';
      error(path, `${ownerText} is below ${above}, which has a DNAME`, hint, 'key');
    }
  }
}

/** Whether the name's pool answers with CNAMEs. */
function isAlias({ pool }: SteeredConfig, pools: Config['pools']): boolean {
  const endpoints = Object.hasOwn(pools, pool) ? pools[pool]!.endpoints : [];
  return endpoints.some(({ cname }) => cname !== undefined);
}

function steeredTypes(config: SteeredConfig, pools: Config['pools']): readonly string[] {
  if (isAlias(config, pools)) return [];
  const { https, svcb } = config;
  return ['A', 'AAAA', ...(https ? ['HTTPS'] : []), ...(svcb ? ['SVCB'] : [])];
}

/** A CNAME stands alone (RFC 1034 section 3.6.2), steered ones too. */
function checkSteeredAlias(
  { sets, zone }: Pick<ZoneView, 'sets' | 'zone'>,
  path: ConfigPath,
  ownerText: string,
  error: Report,
): void {
  if (ownerText === formatName(zone.apex)) {
    error(path, 'a zone itself cannot be a CNAME', 'steer it to a pool of addresses', 'key');
    return;
  }
  const beside = (sets.get(ownerText) ?? []).map(({ type }) => type);
  if (beside.length === 0) return;
  const message = `${ownerText} is steered to CNAMEs and also has ${beside.join(', ')}`;
  error(path, message, 'a CNAME stands alone: remove one or the other', 'key');
}

function checkSteered(view: ZoneView, pools: Config['pools'], error: Report): void {
  for (const { config, path, owner, ownerText } of view.zone.steered) {
    if (isAlias(config, pools)) checkSteeredAlias(view, path, ownerText, error);
    for (const { type, path: setPath } of view.sets.get(ownerText) ?? []) {
      if (!steeredTypes(config, pools).includes(type)) continue;
      const hint = 'remove the record, or stop steering the name';
      error(setPath, `${ownerText} is steered: it cannot have ${type} records too`, hint, 'key');
    }
    const cut = view.delegationOf(owner) ?? view.childZoneOf(owner);
    if (cut !== undefined) {
      error(
        path,
        `${ownerText} belongs to ${cut}, which is delegated`,
        'steer it in that zone',
        'key',
      );
    }
  }
}

function checkHidden(view: ZoneView, error: Report, warn: Report): void {
  for (const { path, owner, ownerText, type } of view.zone.placed) {
    if (type === 'NS' && owner[0] === 1 && owner[1] === WILDCARD) {
      error(path, 'a wildcard cannot be delegated', 'delegate each name', 'key');
    }
    if (type === 'A' || type === 'AAAA' || type === 'DS') continue;
    const cut = view.delegationOf(owner) ?? view.childZoneOf(owner);
    if (cut === undefined || (type === 'NS' && ownerText === cut)) continue;
    warn(
      path,
      `${type} of ${ownerText} is hidden: ${cut} is delegated`,
      'move it to that zone',
      'key',
    );
  }
}

const WILDCARD = 0x2a;

/** A nameserver inside the zone needs its address here, or nobody can find it (RFC 1034 section 4.2.1). */
function checkNameservers(view: ZoneView, set: PlacedSet, error: Report): void {
  for (const [index, rdata] of set.rdata.entries()) {
    const target = lowerName(rdata);
    if (!isSubdomain(target, view.zone.apex) || view.childZoneOf(target) !== undefined) continue;
    const cut = view.delegationOf(target);
    if (cut !== undefined && cut !== set.ownerText) continue;
    const name = formatName(target);
    if (view.steered.has(name)) continue;
    const there = view.sets.get(name) ?? [];
    if (there.some(({ type }) => type === 'A' || type === 'AAAA' || type === 'CNAME')) continue;
    const hint = `add it to records: ${relative(target, view.zone.apex)}: { A: … }`;
    error(set.dataPaths[index]!, `the nameserver ${name} has no address`, hint);
  }
}

/** NS, MX and SRV must not point to an alias (RFC 2181 section 10.3, RFC 2782). */
function checkTargets(view: ZoneView, set: PlacedSet, warn: Report): void {
  if (set.type !== 'NS' && set.type !== 'MX' && set.type !== 'SRV') return;
  const type = typeNumber(set.type)!;
  for (const [index, rdata] of set.rdata.entries()) {
    const [target] = namesIn(type, rdata);
    const name = formatName(lowerName(rdata.subarray(target?.at)));
    if (!view.sets.get(name)?.some(({ type }) => type === 'CNAME')) continue;
    warn(
      set.dataPaths[index]!,
      `${set.type} points to ${name}, which is a CNAME`,
      'name its target instead',
    );
  }
}

function relative(name: Uint8Array, apex: Uint8Array): string {
  if (name.length === apex.length) return "'@'";
  const text = formatName(name);
  return text.slice(0, text.length - formatName(apex).length - 1);
}
