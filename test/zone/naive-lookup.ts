/**
 * RFC 1034 4.3.2 and RFC 4592 written down as plainly as possible, on text names in maps: the oracle
 * that the compiled look-up is compared with. Slow, and shares no code or idea with it.
 */
export type NaiveZone = {
  /** Absolute, lower case. */
  readonly apex: string;
  readonly rrsets: readonly NaiveRrset[];
  readonly steered: readonly string[];
};
export type NaiveRrset = { readonly owner: string; readonly type: string; readonly data: string };

export type NaiveAnswer = {
  readonly outcome: string;
  /** The zone that answers, the node's name, and the data found. */
  readonly zone: string | undefined;
  readonly node: string | undefined;
  readonly data: string | undefined;
  readonly chain: readonly string[];
};

const CHAIN_MAX = 16;

export function naiveLookup(
  zones: readonly NaiveZone[],
  qname: string,
  qtype: string,
): NaiveAnswer {
  const chain: string[] = [];
  const seen = new Set<NaiveRrset>();
  let name = qname;
  for (;;) {
    const step = resolve(zones, name, qtype);
    if (step.cname === undefined) {
      const outcome = step.outcome === 'refused' && chain.length > 0 ? 'follow' : step.outcome;
      return { outcome, zone: step.zone, node: step.node, data: step.data, chain };
    }
    if (seen.has(step.cname) || chain.length === CHAIN_MAX) {
      return { outcome: 'follow', zone: undefined, node: undefined, data: undefined, chain };
    }
    seen.add(step.cname);
    chain.push(step.cname.data);
    name = step.cname.data;
  }
}

type Step = {
  readonly outcome: string;
  readonly zone?: string;
  readonly node?: string;
  readonly data?: string;
  readonly cname?: NaiveRrset;
};

/** `a.b.` is `b.`'s child; the root is `.`. */
const parent = (name: string): string => name.slice(name.indexOf('.') + 1) || '.';
const below = (name: string, apex: string): boolean =>
  name === apex || apex === '.' || name.endsWith(`.${apex}`);
const ancestors = (name: string): string[] =>
  name === '.' ? ['.'] : [name, ...ancestors(parent(name))];

function resolve(zones: readonly NaiveZone[], name: string, qtype: string): Step {
  const zone = closest(zones, name);
  if (zone === undefined) return { outcome: 'refused' };
  // The parent zone speaks about DS at an apex (RFC 4035 3.1.4.1), unless it has delegated above.
  if (qtype === 'DS' && name === zone.apex && name !== '.') {
    const above = closest(zones, parent(name));
    if (above !== undefined && cutOf(above, zones, parent(name)) === undefined) {
      const ds = above.rrsets.find(({ owner, type }) => owner === name && type === 'DS');
      return ds === undefined
        ? { outcome: 'nodata', zone: above.apex, node: name }
        : { outcome: 'hit', zone: zone.apex, node: name, data: ds.data };
    }
  }
  const cut = cutOf(zone, zones, name);
  if (cut !== undefined && !(qtype === 'DS' && cut.owner === name)) {
    return { outcome: 'delegation', zone: zone.apex, node: cut.owner, data: cut.data };
  }
  if (exists(zones, zone, name)) return at(zone, name, qtype);
  const encloser = ancestors(name).find((ancestor) => exists(zones, zone, ancestor));
  const wildcard = encloser === '.' ? '*.' : `*.${encloser}`;
  if (!exists(zones, zone, wildcard)) return { outcome: 'nxdomain', zone: zone.apex };
  return at(zone, wildcard, qtype);
}

function closest(zones: readonly NaiveZone[], name: string): NaiveZone | undefined {
  return ancestors(name)
    .map((ancestor) => zones.find(({ apex }) => apex === ancestor))
    .find((zone) => zone !== undefined);
}

/** Records that are really this zone's: not at or below the apex of a child zone of ours. */
function own(zones: readonly NaiveZone[], zone: NaiveZone, name: string): boolean {
  return closest(zones, name) === zone;
}

/** The topmost delegation at or above the name. */
function cutOf(zone: NaiveZone, zones: readonly NaiveZone[], name: string): NaiveRrset | undefined {
  return ancestors(name)
    .filter((ancestor) => ancestor !== zone.apex && below(ancestor, zone.apex))
    .reverse()
    .map((ancestor) =>
      zone.rrsets.find(
        ({ owner, type }) => owner === ancestor && type === 'NS' && own(zones, zone, owner),
      ),
    )
    .find((rrset) => rrset !== undefined);
}

/** A name exists with records, or above one that does, or above the apex of a child of ours. */
function exists(zones: readonly NaiveZone[], zone: NaiveZone, name: string): boolean {
  if (!own(zones, zone, name)) return false;
  const owners = [
    zone.apex,
    ...zone.steered,
    ...zone.rrsets.filter(({ owner }) => own(zones, zone, owner)).map(({ owner }) => owner),
    ...zones.map(({ apex }) => apex).filter((apex) => below(apex, zone.apex)),
  ];
  return owners.some((owner) => below(owner, name));
}

function at(zone: NaiveZone, name: string, qtype: string): Step {
  const found = { zone: zone.apex, node: name };
  const steered = zone.steered.includes(name);
  if (steered && (qtype === 'A' || qtype === 'AAAA')) return { outcome: 'steered', ...found };
  const here = zone.rrsets.filter(({ owner }) => owner === name);
  const match = here.find(({ type }) => type === qtype);
  if (match !== undefined) return { outcome: 'hit', ...found, data: match.data };
  const cname = here.find(({ type }) => type === 'CNAME');
  if (cname !== undefined) return { outcome: 'follow', ...found, cname };
  return { outcome: 'nodata', ...found };
}
