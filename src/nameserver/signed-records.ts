/**
 * Signatures and proofs in answers of signed zones, for clients that want them (DO; RFC 4035 3.1). They are
 * copied, not made: what has to be signed under a name that nobody foresaw, and was not learned before, makes
 * the answer a cold one, and whoever has the keys composes it again, with this same code and `worker.signer`.
 * Without one composing goes on, and `worker.isCold` says that it was in vain.
 *
 *   compact zone   a name that is not there, or is there by a wildcard, is signed as itself (RFC 9824)
 *   chain          a wildcard's records have its own signature, and a proof that nothing is nearer; all
 *                  proofs are there, and are written behind the answer (`worker.proofs`)
 */
import {
  POINTER_OFFSET_MAX,
  SECTION_ANSWER,
  SECTION_AUTHORITY,
  TYPE_DS,
  TYPE_NSEC,
} from '../dns/constants.ts';
import { countRecords, type Reply, writeBytes } from '../dns/encode.ts';
import {
  DENIAL_COMPACT,
  NODE_NAME,
  NODE_NAME_LENGTH,
  NODE_WORDS,
  NODE_ZONE,
  NONE,
  RRSET_BODY,
  RRSET_BODY_LENGTH,
  RRSET_TYPE,
  RRSET_WORDS,
  ZONE_DENIAL,
  ZONE_DENIAL_AT_PARENT,
  ZONE_WORDS,
  type ZoneTable,
} from '../zone/compiled-zones.ts';
import { coveringLink } from '../zone/covering.ts';
import { isSigned, NXDOMAIN, rrsetOf } from '../zone/lookup.ts';
import { SIGNATURE_LENGTH, SIGNATURE_OFFSET, SIGNATURE_WORDS } from '../zone/signatures.ts';
import { type Body, bodySignature } from './body.ts';
import { LEARNED_BODY, LEARNED_DENIAL, LEARNED_RRSET } from './learned.ts';
import { spellName, writeRecords, writeRrset, zoneOf } from './records.ts';
import type { WorkerState } from './worker-state.ts';

/** Whether answers of the zone have signatures for this client. */
export function wantsSignatures(
  { signatures, wantsSigned }: WorkerState,
  table: ZoneTable,
  zone: number,
): boolean {
  return wantsSigned && signatures !== undefined && isSigned(table, zone);
}

/** The signatures of an RRset that was just written with its owner at `owner`. */
export function writeSignatures(
  worker: WorkerState,
  table: ZoneTable,
  section: number,
  rrset: number,
  owner: number,
  isSynthesized: boolean,
): boolean {
  const { reply, signatures, wantsSigned } = worker;
  if (!wantsSigned || signatures === undefined) return true;
  const zone = zoneOf(table, rrset);
  if (isSynthesized && isSigned(table, zone)) {
    if (!isCompact(table, zone)) addProof(worker, table, zone, owner);
    else {
      const records = rrsetRecords(worker, rrset, owner);
      return records ? writeMade(reply, section, records, owner, -1) : leaveToSigner(worker);
    }
  }
  return writeStatic(reply, worker.signatures!, section, rrset, owner);
}

/** Those of steered records that were just written. */
export function writeBodySignatures(
  worker: WorkerState,
  table: ZoneTable,
  body: Body,
  ttlSeconds: number,
): boolean {
  const { cursor, reply, result } = worker;
  const { service, wildcard, zone } = result;
  if (!wantsSignatures(worker, table, zone)) return true;
  const asItself = wildcard && isCompact(table, zone);
  if (wildcard && !asItself) addProof(worker, table, zone, cursor.name);
  const records = asItself ? bodyRecords(worker, service, body) : ownRecords(worker, service, body);
  if (records === undefined) return leaveToSigner(worker);
  return writeMade(reply, SECTION_ANSWER, records, cursor.name, ttlSeconds);
}

/**
 * Whether an RRset under a name of a wildcard is the wildcard's own NSEC in a compact zone: as such it would
 * deny names that the wildcard makes.
 */
export function isWildcardDenial(
  { result }: WorkerState,
  table: ZoneTable,
  rrset: number,
): boolean {
  const type = table.rrsets[rrset * RRSET_WORDS + RRSET_TYPE]!;
  return result.wildcard && type === TYPE_NSEC && isCompact(table, result.zone);
}

/** What such a name has instead: an NSEC record of its own, which only its types are taken from. */
export function writeWildcardDenial(worker: WorkerState, rrset: number): boolean {
  const { cursor, reply, result } = worker;
  const records = denialRecords(worker, result.zone, rrset);
  if (records === undefined) return leaveToSigner(worker);
  return writeMade(reply, SECTION_ANSWER, records, cursor.name, -1);
}

/** Proof that the name at which the look-up ended has not the type, or is not there; behind the SOA. */
export function writeDenial(worker: WorkerState, table: ZoneTable, outcome: number): boolean {
  const { cursor, reply, result } = worker;
  const { node, wildcard, zone } = result;
  if (!wantsSignatures(worker, table, zone)) return true;
  if (!isCompact(table, zone)) {
    addDenialProofs(worker, table, outcome);
    return true;
  }
  if (outcome !== NXDOMAIN && !wildcard)
    return writeNsec(worker, table, nsecAt(table, result), cursor.name);
  const types = outcome === NXDOMAIN ? NONE : rrsetOf(table, node, TYPE_NSEC);
  const records = denialRecords(worker, zone, types);
  if (records === undefined) return leaveToSigner(worker);
  return writeMade(reply, SECTION_AUTHORITY, records, cursor.name, -1);
}

/** At a delegation: the DS records of what is below, or proof that it has none (RFC 4035 3.1.4). */
export function writeDelegationProof(
  worker: WorkerState,
  table: ZoneTable,
  owner: number,
): boolean {
  const { cursor, reply, result } = worker;
  const { node, zone } = result;
  if (!wantsSignatures(worker, table, zone)) return true;
  const ds = rrsetOf(table, node, TYPE_DS);
  const rrset = ds === NONE ? rrsetOf(table, node, TYPE_NSEC) : ds;
  dropProof(worker, table, rrset);
  return (
    writeRrset(reply, table, SECTION_AUTHORITY, rrset, owner, cursor.apex) &&
    writeSignatures(worker, table, SECTION_AUTHORITY, rrset, owner, false)
  );
}

/** The proofs that have gathered, at the end of the authority section. */
export function writeProofs(worker: WorkerState, table: ZoneTable): boolean {
  const { proofCount, proofs, reply } = worker;
  for (let index = 0; index < proofCount; index += 1) {
    const node = table.links[proofs[index]!]!;
    const rrset = table.links[proofs[index]! + 1]!;
    const owner = reply.position;
    if (owner > POINTER_OFFSET_MAX || !writeSpelled(reply, table, node, rrset)) return false;
    if (!writeStatic(reply, worker.signatures!, SECTION_AUTHORITY, rrset, owner)) return false;
  }
  return true;
}

/** Somebody with keys will compose the answer anew. */
function leaveToSigner(worker: WorkerState): true {
  worker.isCold = true;
  return true;
}

const isCompact = ({ zones }: ZoneTable, zone: number): boolean =>
  zones[zone * ZONE_WORDS + ZONE_DENIAL] === DENIAL_COMPACT;

const NOTHING = new Uint8Array();

/** Signatures of a wildcard's RRset under the name at `owner`; undefined = nobody has made them. */
function rrsetRecords(worker: WorkerState, rrset: number, owner: number): Uint8Array | undefined {
  const { learned, reply, signer, spelled } = worker;
  const length = spellName(reply.out, owner, spelled);
  if (signer) return signer.rrset(spelled.slice(0, length), rrset);
  return learned.recall(LEARNED_RRSET, rrset, 0, NOTHING, spelled, length);
}

/** Likewise of a steered wildcard's records under the current name. */
function bodyRecords(worker: WorkerState, service: number, body: Body): Uint8Array | undefined {
  const { cursor, learned, reply, signer, spelled } = worker;
  const length = spellName(reply.out, cursor.name, spelled);
  if (signer) return signer.body(spelled.slice(0, length), service, body);
  return learned.recall(LEARNED_BODY, service, body.type, body.bytes, spelled, length);
}

/** Of steered records under the name of their service. */
function ownRecords(
  { bodySignatures, learned, signer }: WorkerState,
  service: number,
  body: Body,
): Uint8Array | undefined {
  const prepared = bodySignature(bodySignatures, body, service);
  if (prepared !== undefined || signer !== undefined)
    return prepared ?? signer?.body(undefined, service, body);
  // Where there are more names than can be prepared.
  return learned.recall(LEARNED_BODY, service, body.type, body.bytes, NOTHING, 0);
}

/** That the current name has no types but those of the RRset `types`, or is not there (NONE). */
function denialRecords(worker: WorkerState, zone: number, types: number): Uint8Array | undefined {
  const { cursor, learned, reply, signer, spelled } = worker;
  const length = spellName(reply.out, cursor.name, spelled);
  if (signer) return signer.denial(spelled.slice(0, length), zone, types);
  return learned.recall(LEARNED_DENIAL, zone, types, NOTHING, spelled, length);
}

/** The NSEC of a name that is there; at the apex of a zone of ours that of the zone which answers. */
function nsecAt(table: ZoneTable, { node, zone }: WorkerState['result']): number {
  const home = table.nodes[node * NODE_WORDS + NODE_ZONE]!;
  if (home === zone) return rrsetOf(table, node, TYPE_NSEC);
  return table.zones[home * ZONE_WORDS + ZONE_DENIAL_AT_PARENT]!;
}

function writeNsec(worker: WorkerState, table: ZoneTable, rrset: number, owner: number): boolean {
  const { cursor, reply, signatures } = worker;
  return (
    writeRrset(reply, table, SECTION_AUTHORITY, rrset, owner, cursor.apex) &&
    writeStatic(reply, signatures!, SECTION_AUTHORITY, rrset, owner)
  );
}

/** What is not signed has signatures of no length. */
function writeStatic(
  reply: Reply,
  { arena, index }: NonNullable<WorkerState['signatures']>,
  section: number,
  rrset: number,
  owner: number,
): boolean {
  const at = rrset * SIGNATURE_WORDS;
  const length = index[at + SIGNATURE_LENGTH]!;
  return writeRecords(reply, section, arena, index[at + SIGNATURE_OFFSET]!, length, owner, -1);
}

function writeMade(
  reply: Reply,
  section: number,
  records: Uint8Array,
  owner: number,
  ttlSeconds: number,
): boolean {
  return writeRecords(reply, section, records, 0, records.length, owner, ttlSeconds);
}

/** What proves that a name has not the type or is not there (RFC 4035 3.1.3). */
function addDenialProofs(worker: WorkerState, table: ZoneTable, outcome: number): void {
  const { cursor, result, spelled } = worker;
  const { node, wildcard, zone } = result;
  addProof(worker, table, zone, cursor.name);
  if (outcome !== NXDOMAIN && !wildcard) return;
  const row = node * NODE_WORDS;
  const name = table.nodes[row + NODE_NAME]!;
  const length = table.nodes[row + NODE_NAME_LENGTH]!;
  // Of the wildcard that was used, or that is not there either.
  const from = outcome === NXDOMAIN ? 2 : 0;
  spelled[0] = 1;
  spelled[1] = 0x2a;
  for (let index = 0; index < length; index += 1) {
    spelled[from + index] = table.arena[name + index]!;
  }
  keepProof(worker, coveringLink(table, zone, spelled, from + length));
}

/** That of the name at `position`: its own record, or the one that spans it. */
function addProof(worker: WorkerState, table: ZoneTable, zone: number, position: number): void {
  const { reply, spelled } = worker;
  const length = spellName(reply.out, position, spelled);
  keepProof(worker, coveringLink(table, zone, spelled, length));
}

function keepProof(worker: WorkerState, link: number): void {
  for (let index = 0; index < worker.proofCount; index += 1) {
    if (worker.proofs[index] === link) return;
  }
  worker.proofs[worker.proofCount] = link;
  worker.proofCount += 1;
}

/** It is written otherwise. */
function dropProof(worker: WorkerState, table: ZoneTable, rrset: number): void {
  for (let index = 0; index < worker.proofCount; index += 1) {
    if (table.links[worker.proofs[index]! + 1] !== rrset) continue;
    worker.proofCount -= 1;
    worker.proofs[index] = worker.proofs[worker.proofCount]!;
    return;
  }
}

/** One record with its owner spelled out, as it stands nowhere in the message. */
function writeSpelled(reply: Reply, table: ZoneTable, node: number, rrset: number): boolean {
  const { arena, nodes, rrsets } = table;
  const nameRow = node * NODE_WORDS;
  const row = rrset * RRSET_WORDS;
  const isWritten =
    writeBytes(reply, arena, nodes[nameRow + NODE_NAME]!, nodes[nameRow + NODE_NAME_LENGTH]!) &&
    writeBytes(reply, arena, rrsets[row + RRSET_BODY]! + 2, rrsets[row + RRSET_BODY_LENGTH]! - 2);
  if (isWritten) countRecords(reply, SECTION_AUTHORITY, 1);
  return isWritten;
}
