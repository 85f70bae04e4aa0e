/**
 * A table while it is made, and what it is made larger from. Rows of names, RRsets and links and the octets
 * of the arena are only ever added behind those that are served, on the same shared memory with room to
 * spare; the hash index and the rows of zones, which are small, are copied before they change. So a zone of
 * a hundred thousand is replaced at the cost of its own records, workers get new handles to the same
 * memory, and whoever still reads the table of before finds it as it was. The rows and octets of before stay
 * until the whole table is made anew.
 */
import {
  hashLabel,
  NODE_ANSWERS,
  NODE_CUT,
  NODE_HASH,
  NODE_NAME,
  NODE_NAME_LENGTH,
  NODE_RRSET_COUNT,
  NODE_RRSETS,
  NODE_SERVICE,
  NODE_WILDCARD,
  NODE_WORDS,
  NODE_ZONE,
  NONE,
  ROOT_HASH,
  RRSET_WORDS,
  spread,
  ZONE_WORDS,
  type ZoneTable,
} from './compiled-zones.ts';
import { sharedWords } from './word-memory.ts';

export type TableStore = {
  /** That the arena may have. */
  readonly arenaMax: number;
  arena: Uint8Array;
  arenaLength: number;
  nodes: Int32Array;
  /** Rows. */
  nodeCount: number;
  /** Rows that the index leads to no more. */
  deadNodes: number;
  /** Of all columns: what zones took that have been replaced. */
  deadOctets: number;
  rrsets: Int32Array;
  rrsetCount: number;
  links: Int32Array;
  linkCount: number;
  zones: Int32Array;
  zoneCount: number;
  slots: Uint32Array;
  /** Where the columns were that were served last, all but those that are copied, and the number of that memory. */
  servedFrom: readonly ArrayBufferLike[];
  memory: number;
  /** The hash index and the rows of zones are served: they must be copied before they change. */
  isServed: boolean;
};

/** What a table is expected to hold; more costs a copy, and what is not used costs no memory. */
export type TableSize = {
  readonly zones: number;
  readonly nodes: number;
  readonly rrsets: number;
  readonly octets: number;
};

/** The arena has no more: offsets in it, and the ends of what begins there, are words with a sign. */
export const ARENA_OCTETS_MAX = 2 ** 31 - 1;

/** Thrown where the arena would have to grow beyond its limit: deep in a compilation that is of no use then. */
export class ArenaFull extends Error {}

/** Room for what comes later, in parts of what is there. */
const SPARE = 1.25;
const SLOTS_MIN = 16;

export function createTableStore(
  { nodes, octets, rrsets, zones }: TableSize,
  arenaMax: number,
): TableStore {
  const withSpare = (count: number): number => Math.ceil(count * SPARE) + 64;
  return {
    arenaMax,
    arena: new Uint8Array(new SharedArrayBuffer(Math.min(withSpare(octets), arenaMax))),
    arenaLength: 0,
    nodes: sharedWords(withSpare(nodes) * NODE_WORDS),
    nodeCount: 0,
    deadNodes: 0,
    deadOctets: 0,
    rrsets: sharedWords(withSpare(rrsets) * RRSET_WORDS),
    rrsetCount: 0,
    links: sharedWords(1024),
    linkCount: 0,
    zones: sharedWords(zones * ZONE_WORDS),
    zoneCount: zones,
    slots: sharedSlots(nodes),
    servedFrom: [],
    memory: 0,
    isServed: false,
  };
}

const slotsFor = (nodes: number): number =>
  2 ** Math.ceil(Math.log2(Math.max(SLOTS_MIN, nodes * 2)));

const sharedSlots = (nodes: number): Uint32Array =>
  new Uint32Array(new SharedArrayBuffer(slotsFor(nodes) * 4));

/** The table as it is now; what is added to the store later does not change it. */
export function serveTable(store: TableStore): ZoneTable {
  store.isServed = true;
  const { arena, links, nodes, rrsets, slots, zones } = store;
  return {
    arena: arena.subarray(0, store.arenaLength),
    slots,
    nodes: nodes.subarray(0, store.nodeCount * NODE_WORDS),
    rrsets: rrsets.subarray(0, store.rrsetCount * RRSET_WORDS),
    zones: zones.subarray(0, store.zoneCount * ZONE_WORDS),
    links: links.subarray(0, store.linkCount),
    memory: memoryOf(store),
  };
}

/** Of all tables that this thread has made. */
let memories = 0;

/** So that they are not those of a thread before this one: a number that none has had. */
export function numberMemoriesFrom(first: number): void {
  memories = first;
}

/** The number of the memory that the columns lie in: another one when one of them had to grow. */
function memoryOf(store: TableStore): number {
  const { arena, links, nodes, rrsets, servedFrom } = store;
  const buffers = [arena, links, nodes, rrsets].map(({ buffer }) => buffer);
  if (buffers.some((buffer, index) => buffer !== servedFrom[index])) {
    memories += 1;
    store.servedFrom = buffers;
    store.memory = memories;
  }
  return store.memory;
}

/** What all columns hold by now, but for the hash index and the rows of zones, of which nothing dies. */
export function octetsHeld({ arenaLength, linkCount, nodeCount, rrsetCount }: TableStore): number {
  const words = nodeCount * NODE_WORDS + rrsetCount * RRSET_WORDS + linkCount;
  return arenaLength + words * Int32Array.BYTES_PER_ELEMENT;
}

/** Makes the hash index and the rows of zones this store's own again. */
export function ownIndex(store: TableStore): void {
  if (!store.isServed) return;
  const slots = new Uint32Array(new SharedArrayBuffer(store.slots.byteLength));
  slots.set(store.slots);
  const zones = sharedWords(store.zones.length);
  zones.set(store.zones);
  store.slots = slots;
  store.zones = zones;
  store.isServed = false;
}

/** Sees to room for so many octets more in the arena; returns where they go. */
export function makeRoom(store: TableStore, octets: number): number {
  const needed = store.arenaLength + octets;
  if (needed > store.arena.length) {
    if (needed > store.arenaMax) throw new ArenaFull();
    const length = Math.min(Math.max(needed, store.arena.length * 2), store.arenaMax);
    const larger = new Uint8Array(new SharedArrayBuffer(length));
    larger.set(store.arena.subarray(0, store.arenaLength));
    store.arena = larger;
  }
  return store.arenaLength;
}

/** Appends octets `from` to `to`; returns where they start. */
export function appendOctets(
  store: TableStore,
  bytes: Uint8Array,
  from: number,
  to: number,
): number {
  const start = makeRoom(store, to - from);
  const { arena } = store;
  for (let at = from, out = start; at < to; at += 1, out += 1) arena[out] = bytes[at]!;
  store.arenaLength = start + to - from;
  return start;
}

/** Appends a link; returns its index. */
export function addLink(store: TableStore, value: number): number {
  store.links = withRoom(store.links, store.linkCount + 1);
  store.links[store.linkCount] = value;
  store.linkCount += 1;
  return store.linkCount - 1;
}

/** Appends a row of zeros; returns its index. */
export function addRrsetRow(store: TableStore): number {
  store.rrsets = withRoom(store.rrsets, (store.rrsetCount + 1) * RRSET_WORDS);
  store.rrsetCount += 1;
  return store.rrsetCount - 1;
}

function withRoom(column: Int32Array, words: number): Int32Array {
  if (words <= column.length) return column;
  const larger = sharedWords(Math.max(words, column.length * 2));
  larger.set(column);
  return larger;
}

/** Appends a name without RRsets to the rows and the index. Its octets are in the arena already. */
export function addNode(
  store: TableStore,
  zone: number,
  nameAt: number,
  length: number,
  hash: number,
): number {
  const node = store.nodeCount;
  store.nodes = withRoom(store.nodes, (node + 1) * NODE_WORDS);
  store.nodeCount = node + 1;
  const { nodes } = store;
  const row = node * NODE_WORDS;
  nodes[row + NODE_HASH] = hash;
  nodes[row + NODE_NAME] = nameAt;
  nodes[row + NODE_NAME_LENGTH] = length;
  nodes[row + NODE_RRSETS] = 0;
  nodes[row + NODE_RRSET_COUNT] = 0;
  nodes[row + NODE_SERVICE] = NONE;
  nodes[row + NODE_ZONE] = zone;
  nodes[row + NODE_CUT] = NONE;
  nodes[row + NODE_WILDCARD] = NONE;
  nodes[row + NODE_ANSWERS] = 0;
  insertNode(store, node);
  return node;
}

function insertNode(store: TableStore, node: number): void {
  const live = store.nodeCount - store.deadNodes;
  if (live * 2 > store.slots.length) rebuildIndex(store, live);
  else putIntoSlot(store, node);
}

function putIntoSlot({ nodes, slots }: TableStore, node: number): void {
  const mask = slots.length - 1;
  let slot = spread(nodes[node * NODE_WORDS + NODE_HASH]!) & mask;
  while (slots[slot] !== 0) slot = (slot + 1) & mask;
  slots[slot] = node + 1;
}

/** A larger index with the nodes of the old one, and the newest. */
function rebuildIndex(store: TableStore, live: number): void {
  moveIndex(store, live);
  putIntoSlot(store, store.nodeCount - 1);
}

/**
 * A smaller index where names are fewer than was expected, for most have several RRsets: it is copied with every zone
 * that is replaced.
 */
export function fitIndex(store: TableStore): void {
  const wanted = Math.ceil((store.nodeCount - store.deadNodes) * SPARE);
  if (slotsFor(wanted) < store.slots.length) moveIndex(store, wanted);
}

function moveIndex(store: TableStore, nodes: number): void {
  const old = store.slots;
  store.slots = sharedSlots(nodes);
  for (let slot = 0; slot < old.length; slot += 1) {
    if (old[slot] !== 0) putIntoSlot(store, old[slot]! - 1);
  }
}

/** Takes a node out of the index: the nodes behind it in its run move up, so that no gap ends a search. */
export function removeNode(store: TableStore, node: number): void {
  const { nodes, slots } = store;
  const mask = slots.length - 1;
  const home = (of: number): number => spread(nodes[of * NODE_WORDS + NODE_HASH]!) & mask;
  let gap = home(node);
  while (slots[gap] !== node + 1) gap = (gap + 1) & mask;
  for (let slot = (gap + 1) & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
    const distance = (slot - home(slots[slot]! - 1)) & mask;
    if (distance < ((slot - gap) & mask)) continue;
    slots[gap] = slots[slot]!;
    gap = slot;
  }
  slots[gap] = 0;
  store.deadNodes += 1;
}

/** The node of the lower-cased name at `at` whose hash is known, or NONE. */
export function findNode(
  { arena, nodes, slots }: TableStore,
  hash: number,
  bytes: Uint8Array,
  at: number,
  length: number,
): number {
  const mask = slots.length - 1;
  for (let slot = spread(hash) & mask; ; slot = (slot + 1) & mask) {
    const node = slots[slot]! - 1;
    if (node < 0) return NONE;
    const row = node * NODE_WORDS;
    if (nodes[row + NODE_HASH] !== hash || nodes[row + NODE_NAME_LENGTH] !== length) continue;
    const name = nodes[row + NODE_NAME]!;
    let i = 0;
    while (i < length && arena[name + i] === bytes[at + i]) i += 1;
    if (i === length) return node;
  }
}

/** Labels of a name, leftmost first: where each begins, and the hash of the name from there on. */
export type NameHashes = {
  readonly offsets: Int32Array;
  readonly hashes: Int32Array;
};

const LABELS_MAX = 128;

export function createNameHashes(): NameHashes {
  return { offsets: new Int32Array(LABELS_MAX + 1), hashes: new Int32Array(LABELS_MAX + 1) };
}

/** Fills `into` with the labels of the lower-cased name at `at` (offsets from there); returns their number. */
export function hashName(bytes: Uint8Array, at: number, into: NameHashes): number {
  const { hashes, offsets } = into;
  let labels = 0;
  for (let label = at; bytes[label] !== 0; label += bytes[label]! + 1) {
    offsets[labels] = label - at;
    labels += 1;
  }
  hashes[labels] = ROOT_HASH;
  offsets[labels] = labels === 0 ? 0 : offsets[labels - 1]! + bytes[at + offsets[labels - 1]!]! + 1;
  for (let i = labels - 1; i >= 0; i -= 1) {
    hashes[i] = hashLabel(hashes[i + 1]!, bytes, at + offsets[i]!);
  }
  return labels;
}
