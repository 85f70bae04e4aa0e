/**
 * One zone on its way into the table: its names become rows at once, its RRsets wait in lists by name until
 * all of them are known, for those of a name stand together in the table. Numbers in columns, which the
 * next zone uses again: a zone of a million RRsets costs no objects, and a million zones of one neither.
 *
 * Names have local numbers: 0 is the apex, the others follow in the order of their rows.
 */
import { TYPE_NS } from '../dns/constants.ts';
import { isSubdomain } from '../dns/name.ts';
import {
  NODE_CUT,
  NODE_NAME,
  NODE_NAME_LENGTH,
  NODE_WILDCARD,
  NODE_WORDS,
  NONE,
} from './compiled-zones.ts';
import {
  addNode,
  appendOctets,
  createNameHashes,
  findNode,
  hashName,
  type NameHashes,
  type TableStore,
} from './table-store.ts';

export type Filling = {
  readonly store: TableStore;
  /** Row of the zone, and of its apex. */
  zone: number;
  apex: number;
  apexName: Uint8Array;
  apexLabels: number;
  /** Row of local number 1. */
  firstNode: number;
  /** With the apex. */
  nodeCount: number;
  /** By local number: the first RRset, and the name above. */
  nodeSets: Int32Array;
  nodeParents: Int32Array;
  setCount: number;
  /** SET_WORDS each. */
  sets: Int32Array;
  /** Records of RRsets that were not packed before, as in packed-rrsets.ts. */
  own: Uint8Array;
  ownLength: number;
  /** The records of the zone's file. */
  packed: Uint8Array;
  /** Whether there is a name that hides others or must stand alone. */
  hasCuts: boolean;
  hasAliases: boolean;
  hasRenamed: boolean;
  readonly names: NameHashes;
  /** Of the RRset before, which is often of the same owner. */
  lastOwner: number;
};

export const SET_WORDS = 7;
export const SET_TYPE = 0;
export const SET_TTL = 1;
/** The next RRset of the name, or NONE. */
export const SET_NEXT = 2;
/** Where its records begin, and their number. */
export const SET_AT = 3;
export const SET_COUNT = 4;
/** Whether they are in `own`; else in `packed`. */
export const SET_IS_OWN = 5;
/** Its row in the table, once it has one. */
export const SET_ROW = 6;

const ASTERISK = 0x2a;
const NO_OCTETS = new Uint8Array();

export function createFilling(store: TableStore): Filling {
  return {
    store,
    zone: NONE,
    apex: NONE,
    apexName: NO_OCTETS,
    apexLabels: 0,
    firstNode: 0,
    nodeCount: 0,
    nodeSets: new Int32Array(64),
    nodeParents: new Int32Array(64),
    setCount: 0,
    sets: new Int32Array(64 * SET_WORDS),
    own: new Uint8Array(1024),
    ownLength: 0,
    packed: NO_OCTETS,
    hasCuts: false,
    hasAliases: false,
    hasRenamed: false,
    names: createNameHashes(),
    lastOwner: NONE,
  };
}

/** Begins with a zone whose apex has its row. */
export function beginFilling(
  filling: Filling,
  zone: number,
  apex: number,
  apexName: Uint8Array,
): void {
  filling.zone = zone;
  filling.apex = apex;
  filling.apexName = apexName;
  filling.apexLabels = hashName(apexName, 0, filling.names);
  filling.firstNode = filling.store.nodeCount;
  filling.nodeCount = 1;
  filling.nodeSets[0] = NONE;
  filling.nodeParents[0] = NONE;
  filling.setCount = 0;
  filling.ownLength = 0;
  filling.packed = NO_OCTETS;
  filling.hasCuts = false;
  filling.hasAliases = false;
  filling.hasRenamed = false;
  filling.lastOwner = NONE;
}

export const rowOf = ({ apex, firstNode }: Filling, local: number): number =>
  local === 0 ? apex : firstNode + local - 1;

export const localOf = ({ apex, firstNode }: Filling, row: number): number =>
  row === apex ? 0 : row - firstNode + 1;

/** The name of a node; a view. */
export function nameOf(filling: Filling, local: number): Uint8Array {
  const { arena, nodes } = filling.store;
  const row = rowOf(filling, local) * NODE_WORDS;
  const at = nodes[row + NODE_NAME]!;
  return arena.subarray(at, at + nodes[row + NODE_NAME_LENGTH]!);
}

/**
 * The name at `at`, which is in the zone and not in one below it, with all names between it and the apex
 * (RFC 4592 2.2.2). @returns its local number
 */
export function nameInZone(
  filling: Filling,
  bytes: Uint8Array,
  at: number,
  length: number,
): number {
  const { store } = filling;
  if (filling.lastOwner !== NONE && isLastOwner(filling, bytes, at, length))
    return filling.lastOwner;
  const { hashes, offsets } = filling.names;
  hashName(bytes, at, filling.names);
  // The closest encloser that is there: the apex always is.
  let above = 0;
  let row = NONE;
  for (; row === NONE; above += 1) {
    const offset = offsets[above]!;
    row = findNode(store, hashes[above]!, bytes, at + offset, length - offset);
  }
  above -= 1;
  let local = localOf(filling, row);
  if (above > 0) {
    // Names above are the tail of this one's octets.
    const nameAt = appendOctets(store, bytes, at, at + length);
    for (let label = above - 1; label >= 0; label -= 1) {
      const offset = offsets[label]!;
      local = addLocal(filling, local, nameAt + offset, length - offset, hashes[label]!);
    }
  }
  filling.lastOwner = local;
  return local;
}

function isLastOwner(filling: Filling, bytes: Uint8Array, at: number, length: number): boolean {
  const { arena, nodes } = filling.store;
  const row = rowOf(filling, filling.lastOwner) * NODE_WORDS;
  if (nodes[row + NODE_NAME_LENGTH] !== length) return false;
  const name = nodes[row + NODE_NAME]!;
  for (let i = 0; i < length; i += 1) if (arena[name + i] !== bytes[at + i]) return false;
  return true;
}

function addLocal(
  filling: Filling,
  parent: number,
  nameAt: number,
  length: number,
  hash: number,
): number {
  const { store } = filling;
  const row = addNode(store, filling.zone, nameAt, length, hash);
  const local = filling.nodeCount;
  filling.nodeCount += 1;
  if (local >= filling.nodeSets.length) {
    filling.nodeSets = doubled(filling.nodeSets);
    filling.nodeParents = doubled(filling.nodeParents);
  }
  filling.nodeSets[local] = NONE;
  filling.nodeParents[local] = parent;
  if (store.arena[nameAt] === 1 && store.arena[nameAt + 1] === ASTERISK) {
    store.nodes[rowOf(filling, parent) * NODE_WORDS + NODE_WILDCARD] = row;
  }
  return local;
}

function doubled(column: Int32Array): Int32Array {
  const larger = new Int32Array(column.length * 2);
  larger.set(column);
  return larger;
}

/** The RRset of a type, or NONE. */
export function setOf({ nodeSets, sets }: Filling, local: number, type: number): number {
  let set = nodeSets[local]!;
  while (set !== NONE && sets[set * SET_WORDS + SET_TYPE] !== type) {
    set = sets[set * SET_WORDS + SET_NEXT]!;
  }
  return set;
}

/** Adds an RRset that the name has not yet; its place among the name's is by type. */
export function addSet(
  filling: Filling,
  local: number,
  type: number,
  ttl: number,
  at: number,
  count: number,
  isOwn: boolean,
): void {
  const set = filling.setCount;
  if ((set + 1) * SET_WORDS > filling.sets.length) filling.sets = doubled(filling.sets);
  filling.setCount = set + 1;
  const { nodeSets, sets } = filling;
  const row = set * SET_WORDS;
  sets[row + SET_TYPE] = type;
  sets[row + SET_TTL] = ttl;
  sets[row + SET_AT] = at;
  sets[row + SET_COUNT] = count;
  sets[row + SET_IS_OWN] = isOwn ? 1 : 0;
  sets[row + SET_ROW] = NONE;
  let before = NONE;
  let next = nodeSets[local]!;
  while (next !== NONE && sets[next * SET_WORDS + SET_TYPE]! < type) {
    before = next;
    next = sets[next * SET_WORDS + SET_NEXT]!;
  }
  sets[row + SET_NEXT] = next;
  if (before === NONE) nodeSets[local] = set;
  else sets[before * SET_WORDS + SET_NEXT] = set;
}

/** Adds an RRset of these rdata. */
export function addOwnSet(
  filling: Filling,
  local: number,
  type: number,
  ttl: number,
  rdata: readonly Uint8Array[],
): void {
  let octets = 0;
  for (const { length } of rdata) octets += 2 + length;
  if (filling.ownLength + octets > filling.own.length) {
    const larger = new Uint8Array(Math.max(filling.ownLength + octets, filling.own.length * 2));
    larger.set(filling.own);
    filling.own = larger;
  }
  const at = filling.ownLength;
  for (const one of rdata) {
    filling.own[filling.ownLength] = one.length >> 8;
    filling.own[filling.ownLength + 1] = one.length;
    filling.own.set(one, filling.ownLength + 2);
    filling.ownLength += 2 + one.length;
  }
  addSet(filling, local, type, ttl, at, rdata.length, true);
}

/** The octets that the records of an RRset lie in, from SET_AT on. */
export const octetsOf = ({ own, packed, sets }: Filling, set: number): Uint8Array =>
  sets[set * SET_WORDS + SET_IS_OWN] === 1 ? own : packed;

/** The rdata of an RRset; views. */
export function rdataOf(filling: Filling, set: number): readonly Uint8Array[] {
  const bytes = octetsOf(filling, set);
  const row = set * SET_WORDS;
  const rdata: Uint8Array[] = [];
  let at = filling.sets[row + SET_AT]!;
  for (let left = filling.sets[row + SET_COUNT]!; left > 0; left -= 1) {
    const end = at + 2 + ((bytes[at]! << 8) | bytes[at + 1]!);
    rdata.push(bytes.subarray(at + 2, end));
    at = end;
  }
  return rdata;
}

/** Takes the RRset of a type away from a name. */
export function dropSet({ nodeSets, sets }: Filling, local: number, type: number): void {
  let before = NONE;
  for (let set = nodeSets[local]!; set !== NONE; set = sets[set * SET_WORDS + SET_NEXT]!) {
    if (sets[set * SET_WORDS + SET_TYPE] !== type) {
      before = set;
      continue;
    }
    const next = sets[set * SET_WORDS + SET_NEXT]!;
    if (before === NONE) nodeSets[local] = next;
    else sets[before * SET_WORDS + SET_NEXT] = next;
    return;
  }
}

/** The delegation at or above a name, as a row: the highest one, for everything from there on is not ours. */
export function linkCuts(filling: Filling): void {
  if (!filling.hasCuts) return;
  const { nodeCount, nodeParents, store } = filling;
  const { nodes } = store;
  // A name comes after the one above it.
  for (let local = 1; local < nodeCount; local += 1) {
    const row = rowOf(filling, local);
    const above = nodes[rowOf(filling, nodeParents[local]!) * NODE_WORDS + NODE_CUT]!;
    const own = setOf(filling, local, TYPE_NS) === NONE ? NONE : row;
    nodes[row * NODE_WORDS + NODE_CUT] = above === NONE ? own : above;
  }
}

/** Whether the lower-cased name is the apex or below it. */
export const isInZone = ({ apexName }: Filling, name: Uint8Array): boolean =>
  isSubdomain(name, apexName);
