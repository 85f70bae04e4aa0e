/**
 * Lays checked nodes out as the flat table of compiled-zones.ts: bytes into the arena, rows into
 * the columns, names into the hash index. Nothing is judged here; compile.ts has done that.
 */
import {
  CLASS_IN,
  HEADER_LENGTH,
  POINTER_BITS,
  TYPE_CNAME,
  TYPE_DNAME,
  TYPE_HINFO,
} from '../dns/constants.ts';
import { isSubdomain, lowerName } from '../dns/name.ts';
import { namesIn } from '../dns/names-in-rdata.ts';
import {
  DENIAL_CHAIN,
  DENIAL_COMPACT,
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
  RECORD_HEADER_LENGTH,
  ROOT_HASH,
  RRSET_APEX_POSITION,
  RRSET_BODY,
  RRSET_BODY_LENGTH,
  RRSET_GLUE,
  RRSET_GLUE_COUNT,
  RRSET_GLUE_REQUIRED,
  RRSET_PATCH_COUNT,
  RRSET_PATCHES,
  RRSET_RECORDS,
  RRSET_TARGET,
  RRSET_TARGET_LENGTH,
  RRSET_TYPE,
  RRSET_WORDS,
  RRSET_ZONE,
  spread,
  ZONE_APEX,
  ZONE_APEX_LENGTH,
  ZONE_CHAIN,
  ZONE_CHAIN_LENGTH,
  ZONE_DENIAL,
  ZONE_DENIAL_AT_PARENT,
  ZONE_NEGATIVE,
  ZONE_PARENT,
  ZONE_SOA,
  ZONE_WORDS,
  type ZoneTable,
} from './compiled-zones.ts';
import type { DenialDraft } from './denial-records.ts';

/** An RRset with its rdata in uncompressed wire form. */
export type RrsetDraft = {
  readonly type: number;
  readonly ttl: number;
  readonly rdata: readonly Uint8Array[];
  /** NS of a cut: address RRsets of its targets that we hold, those in the domain first. */
  glue: readonly GlueDraft[];
};
export type GlueDraft = {
  /** Index of the NS record whose target it is. */
  readonly record: number;
  readonly rrset: RrsetDraft;
  /** The target is at or below the cut: without this the delegation cannot be followed. */
  readonly required: boolean;
};
export type NodeDraft = {
  /** Lower-cased wire form. */
  readonly name: Uint8Array;
  readonly zone: ZoneDraft;
  readonly rrsets: RrsetDraft[];
  service: number;
  /** ANSWERS_… bits of the service. */
  answers: number;
  /** Types that the service answers for everybody. */
  serviceTypes: readonly number[];
  cut: NodeDraft | undefined;
  wildcard: NodeDraft | undefined;
};
export type ZoneDraft = {
  readonly apexName: Uint8Array;
  readonly soa: RrsetDraft;
  readonly negativeTtl: number;
  /** How the zone proves that something is not there; undefined = it is not signed. */
  readonly denial: 'compact' | 'nsec' | undefined;
  /** With `nsec`: in canonical order. */
  readonly chain: DenialDraft[];
  /** The parent zone's NSEC RRset of the apex. */
  denialAtParent: RrsetDraft | undefined;
  apex: NodeDraft | undefined;
  parent: ZoneDraft | undefined;
};

/** What RFC 8482 4.2 answers to ANY where there is nothing else: HINFO "RFC8482" "". */
const ANY_RDATA = Uint8Array.of(7, ...new TextEncoder().encode('RFC8482'), 0);
/** Anyone may keep that for long: it never changes. */
const ANY_TTL_SECONDS = 3600;

/** Builds the table. Nodes may come in any order; every zone's apex is among them. */
export function assembleZones(nodes: readonly NodeDraft[], zones: readonly ZoneDraft[]): ZoneTable {
  const layout = createLayout(nodes, zones);
  const root = Uint8Array.of(0);
  const any: RrsetDraft = { type: TYPE_HINFO, ttl: ANY_TTL_SECONDS, rdata: [ANY_RDATA], glue: [] };
  addRrset(layout, any, root, root, NONE);
  for (const node of nodes) addNode(layout, node);
  for (const zone of zones) addZone(layout, zone);
  for (const { row, glue, targets } of layout.glueLists) addGlue(layout, row, glue, targets);
  for (const [index, zone] of zones.entries()) addDenial(layout, index * ZONE_WORDS, zone);
  // A chain may have records of the zones below.
  for (const [index, { chain }] of zones.entries()) addChain(layout, index * ZONE_WORDS, chain);
  const index = indexNodes(layout.nodes, nodes.length);
  return {
    arena: toShared(layout.arena.bytes.subarray(0, layout.arena.length)),
    slots: toShared(index),
    nodes: toShared(Int32Array.from(layout.nodes)),
    rrsets: toShared(Int32Array.from(layout.rrsets)),
    zones: toShared(Int32Array.from(layout.zones)),
    links: toShared(Int32Array.from(layout.links)),
  };
}

type Layout = {
  readonly arena: { bytes: Uint8Array; length: number };
  readonly nodes: number[];
  readonly rrsets: number[];
  readonly zones: number[];
  readonly links: number[];
  readonly nodeIndex: Map<NodeDraft, number>;
  readonly apexIndex: Map<ZoneDraft, number>;
  readonly zoneIndex: Map<ZoneDraft, number>;
  readonly rrsetIndex: Map<RrsetDraft, number>;
  readonly glueLists: {
    readonly row: number;
    readonly glue: readonly GlueDraft[];
    readonly targets: readonly number[];
  }[];
};

function createLayout(nodes: readonly NodeDraft[], zones: readonly ZoneDraft[]): Layout {
  return {
    arena: { bytes: new Uint8Array(4096), length: 0 },
    nodes: [],
    rrsets: [],
    zones: [],
    links: [],
    nodeIndex: new Map(nodes.map((node, index) => [node, index])),
    apexIndex: new Map(
      nodes.flatMap((node, index) =>
        node.name.length === node.zone.apexName.length ? [[node.zone, index] as const] : [],
      ),
    ),
    zoneIndex: new Map(zones.map((zone, index) => [zone, index])),
    rrsetIndex: new Map(),
    glueLists: [],
  };
}

function addNode(layout: Layout, node: NodeDraft): void {
  const { name, zone } = node;
  const rrsets = [...node.rrsets].sort((a, b) => a.type - b.type);
  const row = new Array<number>(NODE_WORDS).fill(NONE);
  const zoneIndex = layout.zoneIndex.get(zone) ?? NONE;
  row[NODE_HASH] = hashName(name);
  row[NODE_NAME] = append(layout, name);
  row[NODE_NAME_LENGTH] = name.length;
  row[NODE_RRSETS] = layout.rrsets.length / RRSET_WORDS;
  row[NODE_RRSET_COUNT] = rrsets.length;
  row[NODE_SERVICE] = node.service;
  row[NODE_ANSWERS] = node.answers;
  row[NODE_ZONE] = zoneIndex;
  row[NODE_CUT] = node.cut === undefined ? NONE : (layout.nodeIndex.get(node.cut) ?? NONE);
  row[NODE_WILDCARD] =
    node.wildcard === undefined ? NONE : (layout.nodeIndex.get(node.wildcard) ?? NONE);
  layout.nodes.push(...row);
  for (const rrset of rrsets) addRrset(layout, rrset, name, zone.apexName, zoneIndex);
}

function addZone(layout: Layout, zone: ZoneDraft): void {
  const index = layout.zones.length / ZONE_WORDS;
  const row = new Array<number>(ZONE_WORDS).fill(NONE);
  row[ZONE_APEX] = layout.apexIndex.get(zone) ?? NONE;
  row[ZONE_APEX_LENGTH] = zone.apexName.length;
  row[ZONE_SOA] = layout.rrsetIndex.get(zone.soa) ?? NONE;
  const negative: RrsetDraft = { ...zone.soa, ttl: zone.negativeTtl };
  row[ZONE_NEGATIVE] = addRrset(layout, negative, zone.apexName, zone.apexName, index);
  row[ZONE_PARENT] = zone.parent === undefined ? NONE : (layout.zoneIndex.get(zone.parent) ?? NONE);
  layout.zones.push(...row);
}

/** How the zone whose row this is denies; all its names have their rows by now. */
function addDenial(layout: Layout, row: number, zone: ZoneDraft): void {
  const { denial, denialAtParent } = zone;
  if (denialAtParent !== undefined) {
    const parent = layout.zoneIndex.get(zone.parent!)!;
    const { apexName } = zone;
    const rrset = addRrset(layout, denialAtParent, apexName, zone.parent!.apexName, parent);
    layout.zones[row + ZONE_DENIAL_AT_PARENT] = rrset;
  }
  if (denial !== undefined) {
    layout.zones[row + ZONE_DENIAL] = denial === 'compact' ? DENIAL_COMPACT : DENIAL_CHAIN;
  }
}

function addChain(layout: Layout, row: number, chain: readonly DenialDraft[]): void {
  layout.zones[row + ZONE_CHAIN] = layout.links.length;
  layout.zones[row + ZONE_CHAIN_LENGTH] = chain.length;
  for (const { node, nsec } of chain) {
    layout.links.push(layout.nodeIndex.get(node)!, layout.rrsetIndex.get(nsec)!);
  }
}

/** Appends the row and the body of an RRset; returns its index. */
function addRrset(
  layout: Layout,
  rrset: RrsetDraft,
  owner: Uint8Array,
  apex: Uint8Array,
  zone: number,
): number {
  const index = layout.rrsets.length / RRSET_WORDS;
  const apexPosition = HEADER_LENGTH + owner.length - apex.length;
  const row = new Array<number>(RRSET_WORDS).fill(0);
  const patches: number[] = [];
  const targets: number[] = [];
  const start = layout.arena.length;
  for (const rdata of rrset.rdata) {
    const recordStart = layout.arena.length - start;
    targets.push(recordStart + RECORD_HEADER_LENGTH);
    append(layout, recordHeader(rrset));
    for (const piece of compress(rrset.type, rdata, apex)) {
      if (piece === undefined) patches.push(layout.arena.length - start);
      append(layout, piece ?? pointerTo(apexPosition));
    }
    const rdataLength = layout.arena.length - start - recordStart - RECORD_HEADER_LENGTH;
    layout.arena.bytes[start + recordStart + 10] = rdataLength >> 8;
    layout.arena.bytes[start + recordStart + 11] = rdataLength;
  }
  row[RRSET_TYPE] = rrset.type;
  row[RRSET_RECORDS] = rrset.rdata.length;
  row[RRSET_BODY] = start;
  row[RRSET_BODY_LENGTH] = layout.arena.length - start;
  row[RRSET_APEX_POSITION] = apexPosition;
  row[RRSET_PATCHES] = layout.links.length;
  row[RRSET_PATCH_COUNT] = patches.length;
  row[RRSET_ZONE] = zone;
  layout.links.push(...patches);
  if (rrset.type === TYPE_CNAME || rrset.type === TYPE_DNAME) {
    const target = lowerName(rrset.rdata[0]!);
    row[RRSET_TARGET] = append(layout, target);
    row[RRSET_TARGET_LENGTH] = target.length;
  }
  layout.rrsets.push(...row);
  layout.rrsetIndex.set(rrset, index);
  if (rrset.glue.length > 0) {
    layout.glueLists.push({ row: index * RRSET_WORDS, glue: rrset.glue, targets });
  }
  return index;
}

function addGlue(
  layout: Layout,
  row: number,
  glue: readonly GlueDraft[],
  targets: readonly number[],
): void {
  layout.rrsets[row + RRSET_GLUE] = layout.links.length;
  layout.rrsets[row + RRSET_GLUE_COUNT] = glue.length;
  layout.rrsets[row + RRSET_GLUE_REQUIRED] = glue.filter(({ required }) => required).length;
  for (const { record, rrset } of glue) {
    layout.links.push(targets[record]!, layout.rrsetIndex.get(rrset)!);
  }
}

/** Owner (a pointer to the question), type, class, TTL, and room for the rdata's length. */
function recordHeader({ type, ttl }: RrsetDraft): Uint8Array {
  const bytes = new Uint8Array(RECORD_HEADER_LENGTH);
  const view = new DataView(bytes.buffer);
  bytes.set(pointerTo(HEADER_LENGTH));
  view.setUint16(2, type);
  view.setUint16(4, CLASS_IN);
  view.setUint32(6, ttl);
  return bytes;
}

function pointerTo(position: number): Uint8Array {
  return Uint8Array.of((POINTER_BITS | (position >> 8)) & 0xff, position & 0xff);
}

/** Rdata in pieces; `undefined` is a pointer to the zone's apex, where a name may be compressed. */
function compress(type: number, rdata: Uint8Array, apex: Uint8Array): (Uint8Array | undefined)[] {
  const pieces: (Uint8Array | undefined)[] = [];
  let from = 0;
  for (const { at, compress: isAllowed, end } of namesIn(type, rdata)) {
    if (!isAllowed || apex.length <= 2 || !isSubdomain(rdata.subarray(at, end), apex)) continue;
    pieces.push(rdata.subarray(from, end - apex.length), undefined);
    from = end;
  }
  pieces.push(rdata.subarray(from));
  return pieces;
}

function hashName(name: Uint8Array): number {
  const offsets: number[] = [];
  for (let at = 0; name[at] !== 0; at += name[at]! + 1) offsets.push(at);
  return offsets.reduceRight((hash, offset) => hashLabel(hash, name, offset), ROOT_HASH);
}

function indexNodes(nodes: readonly number[], count: number): Uint32Array {
  const slots = new Uint32Array(2 ** Math.ceil(Math.log2(Math.max(2, count * 2))));
  const mask = slots.length - 1;
  for (let node = 0; node < count; node++) {
    let slot = spread(nodes[node * NODE_WORDS + NODE_HASH]!) & mask;
    while (slots[slot] !== 0) slot = (slot + 1) & mask;
    slots[slot] = node + 1;
  }
  return slots;
}

/** Appends bytes to the arena, which doubles as it fills; returns where they start. */
function append(layout: Layout, bytes: Uint8Array): number {
  const { arena } = layout;
  const start = arena.length;
  const end = start + bytes.length;
  if (end > arena.bytes.length) {
    const larger = new Uint8Array(Math.max(end, arena.bytes.length * 2));
    larger.set(arena.bytes.subarray(0, start));
    arena.bytes = larger;
  }
  arena.bytes.set(bytes, start);
  arena.length = end;
  return start;
}

function toShared<Column extends Uint8Array | Uint32Array | Int32Array>(column: Column): Column {
  const memory = new SharedArrayBuffer(column.byteLength);
  const Kind = column.constructor as new (buffer: SharedArrayBuffer) => Column; // Its own kind.
  const shared = new Kind(memory);
  shared.set(column);
  return shared;
}
