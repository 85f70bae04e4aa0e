/**
 * The look-up of RFC 1034 4.3.2 on the compiled table: what is there for this name and type, and on
 * which rows. It writes into a result that the caller reuses and allocates nothing. CNAMEs are
 * followed through all our zones; the encoder gets the rows and decides nothing any more.
 *
 *   find the name, or its closest encloser
 *     below or at a cut ──────────────> DELEGATION (but DS at the cut is the parent's: RFC 4035 3.1.4.1)
 *     found ──> CNAME? ──> follow       (at most CNAME_CHAIN_MAX, never the same RRset twice)
 *         └───> RRset of the type ────> HIT     a steered type of the owner ──> STEERED
 *               none ─────────────────> NODATA
 *     not found ──> encloser is DNAME ─> follow, renamed (RFC 6672)   too long then ──> YXDOMAIN
 *               ├─> encloser has `*` ─> as found, synthesized (RFC 4592)
 *               └─> none ─────────────> NXDOMAIN
 *   no zone encloses the name ────────> REFUSED, or FOLLOW when a CNAME led there
 */
import {
  TYPE_A,
  TYPE_AAAA,
  TYPE_ANY,
  TYPE_CNAME,
  TYPE_DNAME,
  TYPE_DS,
  TYPE_HTTPS,
  TYPE_NS,
  TYPE_RRSIG,
  TYPE_SVCB,
} from '../dns/constants.ts';
import { LABELS_MAX, NAME_LENGTH_MAX } from '../dns/name.ts';
import {
  ANSWERS_ADDRESSES,
  ANSWERS_ALIAS,
  ANSWERS_HTTPS,
  ANSWERS_SVCB,
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
  RRSET_ANY,
  RRSET_TARGET,
  RRSET_TARGET_LENGTH,
  RRSET_TYPE,
  RRSET_WORDS,
  spread,
  ZONE_APEX,
  ZONE_DENIAL,
  ZONE_PARENT,
  ZONE_WORDS,
  type ZoneTable,
} from './compiled-zones.ts';

/** The RRset `rrset` answers. */
export const HIT = 1;
/** Service `service` answers: A and AAAA, and what else it has. */
export const STEERED = 2;
/** The name exists, the type does not; the SOA of `zone` goes along (RFC 2308 2.2). */
export const NODATA = 3;
/** The name does not exist; the SOA of `zone` goes along. After a CNAME too (RFC 6604 3). */
export const NXDOMAIN = 4;
/** `rrset` holds the NS records of the cut at `node`. */
export const DELEGATION = 5;
/** The chain of aliases left our zones, loops or is too long: it is the whole answer. */
export const FOLLOW = 6;
/** No zone of ours encloses the name. */
export const REFUSED = 7;
/** A DNAME, the last of the chain, makes a name of more than 255 octets (RFC 6672 2.2). */
export const YXDOMAIN = 8;

/** CNAMEs and DNAMEs in one answer (as gdnsd has it). */
export const CNAME_CHAIN_MAX = 16;

/** The part of a parsed question that matters here; the name is lower-cased wire form at offset 0. */
export type LookupQuestion = {
  readonly qname: Uint8Array;
  readonly qnameLength: number;
  /** Offsets of the labels in `qname`, leftmost first; the root has none. */
  readonly labelOffsets: Uint8Array;
  readonly qnameLabels: number;
  readonly qtype: number;
};

/** Filled by `lookup`; one per worker, reused for every query. Indexes are rows of the table. */
export type LookupResult = {
  outcome: number;
  zone: number;
  /** The node that answered: the name itself, the wildcard's source of synthesis, or the cut. */
  node: number;
  rrset: number;
  service: number;
  /** True when the last owner was synthesized from a wildcard. */
  wildcard: boolean;
  /** Hash of the name at which the look-up ended: the key of draws. */
  nameHash: number;
  /** Length of that name in bytes. */
  nameLength: number;
  /** The CNAME and DNAME RRsets followed, in order; the first is for the question's name. */
  readonly chain: Int32Array;
  chainLength: number;
  /** The zone that chain[i] is of. */
  readonly chainZones: Int32Array;
  /** Bit i is set when the owner of chain[i] was synthesized from a wildcard. */
  chainWildcards: number;
  readonly scratch: LookupScratch;
};
type LookupScratch = {
  readonly target: Uint8Array;
  readonly targetLabels: Uint8Array;
  /** Hash of the name from label i on. */
  readonly hashes: Int32Array;
};

export function createLookupResult(): LookupResult {
  return {
    outcome: REFUSED,
    zone: NONE,
    node: NONE,
    rrset: NONE,
    service: NONE,
    wildcard: false,
    nameHash: 0,
    nameLength: 0,
    chain: new Int32Array(CNAME_CHAIN_MAX),
    chainLength: 0,
    chainZones: new Int32Array(CNAME_CHAIN_MAX),
    chainWildcards: 0,
    scratch: {
      target: new Uint8Array(NAME_LENGTH_MAX),
      targetLabels: new Uint8Array(LABELS_MAX + 1),
      hashes: new Int32Array(LABELS_MAX + 2),
    },
  };
}

/** Resolves a question of class IN within our zones; returns the outcome, also left in `result`. */
export function lookup(table: ZoneTable, question: LookupQuestion, result: LookupResult): number {
  const qtype = question.qtype;
  result.chainLength = 0;
  result.chainWildcards = 0;
  let outcome = find(
    table,
    question.qname,
    question.labelOffsets,
    question.qnameLabels,
    question.qnameLength,
    qtype,
    result,
  );
  let name = question.qname;
  while (outcome === FOLLOW && extendChain(table, result)) {
    const { target, targetLabels } = result.scratch;
    const length = rename(table, result, name);
    if (length > NAME_LENGTH_MAX) {
      outcome = YXDOMAIN;
      break;
    }
    name = target;
    const labels = labelsOf(target, length, targetLabels);
    outcome = find(table, target, targetLabels, labels, length, qtype, result);
    if (outcome === REFUSED) {
      outcome = FOLLOW;
      break;
    }
  }
  result.outcome = outcome;
  return outcome;
}

/** The offsets of the labels of a wire name; returns their number. */
export function labelsOf(name: Uint8Array, length: number, offsets: Uint8Array): number {
  let labels = 0;
  for (let at = 0; at < length - 1 && labels < LABELS_MAX; at += name[at]! + 1) {
    offsets[labels++] = at;
  }
  return labels;
}

/**
 * Puts the name that the alias in `result.rrset` makes of `name` into the scratch; returns its length. A
 * DNAME renames what is below its owner, so the labels in front stay.
 */
function rename(table: ZoneTable, result: LookupResult, name: Uint8Array): number {
  const { target } = result.scratch;
  const row = result.rrset * RRSET_WORDS;
  const kept = isDname(table, result.rrset) ? result.nameLength - ownerLength(table, result) : 0;
  const length = kept + table.rrsets[row + RRSET_TARGET_LENGTH]!;
  if (length > NAME_LENGTH_MAX) return length;
  const from = table.rrsets[row + RRSET_TARGET]!;
  // The name may be the scratch itself: its kept labels are then where they belong.
  for (let i = 0; i < kept; i++) target[i] = name[i]!;
  for (let i = kept; i < length; i++) target[i] = table.arena[from + i - kept]!;
  return length;
}

/** Whether an RRset of a chain is a DNAME. */
export function isDname(table: ZoneTable, rrset: number): boolean {
  return table.rrsets[rrset * RRSET_WORDS + RRSET_TYPE] === TYPE_DNAME;
}

function ownerLength(table: ZoneTable, { node }: LookupResult): number {
  return table.nodes[node * NODE_WORDS + NODE_NAME_LENGTH]!;
}

/**
 * False when the alias in `result.rrset` may not be followed: the same CNAME again is a loop. The same
 * DNAME may not be one, for the name can be another; the chain's length ends it.
 */
function extendChain(table: ZoneTable, result: LookupResult): boolean {
  const { chain, chainLength, chainZones, rrset } = result;
  const mayRepeat = isDname(table, rrset);
  for (let i = 0; i < chainLength && !mayRepeat; i++) if (chain[i] === rrset) return false;
  if (chainLength === CNAME_CHAIN_MAX) return false;
  chain[chainLength] = rrset;
  chainZones[chainLength] = result.zone;
  if (result.wildcard) result.chainWildcards |= 1 << chainLength;
  result.chainLength = chainLength + 1;
  return true;
}

function find(
  table: ZoneTable,
  name: Uint8Array,
  offsets: Uint8Array,
  labels: number,
  length: number,
  qtype: number,
  result: LookupResult,
): number {
  const { nodes } = table;
  const hashes = result.scratch.hashes;
  hashes[labels] = ROOT_HASH;
  for (let i = labels - 1; i >= 0; i--) hashes[i] = hashLabel(hashes[i + 1]!, name, offsets[i]!);
  result.nameHash = hashes[0]!;
  result.nameLength = length;
  result.wildcard = false;
  result.service = NONE;
  result.rrset = NONE;

  // The name itself, else its closest encloser.
  let label = 0;
  let node = probe(table, hashes[0]!, name, 0, length);
  while (node === NONE && label < labels) {
    label++;
    const from = label === labels ? length - 1 : offsets[label]!;
    node = probe(table, hashes[label]!, name, from, length);
  }
  if (node === NONE) return REFUSED;
  const row = node * NODE_WORDS;
  result.node = node;
  result.zone = nodes[row + NODE_ZONE]!;

  const cut = nodes[row + NODE_CUT]!;
  if (cut !== NONE && !(qtype === TYPE_DS && label === 0 && cut === node)) {
    result.node = cut;
    result.rrset = rrsetOf(table, cut, TYPE_NS);
    return DELEGATION;
  }
  if (label === 0) return answerAt(table, node, qtype, result);
  result.rrset = rrsetOf(table, node, TYPE_DNAME);
  if (result.rrset !== NONE) return FOLLOW;
  const wildcard = nodes[row + NODE_WILDCARD]!;
  if (wildcard === NONE) return NXDOMAIN;
  result.node = wildcard;
  result.wildcard = true;
  return answerAt(table, wildcard, qtype, result);
}

/** What the node holds for the type; not at or below a cut, but for DS. */
function answerAt(table: ZoneTable, node: number, qtype: number, result: LookupResult): number {
  const row = node * NODE_WORDS;
  const service = table.nodes[row + NODE_SERVICE]!;
  result.service = service;
  if (service !== NONE && isSteered(table.nodes[row + NODE_ANSWERS]!, qtype)) return STEERED;
  const count = table.nodes[row + NODE_RRSET_COUNT]!;
  const first = table.nodes[row + NODE_RRSETS]!;
  // Signatures are asked for by themselves only by people: those of any RRset will do (RFC 8482 4.1).
  if (qtype === TYPE_ANY || (qtype === TYPE_RRSIG && isSigned(table, result.zone))) {
    if (count === 0 && service === NONE) return NODATA;
    result.rrset = count === 0 ? RRSET_ANY : first;
    return HIT;
  }
  for (let rrset = first; rrset < first + count; rrset++) {
    const type = table.rrsets[rrset * RRSET_WORDS + RRSET_TYPE]!;
    if (type !== qtype && type !== TYPE_CNAME) continue;
    result.rrset = rrset;
    return type === qtype ? HIT : FOLLOW;
  }
  if (qtype === TYPE_DS) moveToParent(table, node, result);
  return NODATA;
}

export function hasSignedZones(table: ZoneTable): boolean {
  return Array.from({ length: table.zones.length / ZONE_WORDS }).some((_, zone) =>
    isSigned(table, zone),
  );
}

/** Whether answers of the zone have signatures. */
export function isSigned({ zones }: ZoneTable, zone: number): boolean {
  return zone !== NONE && zones[zone * ZONE_WORDS + ZONE_DENIAL] !== NONE;
}

/** Whether a service with these ANSWERS_… bits answers the type. */
function isSteered(answers: number, qtype: number): boolean {
  switch (qtype) {
    case TYPE_A:
    case TYPE_AAAA:
      return (answers & (ANSWERS_ADDRESSES | ANSWERS_ALIAS)) !== 0;
    case TYPE_HTTPS:
      return (answers & (ANSWERS_HTTPS | ANSWERS_ALIAS)) !== 0;
    case TYPE_SVCB:
      return (answers & (ANSWERS_SVCB | ANSWERS_ALIAS)) !== 0;
    default:
      return (answers & ANSWERS_ALIAS) !== 0;
  }
}

/** "No DS" at an apex of ours is said by the parent zone, when that is ours as well. */
function moveToParent(table: ZoneTable, node: number, result: LookupResult): void {
  const zone = result.zone * ZONE_WORDS;
  if (table.zones[zone + ZONE_APEX] !== node) return;
  const parent = table.zones[zone + ZONE_PARENT]!;
  if (parent !== NONE) result.zone = parent;
}

/** The RRset of a type at a node, or NONE. */
export function rrsetOf(table: ZoneTable, node: number, type: number): number {
  const row = node * NODE_WORDS;
  const first = table.nodes[row + NODE_RRSETS]!;
  const end = first + table.nodes[row + NODE_RRSET_COUNT]!;
  for (let rrset = first; rrset < end; rrset++) {
    if (table.rrsets[rrset * RRSET_WORDS + RRSET_TYPE] === type) return rrset;
  }
  return NONE;
}

/** The node of the name at `from`..`to` of `name` whose hash is known, or NONE. */
function probe(table: ZoneTable, hash: number, name: Uint8Array, from: number, to: number): number {
  const { slots, nodes, arena } = table;
  const mask = slots.length - 1;
  for (let slot = spread(hash) & mask; ; slot = (slot + 1) & mask) {
    const node = slots[slot]! - 1;
    if (node < 0) return NONE;
    const row = node * NODE_WORDS;
    if (nodes[row + NODE_HASH] !== hash) continue;
    const length = nodes[row + NODE_NAME_LENGTH]!;
    if (length !== to - from) continue;
    const at = nodes[row + NODE_NAME]!;
    let i = 0;
    while (i < length && arena[at + i] === name[from + i]) i++;
    if (i === length) return node;
  }
}
