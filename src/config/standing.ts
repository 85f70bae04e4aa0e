/**
 * Which records can stand beside what a zone has written, and why others cannot: the rules that validation
 * and compiling have for what is written, for records that come while a node runs. What is written comes
 * first: a record that was taken before must not stand in the way of a configuration that comes later.
 */
import { formatName, parentName, parseName } from '../dns/name.ts';
import { parseRdata } from '../dns/rdata/registry.ts';
import { RECORD_HEADER_LENGTH } from '../zone/compiled-zones.ts';
import { RRSET_BYTES_MAX } from '../zone/zone-source.ts';
import type { Config, RrsetConfig, SteeredConfig, ZoneConfig } from './config.ts';
import { rrsetsAt, rrsetsOf } from './zone-rrsets.ts';

export type Standing = {
  readonly kept: readonly RrsetConfig[];
  readonly refused: readonly { readonly rrset: RrsetConfig; readonly why: string }[];
};

/**
 * @param rrsets that come; owners lower case, at most one RRset of an owner and type
 */
export function standBeside(
  name: string,
  zone: ZoneConfig,
  pools: Config['pools'],
  rrsets: readonly RrsetConfig[],
): Standing {
  const kept: RrsetConfig[] = [];
  const refused: { rrset: RrsetConfig; why: string }[] = [];
  const around = lookAround(name, zone, pools, rrsets);
  for (const rrset of inOrder(rrsets)) {
    const why = objection(rrset, around);
    if (why === undefined) kept.push(joinedTtl(rrset, around));
    else refused.push({ rrset, why });
    if (why === undefined) note(around, rrset);
  }
  return { kept, refused };
}

/** Types that a steered name answers, by mnemonic. */
export function steeredTypes(
  { https, pool, svcb }: SteeredConfig,
  pools: Config['pools'],
): readonly string[] {
  const isAlias = pools[pool]?.endpoints.some(({ cname }) => cname !== undefined) ?? false;
  if (isAlias) return ['CNAME'];
  return ['A', 'AAAA', ...(https ? ['HTTPS'] : []), ...(svcb ? ['SVCB'] : [])];
}

type Around = {
  readonly apex: string;
  /** RRsets of the owners that come, and of names above them. */
  readonly sets: Map<string, Map<string, RrsetConfig>>;
  readonly steered: ReadonlyMap<string, readonly string[]>;
  /** See hidingOf(). */
  readonly over: ReadonlySet<string>;
};

function lookAround(
  name: string,
  zone: ZoneConfig,
  pools: Config['pools'],
  rrsets: readonly RrsetConfig[],
): Around {
  const apex = name === '.' ? name : `${name}.`;
  const interest = new Set(rrsets.flatMap(({ owner }) => [owner, ...namesAbove(owner)]));
  const sets = new Map<string, Map<string, RrsetConfig>>();
  for (const rrset of rrsetsAt(zone, interest)) {
    setsOf(sets, rrset.owner).set(rrset.type, rrset);
  }
  const steered = new Map(
    zone.steered.map((each) => [each.owner.toLowerCase(), steeredTypes(each, pools)] as const),
  );
  return { apex, sets, steered, over: hidingOf(apex, zone, steered, rrsets) };
}

/** Owners and types of what comes and would hide a name that is there. */
function hidingOf(
  apex: string,
  zone: ZoneConfig,
  steered: Around['steered'],
  rrsets: readonly RrsetConfig[],
): ReadonlySet<string> {
  const renamed = new Set(rrsets.flatMap(({ owner, type }) => (type === 'DNAME' ? owner : [])));
  const cuts = new Map(
    rrsets.flatMap((each) =>
      each.type === 'NS' && each.owner !== apex ? [[each.owner, each] as const] : [],
    ),
  );
  const hiding = new Set<string>();
  if (renamed.size + cuts.size === 0) return hiding;
  for (const owner of steered.keys()) {
    for (const above of [owner, ...namesAbove(owner)]) {
      hiding.add(`${above} DNAME`);
      hiding.add(`${above} NS`);
    }
  }
  for (const { owner } of rrsets) hideRenamed(owner);
  // A delegation may have the addresses of its own servers below it.
  for (const rrset of rrsetsOf(zone)) {
    hideRenamed(rrset.owner);
    for (const above of namesAbove(rrset.owner)) {
      const cut = cuts.get(above);
      if (cut !== undefined && !isGlue(rrset, cut)) hiding.add(`${above} NS`);
    }
  }
  return hiding;

  function hideRenamed(owner: string): void {
    for (const above of namesAbove(owner)) {
      if (renamed.has(above)) hiding.add(`${above} DNAME`);
    }
  }
}

/** Whether they are addresses of a server that `cut` delegates to. */
function isGlue({ owner, type }: RrsetConfig, cut: RrsetConfig): boolean {
  const isAddress = type === 'A' || type === 'AAAA';
  return isAddress && cut.data.some((target) => target.toLowerCase() === owner);
}

function objection({ data, owner, type }: RrsetConfig, around: Around): string | undefined {
  const { apex, over, sets, steered } = around;
  const beside = sets.get(owner);
  const answered = steered.get(owner) ?? [];
  if (answered.includes('CNAME')) return 'the name is steered to CNAMEs, which stand alone';
  if (answered.includes(type)) return `the name is steered: it cannot have ${type} records too`;
  if (type === 'CNAME') {
    if (owner === apex) return 'a zone itself cannot be a CNAME';
    if (answered.length > 0) return 'the name is steered: it cannot be a CNAME';
    if (data.length > 1 || beside?.has(type)) return 'a CNAME has one target';
    if (beside !== undefined && beside.size > 0)
      return 'a CNAME stands alone, and the name has other records';
  } else if (beside?.has('CNAME')) return 'the name is a CNAME, which stands alone';
  if (type === 'SOA') return 'the SOA is that of the zone';
  if (type === 'NS' && owner.startsWith('*.')) return 'a wildcard cannot be delegated';
  if (type === 'DNAME' && owner.startsWith('*.')) return 'a wildcard cannot have a DNAME';
  if (type === 'DNAME' && isDelegated(owner, around)) return 'a delegated name cannot have a DNAME';
  if (type === 'NS' && owner !== apex && beside?.has('DNAME')) return 'the name has a DNAME';
  if (type === 'DNAME' && (data.length > 1 || beside?.has(type))) return 'a DNAME has one target';
  if (type === 'DS' && owner === apex) return 'DS records of a zone stand in its parent';
  if (over.has(`${owner} ${type}`)) return `${type} here would hide names below it`;
  if (namesAbove(owner).some((above) => sets.get(above)?.has('DNAME'))) {
    return 'a name above it has a DNAME';
  }
  const all = [...new Set([...(beside?.get(type)?.data ?? []), ...data])];
  return isTooLong(type, all) ? 'more than one answer holds' : undefined;
}

/** Whether the name, or one above it, belongs to others. */
function isDelegated(owner: string, { apex, sets }: Around): boolean {
  return [owner, ...namesAbove(owner)].some((each) => each !== apex && sets.get(each)?.has('NS'));
}

/** CNAMEs last: they yield to whatever else has come to the name. Before them DNAMEs, which yield to delegations. */
function inOrder(rrsets: readonly RrsetConfig[]): readonly RrsetConfig[] {
  const rank = ({ type }: RrsetConfig): number => LAST_TYPES.indexOf(type);
  return rrsets.toSorted((a, b) => rank(a) - rank(b));
}

const LAST_TYPES: readonly string[] = ['DNAME', 'CNAME'];

/** Records of one name and type have one TTL (RFC 2181 5.2): that which is written. */
function joinedTtl(rrset: RrsetConfig, { sets }: Around): RrsetConfig {
  const written = sets.get(rrset.owner)?.get(rrset.type);
  return written === undefined ? rrset : { ...rrset, ttl: written.ttl };
}

function note({ sets }: Around, rrset: RrsetConfig): void {
  const there = setsOf(sets, rrset.owner);
  const data = [...(there.get(rrset.type)?.data ?? []), ...rrset.data];
  there.set(rrset.type, { ...rrset, data });
}

function setsOf(
  sets: Map<string, Map<string, RrsetConfig>>,
  owner: string,
): Map<string, RrsetConfig> {
  const there = sets.get(owner) ?? new Map<string, RrsetConfig>();
  sets.set(owner, there);
  return there;
}

/** From the closest to the root. */
export function namesAbove(owner: string): readonly string[] {
  const names: string[] = [];
  if (owner.includes('\\')) {
    const wire = parseName(owner);
    for (let at = wire && parentName(wire); at; at = parentName(at)) names.push(formatName(at));
    return names;
  }
  for (let dot = owner.indexOf('.'); dot >= 0 && dot + 1 < owner.length; ) {
    names.push(owner.slice(dot + 1));
    dot = owner.indexOf('.', dot + 1);
  }
  return owner === '.' ? names : [...names, '.'];
}

/** What one character of a record's text may become: `::` is 16 octets, a type in a bitmap 34. */
const OCTETS_PER_CHARACTER_MAX = 34;

function isTooLong(type: string, data: readonly string[]): boolean {
  let characters = 0;
  for (const text of data) characters += RECORD_HEADER_LENGTH + text.length;
  if (characters * OCTETS_PER_CHARACTER_MAX <= RRSET_BYTES_MAX) return false;
  return octetsOf(type, data) > RRSET_BYTES_MAX;
}

function octetsOf(type: string, data: readonly string[]): number {
  let octets = 0;
  for (const text of data) {
    const read = parseRdata(type, text);
    octets += RECORD_HEADER_LENGTH + (read.ok ? read.rdata.length : 0);
  }
  return octets;
}
