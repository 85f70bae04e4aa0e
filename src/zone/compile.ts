/**
 * Zones as people wrote them -> the flat table that is served. Everything that would make the table
 * answer wrongly is an issue here, all of them at once; the configuration's validation finds most of
 * it earlier and with line numbers, but this is the last place before answers, and it trusts nobody.
 *
 * A name belongs to the longest of our zones that encloses it. What a parent zone holds at or below
 * the apex of a child of ours (its NS records, its glue) is therefore not served, but for DS.
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
  TYPE_OPT,
  TYPE_RRSIG,
  TYPE_SOA,
  TYPE_SVCB,
} from '../dns/constants.ts';
import { formatName, isSubdomain, lowerName, parentName, parseName } from '../dns/name.ts';
import { parseRdata } from '../dns/rdata/registry.ts';
import { TTL_SECONDS_MAX } from '../dns/ttl.ts';
import { typeName, typeNumber } from '../dns/type-names.ts';
import {
  assembleZones,
  type GlueDraft,
  type NodeDraft,
  type RrsetDraft,
  type ZoneDraft,
} from './assemble.ts';
import {
  ANSWERS_ADDRESSES,
  ANSWERS_ALIAS,
  ANSWERS_HTTPS,
  ANSWERS_SVCB,
  NONE,
  RECORD_HEADER_LENGTH,
  type ZoneTable,
} from './compiled-zones.ts';
import { addDenials } from './denial-records.ts';

/** A zone as text: what config's ZoneConfig has, and steered owners as indexes of services. */
export type ZoneSource = {
  /** Absolute; the final dot may be missing. */
  readonly name: string;
  /** TTL in seconds of the SOA, and of the NS record that is made when the apex has none. */
  readonly ttl: number;
  readonly soa: {
    readonly mname: string;
    readonly rname: string;
    readonly serial: number;
    readonly refresh: number;
    readonly retry: number;
    readonly expire: number;
    readonly minimum: number;
  };
  readonly rrsets: readonly RrsetSource[];
  readonly steered: readonly SteeredSource[];
  /** How a signed zone proves that something is not there; absent = it is not signed. */
  readonly denial?: 'compact' | 'nsec';
};
/** `answers` are ANSWERS_… bits. Default: addresses. `types` are those that it has for everybody. */
export type SteeredSource = {
  readonly owner: string;
  readonly service: number;
  readonly answers?: number;
  readonly types?: readonly number[];
};
export type RrsetSource = {
  readonly owner: string;
  readonly type: string;
  readonly ttl: number;
  readonly data: readonly string[];
};

/** `path` as in the configuration: `zones.gslb.example.rrsets.3.data.0`. */
export type ZoneIssue = { readonly path: string; readonly message: string };

export type ZoneCompilation =
  | { readonly ok: true; readonly table: ZoneTable }
  | { readonly ok: false; readonly issues: readonly ZoneIssue[] };

/** Longest body of one RRset in bytes: it must fit one message with its question. */
export const RRSET_BYTES_MAX = 60_000;

/** Compiles all zones into one table, or tells everything that is wrong with them. */
export function compileZones(sources: readonly ZoneSource[]): ZoneCompilation {
  const work: Work = { issues: [], zones: new Map(), nodes: new Map() };
  const opened = sources.flatMap((source) => openZone(work, source));
  for (const zone of opened) linkToParentZone(work, zone);
  for (const zone of opened) fillZone(work, zone);
  for (const node of [...work.nodes.values()]) addAncestors(work, node);
  for (const { draft } of opened) checkParentCut(work, draft);
  for (const node of work.nodes.values()) linkNode(work, node);
  for (const zone of opened) checkSteered(work, zone);
  for (const node of work.nodes.values()) checkNode(work, node);
  if (work.issues.length > 0) return { ok: false, issues: work.issues };
  const drafts = opened.map(({ draft }) => draft);
  const nodes = [...work.nodes.values()];
  addDenials(nodes, drafts);
  return { ok: true, table: assembleZones(nodes, drafts) };
}

type Work = {
  readonly issues: ZoneIssue[];
  /** By key(lower-cased name). */
  readonly zones: Map<string, ZoneDraft>;
  readonly nodes: Map<string, NodeDraft>;
};
type OpenZone = { readonly source: ZoneSource; readonly path: string; readonly draft: ZoneDraft };

/** Wire bytes as a string, to be a key of a map: other bytes, other string. */
function key(name: Uint8Array): string {
  return Buffer.from(name.buffer, name.byteOffset, name.length).toString('latin1');
}

function openZone(work: Work, source: ZoneSource): OpenZone[] {
  const path = `zones.${source.name}`;
  const report = (at: string, message: string): void => {
    work.issues.push({ path: `${path}${at}`, message });
  };
  const name = parseName(absolute(source.name));
  if (name === undefined) {
    report('', `"${source.name}" is not a domain name`);
    return [];
  }
  const apexName = lowerName(name);
  if (work.zones.has(key(apexName))) {
    report('', 'this zone is there twice');
    return [];
  }
  const soa = readSoa(source, report);
  const negativeTtl = Math.min(source.ttl, source.soa.minimum);
  const draft: ZoneDraft = {
    apexName,
    soa,
    negativeTtl,
    denial: source.denial,
    chain: [],
    denialAtParent: undefined,
    apex: undefined,
    parent: undefined,
  };
  work.zones.set(key(apexName), draft);
  draft.apex = nodeAt(work, draft, apexName);
  draft.apex.rrsets.push(soa);
  return [{ source, path, draft }];
}

function absolute(name: string): string {
  return name.endsWith('.') ? name : `${name}.`;
}

const SOA_NUMBER_MAX = 0xffffffff;

type Report = (at: string, message: string) => void;

function readSoa({ soa, ttl }: ZoneSource, report: Report): RrsetDraft {
  const names: Uint8Array[] = [];
  for (const field of ['mname', 'rname'] as const) {
    const name = parseName(soa[field]);
    if (name === undefined) report(`.soa.${field}`, `"${soa[field]}" is not an absolute name`);
    names.push(name ?? Uint8Array.of(0));
  }
  const numbers = new DataView(new ArrayBuffer(20));
  const fields = ['serial', 'refresh', 'retry', 'expire', 'minimum'] as const;
  for (const [index, field] of fields.entries()) {
    const value = soa[field];
    // Timers have 32 bits too (RFC 1035 3.3.13); TTLs alone end earlier (RFC 2181 8).
    if (!isWhole(value, SOA_NUMBER_MAX)) {
      report(`.soa.${field}`, `${value} is not within 0..${SOA_NUMBER_MAX}`);
    }
    numbers.setUint32(index * 4, value);
  }
  if (!isWhole(ttl, TTL_SECONDS_MAX)) report('.ttl', `${ttl} is not a TTL in seconds`);
  const rdata = concat([...names, new Uint8Array(numbers.buffer)]);
  return { type: TYPE_SOA, ttl, rdata: [rdata], glue: [] };
}

function isWhole(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max;
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function nodeAt(work: Work, zone: ZoneDraft, name: Uint8Array): NodeDraft {
  const nameKey = key(name);
  const known = work.nodes.get(nameKey);
  if (known !== undefined) return known;
  const node: NodeDraft = {
    name,
    zone,
    rrsets: [],
    service: NONE,
    answers: 0,
    serviceTypes: [],
    cut: undefined,
    wildcard: undefined,
  };
  work.nodes.set(nameKey, node);
  return node;
}

function linkToParentZone(work: Work, { draft }: OpenZone): void {
  const above = parentName(draft.apexName);
  draft.parent = above && closestZone(work, above);
}

function closestZone(work: Work, name: Uint8Array): ZoneDraft | undefined {
  for (let at: Uint8Array | undefined = name; at !== undefined; at = parentName(at)) {
    const zone = work.zones.get(key(at));
    if (zone !== undefined) return zone;
  }
  return undefined;
}

function fillZone(work: Work, zone: OpenZone): void {
  const { source, path, draft } = zone;
  for (const [index, rrset] of source.rrsets.entries()) {
    addRrset(work, draft, rrset, `${path}.rrsets.${index}`);
  }
  for (const [index, steered] of source.steered.entries()) {
    const { answers = ANSWERS_ADDRESSES, owner, service, types = [] } = steered;
    const ownerPath = `${path}.steered.${index}.owner`;
    const name = readOwner(work, draft, owner, ownerPath);
    if (name === undefined) continue;
    const node = nodeAt(work, closestZone(work, name) ?? draft, name);
    if (node.zone !== draft) {
      work.issues.push({ path: ownerPath, message: `${owner} belongs to another zone of ours` });
    } else if (node.service !== NONE) {
      work.issues.push({ path: ownerPath, message: `${owner} is steered twice` });
    } else {
      node.service = service;
      node.answers = answers;
      node.serviceTypes = types;
    }
  }
  const apex = nodeAt(work, draft, draft.apexName);
  if (!apex.rrsets.some(({ type }) => type === TYPE_NS)) {
    // A zone without NS is not a zone (RFC 1035 5.2); the primary is the one server we know of.
    const mname = parseName(source.soa.mname) ?? Uint8Array.of(0);
    apex.rrsets.push({ type: TYPE_NS, ttl: source.ttl, rdata: [mname], glue: [] });
  }
}

function readOwner(
  work: Work,
  zone: ZoneDraft,
  owner: string,
  path: string,
): Uint8Array | undefined {
  const name = parseName(owner);
  if (name === undefined) {
    work.issues.push({ path, message: `"${owner}" is not an absolute name` });
    return undefined;
  }
  if (!isSubdomain(name, zone.apexName)) {
    const apex = formatName(zone.apexName);
    work.issues.push({ path, message: `${owner} is outside of the zone ${apex}` });
    return undefined;
  }
  return lowerName(name);
}

function addRrset(work: Work, zone: ZoneDraft, source: RrsetSource, path: string): void {
  const report = (at: string, message: string): void => {
    work.issues.push({ path: `${path}${at}`, message });
  };
  const owner = readOwner(work, zone, source.owner, `${path}.owner`);
  const rrset = readRrset(source, zone, report);
  if (owner === undefined || rrset === undefined) return;
  const home = closestZone(work, owner) ?? zone;
  if (home !== zone) {
    const isDsOfChild =
      rrset.type === TYPE_DS && home.parent === zone && home.apexName.length === owner.length;
    if (!isDsOfChild) return;
  }
  if (home === zone && rrset.type === TYPE_DS && owner.length === zone.apexName.length) {
    report('.owner', 'DS records of a zone stand in its parent zone (RFC 4035 2.4)');
    return;
  }
  if (zone.denial !== undefined && MADE_TYPES.includes(rrset.type)) {
    report('.type', `${source.type} records of a signed zone are made, not written`);
    return;
  }
  const node = nodeAt(work, home, owner);
  if (node.rrsets.some(({ type }) => type === rrset.type)) {
    report('.owner', `${source.owner} ${source.type} is there twice`);
    return;
  }
  if (rrset.type === TYPE_NS && owner[0] === 1 && owner[1] === 0x2a) {
    report('.owner', 'a wildcard cannot be a delegation (RFC 4592 4.2)');
    return;
  }
  node.rrsets.push(rrset);
}

/** What a signed zone gets by itself. */
const MADE_TYPES: readonly number[] = [TYPE_RRSIG, TYPE_NSEC, TYPE_NSEC3, TYPE_NSEC3PARAM];

/** SOA comes from the zone's own settings; OPT and 128 to 255 never stand in a zone (RFC 6895 3.1). */
function isData(type: number): boolean {
  return type > 0 && type !== TYPE_SOA && type !== TYPE_OPT && (type < 128 || type > 255);
}

function readRrset(source: RrsetSource, zone: ZoneDraft, report: Report): RrsetDraft | undefined {
  if (!isWhole(source.ttl, TTL_SECONDS_MAX)) {
    report('.ttl', `${source.ttl} is not a TTL in seconds`);
    return undefined;
  }
  if (source.data.length === 0) {
    report('.data', 'an RRset needs data');
    return undefined;
  }
  const type = typeNumber(source.type);
  if (type === undefined || !isData(type)) {
    report('.type', `${source.type} is not a type of records in a zone`);
    return undefined;
  }
  const rdata = new Map<string, Uint8Array>();
  for (const [index, text] of source.data.entries()) {
    const parsed = parseRdata(source.type, text, zone.apexName);
    if (!parsed.ok) {
      const hint = parsed.hint === undefined ? '' : ` (${parsed.hint})`;
      report(`.data.${index}`, `${parsed.message}${hint}`);
      return undefined;
    }
    if (rdata.has(key(parsed.rdata))) report(`.data.${index}`, 'this record is there twice');
    rdata.set(key(parsed.rdata), parsed.rdata);
  }
  const records = [...rdata.values()];
  const bytes = rrsetBytes(records);
  if (bytes > RRSET_BYTES_MAX) {
    report('.data', `${bytes} bytes are more than one answer holds (${RRSET_BYTES_MAX})`);
    return undefined;
  }
  return { type, ttl: source.ttl, rdata: records, glue: [] };
}

/** Octets of an RRset in an answer, at most. */
export function rrsetBytes(records: readonly Uint8Array[]): number {
  return records.reduce((sum, { length }) => sum + RECORD_HEADER_LENGTH + length, 0);
}

/** Makes the empty non-terminals between a name and its zone's apex, and above a child's apex. */
function addAncestors(work: Work, node: NodeDraft): void {
  let above = parentName(node.name);
  while (above !== undefined) {
    const zone = closestZone(work, above);
    if (zone === undefined || work.nodes.has(key(above))) return;
    nodeAt(work, zone, above);
    above = parentName(above);
  }
}

/** A parent that delegates away from above the child's apex has no say about the child's DS. */
function checkParentCut(work: Work, zone: ZoneDraft): void {
  if (zone.parent === undefined) return;
  const above = work.nodes.get(key(parentName(zone.apexName)!));
  if (above === undefined || cutAbove(work, above) === undefined) return;
  zone.parent = undefined;
  const apex = nodeAt(work, zone, zone.apexName);
  const ds = apex.rrsets.findIndex(({ type }) => type === TYPE_DS);
  if (ds !== -1) apex.rrsets.splice(ds, 1);
}

/** The highest delegation at or above a node in its zone: everything from there on is not ours. */
function cutAbove(work: Work, node: NodeDraft): NodeDraft | undefined {
  let cut: NodeDraft | undefined;
  let at: NodeDraft | undefined = node;
  while (at !== undefined && at.name.length > at.zone.apexName.length) {
    if (at.rrsets.some(({ type }) => type === TYPE_NS)) cut = at;
    at = work.nodes.get(key(parentName(at.name)!));
  }
  return cut;
}

function linkNode(work: Work, node: NodeDraft): void {
  const wildcardName = node.name.length + 2 > 255 ? undefined : wildcardOf(node.name);
  const wildcard = wildcardName && work.nodes.get(key(wildcardName));
  node.wildcard = wildcard?.zone === node.zone ? wildcard : undefined;
  node.cut = cutAbove(work, node);
  if (node.cut !== node) return;
  const ns = node.rrsets.find(({ type }) => type === TYPE_NS);
  if (ns !== undefined) ns.glue = glueOf(work, ns, node);
}

function wildcardOf(name: Uint8Array): Uint8Array {
  return concat([Uint8Array.of(1, 0x2a), name]);
}

/** Addresses that we hold for the targets of a delegation, in-domain ones first (RFC 9471 2). */
function glueOf(work: Work, ns: RrsetDraft, cut: NodeDraft): readonly GlueDraft[] {
  const glue = ns.rdata.flatMap((target, record) => {
    const node = work.nodes.get(key(lowerName(target)));
    const rrsets = node?.zone === cut.zone ? node.rrsets : [];
    const required = isSubdomain(target, cut.name);
    return rrsets
      .filter(({ type }) => type === TYPE_A || type === TYPE_AAAA)
      .map((rrset) => ({ record, rrset, required }));
  });
  return [...glue.filter((one) => one.required), ...glue.filter((one) => !one.required)];
}

function checkSteered(work: Work, { source, path, draft }: OpenZone): void {
  for (const [index, { owner }] of source.steered.entries()) {
    const name = parseName(owner);
    const node = name && work.nodes.get(key(lowerName(name)));
    if (node === undefined || node.zone !== draft || node.cut === undefined) continue;
    const cut = formatName(node.cut.name);
    const message = `${owner} cannot be steered: ${cut} is delegated away`;
    work.issues.push({ path: `${path}.steered.${index}.owner`, message });
  }
}

/** CNAME and steering are exclusive (RFC 1034 3.6.2, RFC 2181 10.1). */
function checkNode(work: Work, node: NodeDraft): void {
  const report = (message: string): void => {
    const path = `zones.${formatName(node.zone.apexName).replace(/(.)\.$/, '$1')}`;
    work.issues.push({ path, message: `${formatName(node.name)}: ${message}` });
  };
  const cname = node.rrsets.find(({ type }) => type === TYPE_CNAME);
  if (cname !== undefined && node.rrsets.length > 1) {
    report('a CNAME cannot have other records beside it');
  }
  if (cname !== undefined && cname.rdata.length > 1) report('there can be only one CNAME');
  checkDname(work, node, report);
  if (node.service === NONE) return;
  if (cname !== undefined) report('a steered name cannot be a CNAME');
  const isAlias = (node.answers & ANSWERS_ALIAS) !== 0;
  if (isAlias && node.rrsets.length > 0)
    report('a steered CNAME cannot have other records beside it');
  for (const { type } of node.rrsets) {
    if (!steeredTypes(node.answers).includes(type)) continue;
    report(`a steered name cannot have static ${typeName(type)} records`);
  }
}

function steeredTypes(answers: number): readonly number[] {
  return [
    ...((answers & ANSWERS_ADDRESSES) !== 0 ? [TYPE_A, TYPE_AAAA] : []),
    ...((answers & ANSWERS_HTTPS) !== 0 ? [TYPE_HTTPS] : []),
    ...((answers & ANSWERS_SVCB) !== 0 ? [TYPE_SVCB] : []),
  ];
}

/** One DNAME at most, and nothing below it (RFC 6672 2.4); a wildcard has none (RFC 6672 3.3). */
function checkDname(work: Work, node: NodeDraft, report: (message: string) => void): void {
  const above = dnameAbove(work, node);
  if (above !== undefined) report(`the DNAME of ${formatName(above.name)} hides this name`);
  const dname = node.rrsets.find(({ type }) => type === TYPE_DNAME);
  if (dname === undefined) return;
  if (dname.rdata.length > 1) report('there can be only one DNAME');
  if (node.name[0] === 1 && node.name[1] === 0x2a) report('a wildcard cannot have a DNAME');
  if (node.cut !== undefined) report('a delegated name cannot have a DNAME');
}

/** A DNAME stands for all names below it: none of them is there (RFC 6672 2.4). */
function dnameAbove(work: Work, { name, zone }: NodeDraft): NodeDraft | undefined {
  for (let at = name; at.length > zone.apexName.length; ) {
    at = parentName(at)!;
    const node = work.nodes.get(key(at));
    if (node?.rrsets.some(({ type }) => type === TYPE_DNAME) === true) return node;
  }
  return undefined;
}
