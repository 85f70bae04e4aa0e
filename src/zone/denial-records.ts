/**
 * The NSEC records of signed zones, which prove that a name has no other types, or is not there (RFC 4034 4).
 *
 *   compact   each name is followed by the one that is next to it, so that nothing is told of others; of a
 *             name that is not there the proof is made when somebody asks (RFC 9824)
 *   nsec      each name is followed by the next one that has records: every proof is made before, and
 *             whoever asks long enough has read the zone
 */
import { TYPE_DS, TYPE_NS, TYPE_NSEC, TYPE_RRSIG } from '../dns/constants.ts';
import { nextName, nsecRdata } from '../dns/dnssec/denial.ts';
import { compareNames } from '../dns/name.ts';
import { runOf, writeRrset } from './assemble.ts';
import {
  DENIAL_CHAIN,
  DENIAL_COMPACT,
  NODE_CUT,
  NODE_WORDS,
  NONE,
  ZONE_CHAIN,
  ZONE_CHAIN_LENGTH,
  ZONE_DENIAL,
  ZONE_DENIAL_AT_PARENT,
  ZONE_WORDS,
} from './compiled-zones.ts';
import {
  addOwnSet,
  type Filling,
  nameOf,
  rowOf,
  SET_NEXT,
  SET_ROW,
  SET_TYPE,
  SET_WORDS,
  setOf,
} from './filling.ts';
import { addLink } from './table-store.ts';

/** The apex of a zone of ours below, as the parent zone sees it. */
export type ChildApex = {
  readonly name: Uint8Array;
  /** Rows. */
  readonly zone: number;
  readonly node: number;
  /** The parent has DS records for it. */
  readonly hasDs: boolean;
};

/** Records that are to stand in the table: those of own names among their RRsets, the others later. */
export type Denials = {
  readonly chain: readonly Denial[];
  readonly ofChildren: readonly Denial[];
};

type Denial = {
  readonly name: Uint8Array;
  readonly types: readonly number[];
  /** Local number of an own name, else NONE. */
  readonly local: number;
  readonly child?: ChildApex;
  next: Uint8Array;
};

/**
 * Adds them to the zone's names before they are written. What is delegated away has none (RFC 4035 2.3).
 * @param serviceTypes types that a name has by its service, by local number
 */
export function addDenials(
  filling: Filling,
  kind: 'compact' | 'nsec',
  ttl: number,
  children: readonly ChildApex[],
  serviceTypes: ReadonlyMap<number, readonly number[]>,
): Denials {
  const own: Denial[] = [];
  for (let local = 0; local < filling.nodeCount; local += 1) {
    const row = rowOf(filling, local);
    const cut = filling.store.nodes[row * NODE_WORDS + NODE_CUT]!;
    if (cut !== NONE && cut !== row) continue;
    const types = [...typesOf(filling, local, cut === row), ...(serviceTypes.get(local) ?? [])];
    // A copy: the arena moves when it grows.
    own.push({ name: nameOf(filling, local).slice(), types, local, next: NOTHING });
  }
  const cuts = children.map(
    (child): Denial => ({
      name: child.name,
      types: child.hasDs ? [TYPE_NS, TYPE_DS] : [TYPE_NS],
      local: NONE,
      child,
      next: NOTHING,
    }),
  );
  const all = [...own, ...cuts];
  // Empty non-terminals are not in the chain: the record that spans them proves them.
  const chain =
    kind === 'compact'
      ? []
      : all.filter(({ types }) => types.length > 0).sort((a, b) => compareNames(a.name, b.name));
  for (const [index, one] of chain.entries()) one.next = chain[(index + 1) % chain.length]!.name;
  const denials = kind === 'compact' ? all : chain;
  if (kind === 'compact') for (const one of denials) one.next = nextName(one.name);
  for (const one of denials) {
    if (one.local !== NONE) addOwnSet(filling, one.local, TYPE_NSEC, ttl, [rdataOfDenial(one)]);
  }
  return { chain, ofChildren: denials.filter(({ child }) => child !== undefined) };
}

const NOTHING = new Uint8Array();

const rdataOfDenial = ({ next, types }: Denial): Uint8Array =>
  nsecRdata(next, [...types, TYPE_RRSIG, TYPE_NSEC]);

function typesOf(filling: Filling, local: number, isCut: boolean): readonly number[] {
  const { nodeSets, sets } = filling;
  const types: number[] = [];
  for (let set = nodeSets[local]!; set !== NONE; set = sets[set * SET_WORDS + SET_NEXT]!) {
    const type = sets[set * SET_WORDS + SET_TYPE]!;
    if (local === 0 && type === TYPE_DS) continue;
    if (!isCut || type === TYPE_NS || type === TYPE_DS) types.push(type);
  }
  return types;
}

/** Writes what stands apart from the zone's names, once these have their rows. */
export function writeDenials(
  filling: Filling,
  kind: 'compact' | 'nsec',
  ttl: number,
  { chain, ofChildren }: Denials,
): void {
  const { apexName, sets, store, zone } = filling;
  const rows = new Map<Denial, number>();
  for (const one of ofChildren) {
    // RFC 9077: as long as the zone's negative answers.
    const run = runOf(TYPE_NSEC, ttl, rdataOfDenial(one));
    const row = writeRrset(store, run, one.name.length, apexName, zone);
    store.zones[one.child!.zone * ZONE_WORDS + ZONE_DENIAL_AT_PARENT] = row;
    rows.set(one, row);
  }
  const zoneRow = zone * ZONE_WORDS;
  store.zones[zoneRow + ZONE_DENIAL] = kind === 'compact' ? DENIAL_COMPACT : DENIAL_CHAIN;
  store.zones[zoneRow + ZONE_CHAIN] = store.linkCount;
  store.zones[zoneRow + ZONE_CHAIN_LENGTH] = chain.length;
  for (const one of chain) {
    const { child, local } = one;
    addLink(store, child?.node ?? rowOf(filling, local));
    const set = child === undefined ? setOf(filling, local, TYPE_NSEC) : NONE;
    addLink(store, rows.get(one) ?? sets[set * SET_WORDS + SET_ROW]!);
  }
}
