/**
 * The records of one zone -> its names and their RRsets (filling.ts), judged: what would make the table
 * answer wrongly is an issue.
 */
import {
  TYPE_A,
  TYPE_AAAA,
  TYPE_CNAME,
  TYPE_DNAME,
  TYPE_DS,
  TYPE_HTTPS,
  TYPE_NS,
  TYPE_NSEC,
  TYPE_NSEC3,
  TYPE_NSEC3PARAM,
  TYPE_RRSIG,
  TYPE_SOA,
  TYPE_SVCB,
} from '../dns/constants.ts';
import { formatName, isSubdomain, lowerName, parentName, parseName } from '../dns/name.ts';
import { typeName } from '../dns/type-names.ts';
import { nodeNamed } from './assemble.ts';
import {
  ANSWERS_ADDRESSES,
  ANSWERS_ALIAS,
  ANSWERS_HTTPS,
  ANSWERS_SVCB,
  NODE_ANSWERS,
  NODE_CUT,
  NODE_SERVICE,
  NODE_WORDS,
  NODE_ZONE,
  NONE,
  ZONE_APEX,
  ZONE_WORDS,
} from './compiled-zones.ts';
import {
  addOwnSet,
  addSet,
  beginFilling,
  type Filling,
  linkCuts,
  localOf,
  nameInZone,
  nameOf,
  rowOf,
  SET_COUNT,
  SET_NEXT,
  SET_TYPE,
  SET_WORDS,
  setOf,
} from './filling.ts';
import { createPackedCursor, readPacked } from './packed-rrsets.ts';
import { createNameHashes, findNode, hashName } from './table-store.ts';
import {
  type ReadRrset,
  type Report,
  type RrsetSource,
  readRrset,
  type ZoneIssue,
  type ZoneSource,
} from './zone-source.ts';

/** A zone whose apex has its row. */
export type OpenZone = {
  readonly source: ZoneSource;
  readonly path: string;
  /** Wire form, lower case. */
  readonly apexName: Uint8Array;
  readonly soa: Uint8Array;
  /** Rows. */
  readonly zone: number;
  readonly apex: number;
  parent: OpenZone | undefined;
  /** Zones of ours below, whose closest encloser this is. */
  children: OpenZone[] | undefined;
  /** DS records that the parent has for it. */
  ds: ReadRrset | undefined;
};

export type FillWork = {
  readonly filling: Filling;
  readonly issues: ZoneIssue[];
  /** Those that are above or below others, by row of `zones`. */
  readonly opened: ReadonlyMap<number, OpenZone>;
};

/** Fills in all that the zone has; the parent comes before its children. Returns types of services by name. */
export function fillZone(work: FillWork, zone: OpenZone): ReadonlyMap<number, readonly number[]> {
  const { filling } = work;
  const { apex, apexName, source } = zone;
  beginFilling(filling, zone.zone, apex, apexName);
  addOwnSet(filling, 0, TYPE_SOA, source.ttl, [zone.soa]);
  if (zone.ds !== undefined) addOwnSet(filling, 0, TYPE_DS, zone.ds.ttl, zone.ds.rdata);
  if (source.filed !== undefined) addFiled(work, zone, source.filed);
  for (const [index, rrset] of source.rrsets.entries()) {
    addWritten(work, zone, rrset, `${zone.path}.rrsets.${index}`);
  }
  const serviceTypes = addServices(work, zone);
  if (setOf(filling, 0, TYPE_NS) === NONE) {
    // A zone without NS is not a zone (RFC 1035 5.2); the primary is the one server we know of.
    const mname = parseName(source.soa.mname) ?? Uint8Array.of(0);
    addOwnSet(filling, 0, TYPE_NS, source.ttl, [mname]);
  }
  for (const child of zone.children ?? []) addAbove(filling, child.apexName);
  linkCuts(filling);
  checkChildren(filling, zone);
  checkServices(work, zone);
  if (filling.hasAliases || filling.hasRenamed) checkNames(work);
  return serviceTypes;
}

/** The empty non-terminals above the apex of a zone below. */
function addAbove(filling: Filling, apexName: Uint8Array): void {
  const above = parentName(apexName)!;
  if (above.length > filling.apexName.length) nameInZone(filling, above, 0, above.length);
}

const cursor = createPackedCursor();

function addFiled(
  work: FillWork,
  zone: OpenZone,
  { bytes, from, to }: NonNullable<ZoneSource['filed']>,
): void {
  const { filling } = work;
  const report = reporter(work, `${zone.path}.file`);
  filling.packed = bytes;
  for (let at = from; at < to; at = cursor.end) {
    readPacked(bytes, at, cursor);
    const { count, ownerLength, records, ttlSeconds, type } = cursor;
    if (zone.children !== undefined) {
      const home = homeOf(work, zone, bytes, at, ownerLength);
      if (home !== zone) continue;
    }
    const local = nameInZone(filling, bytes, at, ownerLength);
    if (!canHold(filling, zone, local, type, formatLater(bytes, at, ownerLength), report)) continue;
    addSet(filling, local, type, ttlSeconds, records, count, false);
    note(filling, local, type);
  }
}

const formatLater = (bytes: Uint8Array, at: number, length: number) => (): string =>
  formatName(bytes.subarray(at, at + length));

function reporter(work: FillWork, path: string): Report {
  return (at, message) => {
    work.issues.push({ path: `${path}${at}`, message });
  };
}

function readOwner(
  work: FillWork,
  { apexName }: OpenZone,
  owner: string,
  path: string,
): Uint8Array | undefined {
  const name = parseName(owner);
  if (name === undefined) {
    work.issues.push({ path, message: `"${owner}" is not an absolute name` });
    return undefined;
  }
  if (!isSubdomain(name, apexName)) {
    const apex = formatName(apexName);
    work.issues.push({ path, message: `${owner} is outside of the zone ${apex}` });
    return undefined;
  }
  return lowerName(name);
}

function addWritten(work: FillWork, zone: OpenZone, source: RrsetSource, path: string): void {
  const { filling } = work;
  const report = reporter(work, path);
  const owner = readOwner(work, zone, source.owner, `${path}.owner`);
  const rrset = readRrset(source, zone.apexName, report);
  if (owner === undefined || rrset === undefined) return;
  const home = homeOf(work, zone, owner, 0, owner.length);
  if (home !== zone) {
    // What is below belongs to the zone below, but for its DS records (RFC 4035 2.4).
    if (rrset.type !== TYPE_DS || home.parent !== zone || home.apexName.length < owner.length)
      return;
    if (home.ds !== undefined) report('.owner', `${source.owner} ${source.type} is there twice`);
    home.ds = rrset;
    return;
  }
  const local = nameInZone(filling, owner, 0, owner.length);
  if (!canHold(filling, zone, local, rrset.type, () => source.owner, report)) return;
  addOwnSet(filling, local, rrset.type, rrset.ttl, rrset.rdata);
  note(filling, local, rrset.type);
}

/** What a signed zone gets by itself. */
const MADE_TYPES: readonly number[] = [TYPE_RRSIG, TYPE_NSEC, TYPE_NSEC3, TYPE_NSEC3PARAM];

function canHold(
  filling: Filling,
  { source }: OpenZone,
  local: number,
  type: number,
  owner: () => string,
  report: Report,
): boolean {
  if (local === 0 && type === TYPE_DS) {
    report('.owner', 'DS records of a zone stand in its parent zone (RFC 4035 2.4)');
    return false;
  }
  if (source.denial !== undefined && MADE_TYPES.includes(type)) {
    report('.type', `${typeName(type)} records of a signed zone are made, not written`);
    return false;
  }
  if (setOf(filling, local, type) !== NONE) {
    report('.owner', `${owner()} ${typeName(type)} is there twice`);
    return false;
  }
  if (type === TYPE_NS && isWildcard(nameOf(filling, local))) {
    report('.owner', 'a wildcard cannot be a delegation (RFC 4592 4.2)');
    return false;
  }
  return true;
}

const isWildcard = (name: Uint8Array): boolean => name[0] === 1 && name[1] === 0x2a;

function note(filling: Filling, local: number, type: number): void {
  if (type === TYPE_NS && local !== 0) filling.hasCuts = true;
  if (type === TYPE_CNAME) filling.hasAliases = true;
  if (type === TYPE_DNAME) filling.hasRenamed = true;
}

const names = createNameHashes();

/** The zone of ours that the name belongs to: the longest that encloses it, this one or one below. */
function homeOf(
  { filling, opened }: FillWork,
  zone: OpenZone,
  bytes: Uint8Array,
  at: number,
  length: number,
): OpenZone {
  if (zone.children === undefined) return zone;
  const { store } = filling;
  hashName(bytes, at, names);
  for (let label = 0; length - names.offsets[label]! > zone.apexName.length; label += 1) {
    const offset = names.offsets[label]!;
    const node = findNode(store, names.hashes[label]!, bytes, at + offset, length - offset);
    if (node === NONE) continue;
    const other = store.nodes[node * NODE_WORDS + NODE_ZONE]!;
    if (other !== zone.zone && store.zones[other * ZONE_WORDS + ZONE_APEX] === node) {
      return opened.get(other)!;
    }
  }
  return zone;
}

function addServices(work: FillWork, zone: OpenZone): ReadonlyMap<number, readonly number[]> {
  const { filling } = work;
  const types = new Map<number, readonly number[]>();
  for (const [index, steered] of zone.source.steered.entries()) {
    const { answers = ANSWERS_ADDRESSES, owner, service } = steered;
    const path = `${zone.path}.steered.${index}.owner`;
    const name = readOwner(work, zone, owner, path);
    if (name === undefined) continue;
    if (homeOf(work, zone, name, 0, name.length) !== zone) {
      work.issues.push({ path, message: `${owner} belongs to another zone of ours` });
      continue;
    }
    const local = nameInZone(filling, name, 0, name.length);
    const row = rowOf(filling, local) * NODE_WORDS;
    if (filling.store.nodes[row + NODE_SERVICE] !== NONE) {
      work.issues.push({ path, message: `${owner} is steered twice` });
      continue;
    }
    filling.store.nodes[row + NODE_SERVICE] = service;
    filling.store.nodes[row + NODE_ANSWERS] = answers;
    types.set(local, steered.types ?? []);
  }
  return types;
}

/** A parent that delegates away from above the child's apex has no say about the child's DS. */
function checkChildren(filling: Filling, { children = [] }: OpenZone): void {
  if (!filling.hasCuts) return;
  for (const child of children) {
    const above = nodeNamed(filling, parentName(child.apexName)!);
    if (above === NONE || cutOf(filling, above) === NONE) continue;
    child.parent = undefined;
    child.ds = undefined;
  }
}

/** The row of the delegation at or above a name, or NONE. */
const cutOf = (filling: Filling, local: number): number =>
  filling.store.nodes[rowOf(filling, local) * NODE_WORDS + NODE_CUT]!;

function checkServices(work: FillWork, { path, source }: OpenZone): void {
  const { filling } = work;
  for (const [index, { answers = ANSWERS_ADDRESSES, owner }] of source.steered.entries()) {
    const name = parseName(owner);
    const local = name === undefined ? NONE : nodeNamed(filling, name);
    if (local === NONE || serviceOf(filling, local) === NONE) continue;
    const cut = cutOf(filling, local);
    if (cut !== NONE) {
      const away = formatName(nameOf(filling, localOf(filling, cut)));
      const message = `${owner} cannot be steered: ${away} is delegated away`;
      work.issues.push({ path: `${path}.steered.${index}.owner`, message });
    }
    checkService(work, local, answers);
  }
}

const serviceOf = (filling: Filling, local: number): number =>
  filling.store.nodes[rowOf(filling, local) * NODE_WORDS + NODE_SERVICE]!;

/** CNAME and steering are exclusive (RFC 1034 3.6.2, RFC 2181 10.1). */
function checkService(work: FillWork, local: number, answers: number): void {
  const { filling } = work;
  const report = nameReporter(work, local);
  if (setOf(filling, local, TYPE_CNAME) !== NONE) report('a steered name cannot be a CNAME');
  const types = typesAt(filling, local);
  if ((answers & ANSWERS_ALIAS) !== 0 && types.length > 0)
    report('a steered CNAME cannot have other records beside it');
  for (const type of types) {
    if (!steeredTypes(answers).includes(type)) continue;
    report(`a steered name cannot have static ${typeName(type)} records`);
  }
}

function typesAt({ nodeSets, sets }: Filling, local: number): readonly number[] {
  const types: number[] = [];
  for (let set = nodeSets[local]!; set !== NONE; set = sets[set * SET_WORDS + SET_NEXT]!) {
    types.push(sets[set * SET_WORDS + SET_TYPE]!);
  }
  return types;
}

function steeredTypes(answers: number): readonly number[] {
  return [
    ...((answers & ANSWERS_ADDRESSES) !== 0 ? [TYPE_A, TYPE_AAAA] : []),
    ...((answers & ANSWERS_HTTPS) !== 0 ? [TYPE_HTTPS] : []),
    ...((answers & ANSWERS_SVCB) !== 0 ? [TYPE_SVCB] : []),
  ];
}

function nameReporter({ filling, issues }: FillWork, local: number): (message: string) => void {
  return (message) => {
    const path = `zones.${formatName(filling.apexName).replace(/(.)\.$/, '$1')}`;
    issues.push({ path, message: `${formatName(nameOf(filling, local))}: ${message}` });
  };
}

/** What must stand alone, and what hides the names below it. */
function checkNames(work: FillWork): void {
  const { filling } = work;
  for (let local = 0; local < filling.nodeCount; local += 1) {
    const report = nameReporter(work, local);
    const cname = filling.hasAliases ? setOf(filling, local, TYPE_CNAME) : NONE;
    if (cname !== NONE) {
      if (typesAt(filling, local).length > 1) report('a CNAME cannot have other records beside it');
      if (countOf(filling, cname) > 1) report('there can be only one CNAME');
    }
    if (filling.hasRenamed) checkDname(filling, local, report);
  }
}

const countOf = ({ sets }: Filling, set: number): number => sets[set * SET_WORDS + SET_COUNT]!;

/** One DNAME at most, and nothing below it (RFC 6672 2.4); a wildcard has none (RFC 6672 3.3). */
function checkDname(filling: Filling, local: number, report: (message: string) => void): void {
  const above = dnameAbove(filling, local);
  if (above !== NONE) {
    report(`the DNAME of ${formatName(nameOf(filling, above))} hides this name`);
  }
  const dname = setOf(filling, local, TYPE_DNAME);
  if (dname === NONE) return;
  if (countOf(filling, dname) > 1) report('there can be only one DNAME');
  if (isWildcard(nameOf(filling, local))) report('a wildcard cannot have a DNAME');
  if (cutOf(filling, local) !== NONE) report('a delegated name cannot have a DNAME');
}

/** A DNAME stands for all names below it: none of them is there (RFC 6672 2.4). */
function dnameAbove(filling: Filling, local: number): number {
  let above = filling.nodeParents[local]!;
  while (above !== NONE && setOf(filling, above, TYPE_DNAME) === NONE) {
    above = filling.nodeParents[above]!;
  }
  return above;
}
