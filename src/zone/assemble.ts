/**
 * Lays the RRsets of a zone that was filled (filling.ts) out as rows and bodies of the flat table of
 * compiled-zones.ts. Nothing is judged here; compile.ts has done that.
 */
import {
  CLASS_IN,
  HEADER_LENGTH,
  POINTER_BITS,
  TYPE_A,
  TYPE_AAAA,
  TYPE_CNAME,
  TYPE_DNAME,
  TYPE_HINFO,
  TYPE_NS,
  TYPE_SOA,
} from '../dns/constants.ts';
import { isSubdomain, lowerName, lowerOctet, nameLength } from '../dns/name.ts';
import { namesIn } from '../dns/names-in-rdata.ts';
import {
  NODE_CUT,
  NODE_RRSET_COUNT,
  NODE_RRSETS,
  NODE_WORDS,
  NONE,
  RECORD_HEADER_LENGTH,
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
  ZONE_APEX,
  ZONE_APEX_LENGTH,
  ZONE_NEGATIVE,
  ZONE_SOA,
  ZONE_WORDS,
} from './compiled-zones.ts';
import {
  type Filling,
  localOf,
  nameOf,
  octetsOf,
  rdataOf,
  rowOf,
  SET_AT,
  SET_COUNT,
  SET_NEXT,
  SET_ROW,
  SET_TTL,
  SET_TYPE,
  SET_WORDS,
  setOf,
} from './filling.ts';
import {
  addLink,
  addRrsetRow,
  appendOctets,
  createNameHashes,
  findNode,
  hashName,
  makeRoom,
  type TableStore,
} from './table-store.ts';

/** What RFC 8482 4.2 answers to ANY where there is nothing else: HINFO "RFC8482" "". */
const ANY_RDATA = Uint8Array.of(7, ...new TextEncoder().encode('RFC8482'), 0);
/** Anyone may keep that for long: it never changes. */
const ANY_TTL_SECONDS = 3600;
const ROOT = Uint8Array.of(0);

/** Records of one RRset: `count` of them from `at` on, as in packed-rrsets.ts. */
export type RecordRun = {
  readonly type: number;
  readonly ttl: number;
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly count: number;
};

/** One record. */
export function runOf(type: number, ttl: number, rdata: Uint8Array): RecordRun {
  const bytes = Uint8Array.of(rdata.length >> 8, rdata.length, ...rdata);
  return { type, ttl, bytes, at: 0, count: 1 };
}

/** The row that RRSET_ANY stands for: the first of a new table. */
export function writeAny(store: TableStore): void {
  const run = runOf(TYPE_HINFO, ANY_TTL_SECONDS, ANY_RDATA);
  writeRrset(store, run, ROOT.length, ROOT, NONE);
}

/** Writes all RRsets of the zone, and the row of the zone. Links to other zones are of their time. */
export function writeZone(filling: Filling, negativeTtl: number): void {
  const { nodeCount, nodeSets, sets, store } = filling;
  for (let local = 0; local < nodeCount; local += 1) {
    const row = rowOf(filling, local) * NODE_WORDS;
    const first = store.rrsetCount;
    const ownerLength = nameLengthOf(filling, local);
    for (let set = nodeSets[local]!; set !== NONE; set = sets[set * SET_WORDS + SET_NEXT]!) {
      sets[set * SET_WORDS + SET_ROW] = writeSet(filling, set, ownerLength);
    }
    store.nodes[row + NODE_RRSETS] = first;
    store.nodes[row + NODE_RRSET_COUNT] = store.rrsetCount - first;
  }
  if (filling.hasCuts) writeGlue(filling);
  const { apexName, zone } = filling;
  const soa = setOf(filling, 0, TYPE_SOA);
  const zoneRow = zone * ZONE_WORDS;
  store.zones[zoneRow + ZONE_APEX] = filling.apex;
  store.zones[zoneRow + ZONE_APEX_LENGTH] = apexName.length;
  store.zones[zoneRow + ZONE_SOA] = sets[soa * SET_WORDS + SET_ROW]!;
  const negative = { ...runOfSet(filling, soa), ttl: negativeTtl };
  const negativeRow = writeRrset(store, negative, apexName.length, apexName, zone);
  store.zones[zoneRow + ZONE_NEGATIVE] = negativeRow;
}

const nameLengthOf = (filling: Filling, local: number): number => nameOf(filling, local).length;

function writeSet(filling: Filling, set: number, ownerLength: number): number {
  const { apexName, store, zone } = filling;
  return writeRrset(store, runOfSet(filling, set), ownerLength, apexName, zone);
}

function runOfSet(filling: Filling, set: number): RecordRun {
  const { sets } = filling;
  const row = set * SET_WORDS;
  return {
    type: sets[row + SET_TYPE]!,
    ttl: sets[row + SET_TTL]!,
    bytes: octetsOf(filling, set),
    at: sets[row + SET_AT]!,
    count: sets[row + SET_COUNT]!,
  };
}

/** Appends the row and the body of an RRset; returns its index. */
export function writeRrset(
  store: TableStore,
  { at, bytes, count, ttl, type }: RecordRun,
  ownerLength: number,
  apex: Uint8Array,
  zone: number,
): number {
  const index = addRrsetRow(store);
  const apexPosition = HEADER_LENGTH + ownerLength - apex.length;
  const patches = store.linkCount;
  const start = store.arenaLength;
  let record = at;
  for (let left = count; left > 0; left -= 1) {
    const rdata = record + 2;
    const end = rdata + ((bytes[record]! << 8) | bytes[record + 1]!);
    writeRecord(store, type, ttl, bytes, rdata, end, apex, apexPosition, start);
    record = end;
  }
  const row = index * RRSET_WORDS;
  const { rrsets } = store;
  rrsets.fill(0, row, row + RRSET_WORDS);
  rrsets[row + RRSET_TYPE] = type;
  rrsets[row + RRSET_RECORDS] = count;
  rrsets[row + RRSET_BODY] = start;
  rrsets[row + RRSET_BODY_LENGTH] = store.arenaLength - start;
  rrsets[row + RRSET_APEX_POSITION] = apexPosition;
  rrsets[row + RRSET_PATCHES] = patches;
  rrsets[row + RRSET_PATCH_COUNT] = store.linkCount - patches;
  rrsets[row + RRSET_ZONE] = zone;
  if (type === TYPE_CNAME || type === TYPE_DNAME) {
    const length = (bytes[at]! << 8) | bytes[at + 1]!;
    const target = appendOctets(store, bytes, at + 2, at + 2 + length);
    // Length octets are below 64 and so are never mistaken for letters.
    for (let i = target; i < target + length; i += 1) store.arena[i] = lowerOctet(store.arena[i]!);
    rrsets[row + RRSET_TARGET] = target;
    rrsets[row + RRSET_TARGET_LENGTH] = length;
  }
  return index;
}

/** Owner (a pointer to the question), type, class, TTL, rdata with its length. */
function writeRecord(
  store: TableStore,
  type: number,
  ttl: number,
  bytes: Uint8Array,
  rdata: number,
  end: number,
  apex: Uint8Array,
  apexPosition: number,
  bodyStart: number,
): void {
  const at = makeRoom(store, RECORD_HEADER_LENGTH + end - rdata);
  const { arena } = store;
  arena[at] = POINTER_BITS;
  arena[at + 1] = HEADER_LENGTH;
  arena[at + 2] = type >> 8;
  arena[at + 3] = type;
  arena[at + 4] = CLASS_IN >> 8;
  arena[at + 5] = CLASS_IN;
  arena[at + 6] = ttl >>> 24;
  arena[at + 7] = ttl >>> 16;
  arena[at + 8] = ttl >>> 8;
  arena[at + 9] = ttl;
  store.arenaLength = at + RECORD_HEADER_LENGTH;
  const names = apex.length <= 2 ? 0 : compressibleNames(type, bytes, rdata, end);
  let from = rdata;
  for (let name = 0; name < names; name += 1) {
    const nameEnd = nameEnds[name]!;
    if (!endsInApex(bytes, nameStarts[name]!, nameEnd, apex)) continue;
    appendOctets(store, bytes, from, nameEnd - apex.length);
    addLink(store, store.arenaLength - bodyStart);
    makeRoom(store, 2);
    store.arena[store.arenaLength] = POINTER_BITS | (apexPosition >> 8);
    store.arena[store.arenaLength + 1] = apexPosition;
    store.arenaLength += 2;
    from = nameEnd;
  }
  appendOctets(store, bytes, from, end);
  const length = store.arenaLength - at - RECORD_HEADER_LENGTH;
  store.arena[at + 10] = length >> 8;
  store.arena[at + 11] = length;
}

/** Where the names lie that compressibleNames() has found; a type has two at most. */
const nameStarts = new Int32Array(8);
const nameEnds = new Int32Array(8);

const [TYPE_PTR, TYPE_MX, TYPE_TXT] = [12, 15, 16];

/** Names in rdata that may be compressed (RFC 3597 4); returns their number. */
function compressibleNames(type: number, bytes: Uint8Array, rdata: number, end: number): number {
  switch (type) {
    case TYPE_A:
    case TYPE_AAAA:
    case TYPE_TXT:
      return 0;
    case TYPE_NS:
    case TYPE_CNAME:
    case TYPE_PTR:
      nameStarts[0] = rdata;
      nameEnds[0] = end;
      return 1;
    case TYPE_MX:
      nameStarts[0] = rdata + 2;
      nameEnds[0] = end;
      return 1;
    case TYPE_SOA:
      nameStarts[0] = rdata;
      nameEnds[0] = rdata + nameLength(bytes, rdata, end);
      nameStarts[1] = nameEnds[0];
      nameEnds[1] = nameEnds[0] + nameLength(bytes, nameEnds[0], end);
      return 2;
    default: {
      let names = 0;
      for (const name of namesIn(type, bytes.subarray(rdata, end))) {
        if (!name.compress) continue;
        nameStarts[names] = rdata + name.at;
        nameEnds[names] = rdata + name.end;
        names += 1;
      }
      return names;
    }
  }
}

function endsInApex(bytes: Uint8Array, start: number, end: number, apex: Uint8Array): boolean {
  const tail = end - apex.length;
  let label = start;
  while (label < tail) label += 1 + bytes[label]!;
  if (label !== tail) return false;
  for (let i = 0; i < apex.length; i += 1) {
    if (lowerOctet(bytes[tail + i]!) !== apex[i]) return false;
  }
  return true;
}

/** Gives each delegation the addresses of its targets that the zone holds. */
function writeGlue(filling: Filling): void {
  const { nodeCount, sets, store } = filling;
  for (let local = 1; local < nodeCount; local += 1) {
    const row = rowOf(filling, local);
    if (store.nodes[row * NODE_WORDS + NODE_CUT] !== row) continue;
    const ns = setOf(filling, local, TYPE_NS);
    const glue = glueOf(filling, nameOf(filling, local), ns);
    if (glue.length === 0) continue;
    const required = glue.filter((each) => each.required);
    const rrset = sets[ns * SET_WORDS + SET_ROW]! * RRSET_WORDS;
    store.rrsets[rrset + RRSET_GLUE] = store.linkCount;
    store.rrsets[rrset + RRSET_GLUE_COUNT] = glue.length;
    store.rrsets[rrset + RRSET_GLUE_REQUIRED] = required.length;
    for (const one of [...required, ...glue.filter((each) => !each.required)]) {
      addLink(store, one.target);
      addLink(store, one.rrset);
    }
  }
}

type Glue = {
  /** Offset of the target in the body of the NS RRset. */
  readonly target: number;
  /** Row of the addresses. */
  readonly rrset: number;
  /** The target is at or below the cut: without this the delegation cannot be followed (RFC 9471 2). */
  readonly required: boolean;
};

const names = createNameHashes();

function glueOf(filling: Filling, cut: Uint8Array, ns: number): readonly Glue[] {
  const { sets, store } = filling;
  const glue: Glue[] = [];
  let target = store.rrsets[sets[ns * SET_WORDS + SET_ROW]! * RRSET_WORDS + RRSET_BODY]!;
  const body = target;
  for (const rdata of rdataOf(filling, ns)) {
    const at = target - body + RECORD_HEADER_LENGTH;
    target += RECORD_HEADER_LENGTH + ((store.arena[target + 10]! << 8) | store.arena[target + 11]!);
    const local = nodeNamed(filling, rdata);
    if (local === NONE) continue;
    const required = isSubdomain(rdata, cut);
    for (const type of [TYPE_A, TYPE_AAAA]) {
      const set = setOf(filling, local, type);
      if (set === NONE) continue;
      glue.push({ target: at, rrset: sets[set * SET_WORDS + SET_ROW]!, required });
    }
  }
  return glue;
}

/** The local number of a name of the zone, in any case, or NONE. */
export function nodeNamed(filling: Filling, name: Uint8Array): number {
  const lower = lowerName(name);
  hashName(lower, 0, names);
  const row = findNode(filling.store, names.hashes[0]!, lower, 0, lower.length);
  return row === filling.apex || row >= filling.firstNode ? localOf(filling, row) : NONE;
}
