/**
 * Dynamic updates (RFC 2136): a decoded message and what the zone holds go in, and out comes what has been
 * added to it after that, or the RCODE of the refusal. Pure: who sent it is judged before.
 *
 * A zone has three kinds of records: those that the configuration wrote, which updates cannot take away,
 * for they would be back with the next reload; steered ones, which belong to nobody; and those that
 * updates have added.
 */
import {
  CLASS_ANY,
  CLASS_IN,
  CLASS_NONE,
  RCODE_FORMERR,
  RCODE_NOTAUTH,
  RCODE_NOTZONE,
  RCODE_NXDOMAIN,
  RCODE_NXRRSET,
  RCODE_REFUSED,
  RCODE_YXDOMAIN,
  RCODE_YXRRSET,
  TYPE_ANY,
  TYPE_CDNSKEY,
  TYPE_CDS,
  TYPE_CNAME,
  TYPE_DNAME,
  TYPE_DNSKEY,
  TYPE_NS,
  TYPE_NSEC,
  TYPE_NSEC3,
  TYPE_NSEC3PARAM,
  TYPE_OPT,
  TYPE_RRSIG,
  TYPE_SOA,
} from '../dns/constants.ts';
import type { DecodedMessage, DecodedRecord } from '../dns/decode.ts';
import { canonicalRdata } from '../dns/dnssec/canonical.ts';
import { equalNames, isSubdomain, lowerName, parseName } from '../dns/name.ts';
import { formatRdata, rdataByType } from '../dns/rdata/registry.ts';
import { TTL_SECONDS_MAX } from '../dns/ttl.ts';
import { typeName } from '../dns/type-names.ts';

/** A record that the zone holds. */
export type HeldRecord = {
  /** Absolute text, lower case. */
  readonly owner: string;
  readonly type: number;
  readonly ttlSeconds: number;
  readonly rdata: Uint8Array;
  /** It goes by itself when its time is over. */
  readonly isTemporary?: boolean;
};

export type UpdateZone = {
  /** Wire form, lower case. */
  readonly apex: Uint8Array;
  /** Records that the configuration wrote for the name, without the SOA. */
  written(owner: string): readonly HeldRecord[];
  /** Types that are steered at the name. */
  steered(owner: string): readonly number[];
  /** All that updates have added. */
  readonly added: readonly HeldRecord[];
  /** Whether the name belongs to another zone that is served here, below this one. */
  isElsewhere(owner: Uint8Array): boolean;
  /** Whether the sender may change the type at the name. */
  may(owner: Uint8Array, type: number): boolean;
};

export type Updated =
  | { readonly ok: true; readonly added: readonly HeldRecord[]; readonly isChanged: boolean }
  | Refusal;
export type Refusal = {
  readonly ok: false;
  readonly rcode: number;
  readonly why: string;
};

/** Prerequisites and changes of one message. */
export const UPDATE_RECORDS_MAX = 1000;

/** What signs a zone is made with it (RFC 3007 3.1 lets it be updated; here it is not written at all). */
const SIGNS: ReadonlySet<number> = new Set([TYPE_RRSIG, TYPE_NSEC, TYPE_NSEC3, TYPE_NSEC3PARAM]);

/** At the apex: whoever changes these could make the zone bogus, or vouch for another's signatures. */
const KEYS: ReadonlySet<number> = new Set([TYPE_DNSKEY, TYPE_CDS, TYPE_CDNSKEY]);

/** The zone that the message is for, in wire form and lower case (RFC 2136 3.1.1). */
export function zoneOf({ question }: DecodedMessage): Uint8Array | Refusal {
  const [asked] = question;
  if (question.length !== 1 || asked?.type !== TYPE_SOA) {
    return refuse(RCODE_FORMERR, 'the zone section does not name one zone');
  }
  const name = parseName(asked.name);
  if (name === undefined) return refuse(RCODE_FORMERR, 'the zone section does not name one zone');
  // Of other classes there is no zone here (RFC 2136 3.1.2).
  if (asked.class !== CLASS_IN) return refuse(RCODE_NOTAUTH, 'there are zones of class IN only');
  return lowerName(name);
}

/** Judges the prerequisites, then does all of the update, or nothing of it. */
export function applyUpdate(
  { answer, authority }: Pick<DecodedMessage, 'answer' | 'authority'>,
  zone: UpdateZone,
): Updated {
  if (answer.length + authority.length > UPDATE_RECORDS_MAX) {
    return refuse(RCODE_REFUSED, `more than ${UPDATE_RECORDS_MAX} records in one update`);
  }
  const state: State = { zone, added: byOwner(zone.added), isChanged: false };
  const refusal =
    checkPrerequisites(state, answer) ?? prescan(state, authority) ?? checkRights(state, authority);
  if (refusal !== undefined) return refusal;
  for (const record of authority) {
    const stopped = record.class === CLASS_IN ? add(state, record) : remove(state, record);
    if (stopped !== undefined) return stopped;
  }
  return { ok: true, added: [...state.added.values()].flat(), isChanged: state.isChanged };
}

type State = {
  readonly zone: UpdateZone;
  readonly added: Map<string, readonly HeldRecord[]>;
  isChanged: boolean;
};

function refuse(rcode: number, why: string): Refusal {
  return { ok: false, rcode, why };
}

function byOwner(records: readonly HeldRecord[]): Map<string, readonly HeldRecord[]> {
  const owners = new Map<string, HeldRecord[]>();
  for (const record of records) {
    const there = owners.get(record.owner);
    if (there === undefined) owners.set(record.owner, [record]);
    else there.push(record);
  }
  return owners;
}

const ownerOf = ({ name }: DecodedRecord): Uint8Array => lowerName(parseName(name)!);
/** Names are compared without their case (RFC 2136 1.1.2). */
const ownerText = ({ name }: DecodedRecord): string => name.toLowerCase();

function isIn({ apex, isElsewhere }: UpdateZone, owner: Uint8Array): boolean {
  return isSubdomain(owner, apex) && !isElsewhere(owner);
}

const isMeta = (type: number): boolean =>
  type === 0 || type === TYPE_OPT || (type >= 128 && type <= TYPE_ANY);

/** Made once for each record: a message may compare a thousand of them with five hundred. */
const canonical = new WeakMap<Uint8Array, string>();

function canonicalText(type: number, rdata: Uint8Array): string {
  const known = canonical.get(rdata);
  if (known !== undefined) return known;
  const text = Buffer.from(canonicalRdata(type, rdata)).toString('latin1');
  canonical.set(rdata, text);
  return text;
}

function isEqual(type: number, a: Uint8Array, b: Uint8Array): boolean {
  return canonicalText(type, a) === canonicalText(type, b);
}

/** Types that the name has, steered ones too. */
function typesAt({ added, zone }: State, owner: string): ReadonlySet<number> {
  const held = [...zone.written(owner), ...(added.get(owner) ?? [])].map(({ type }) => type);
  const apexTypes = isApex(zone, owner) ? [TYPE_SOA, TYPE_NS] : [];
  return new Set([...held, ...zone.steered(owner), ...apexTypes]);
}

function isApex({ apex }: UpdateZone, owner: string): boolean {
  return equalNames(parseName(owner)!, apex);
}

/** RFC 2136 3.2. */
function checkPrerequisites(state: State, records: readonly DecodedRecord[]): Refusal | undefined {
  /** RRsets that must be just so, by owner and type. */
  const exact = new Map<string, DecodedRecord[]>();
  for (const record of records) {
    const problem = checkPrerequisite(state, record);
    if (problem !== undefined) return problem;
    if (record.class !== CLASS_IN) continue;
    const key = `${ownerText(record)} ${record.type}`;
    exact.set(key, [...(exact.get(key) ?? []), record]);
  }
  for (const wanted of exact.values()) {
    const [first] = wanted as [DecodedRecord];
    const owner = ownerText(first);
    const held = [...state.zone.written(owner), ...(state.added.get(owner) ?? [])];
    const there = held.filter(({ type }) => type === first.type);
    const isThere = ({ rdata, type }: DecodedRecord): boolean =>
      there.some((each) => isEqual(type, each.rdata, rdata));
    const isWanted = (each: HeldRecord): boolean =>
      wanted.some(({ rdata, type }) => isEqual(type, each.rdata, rdata));
    if (!wanted.every(isThere) || !there.every(isWanted)) {
      return refuse(RCODE_NXRRSET, `${first.name} ${typeName(first.type)} is not as it is to be`);
    }
  }
  return undefined;
}

function checkPrerequisite(state: State, record: DecodedRecord): Refusal | undefined {
  const { class: recordClass, name, rdata, ttlSeconds, type } = record;
  const isBroken =
    ttlSeconds !== 0 ||
    (recordClass !== CLASS_IN && rdata.length > 0) ||
    (recordClass !== CLASS_IN && recordClass !== CLASS_ANY && recordClass !== CLASS_NONE) ||
    (isMeta(type) && (type !== TYPE_ANY || recordClass === CLASS_IN));
  if (isBroken) return refuse(RCODE_FORMERR, `a prerequisite that is none: ${name}`);
  if (!isIn(state.zone, ownerOf(record)))
    return refuse(RCODE_NOTZONE, `${name} is not in the zone`);
  if (recordClass === CLASS_IN) return undefined;
  const types = typesAt(state, ownerText(record));
  const isThere = type === TYPE_ANY ? types.size > 0 : types.has(type);
  if (isThere === (recordClass === CLASS_ANY)) return undefined;
  if (isThere) {
    return type === TYPE_ANY
      ? refuse(RCODE_YXDOMAIN, `${name} is in use`)
      : refuse(RCODE_YXRRSET, `${name} has ${typeName(type)}`);
  }
  return type === TYPE_ANY
    ? refuse(RCODE_NXDOMAIN, `${name} is not in use`)
    : refuse(RCODE_NXRRSET, `${name} has no ${typeName(type)}`);
}

/** RFC 2136 3.4.1: what can be wrong with the update itself, before any of it is done. */
function prescan({ zone }: State, records: readonly DecodedRecord[]): Refusal | undefined {
  for (const record of records) {
    const { class: recordClass, name, rdata, ttlSeconds, type } = record;
    if (!isIn(zone, ownerOf(record))) return refuse(RCODE_NOTZONE, `${name} is not in the zone`);
    const isBare = ttlSeconds === 0 && rdata.length === 0;
    const isRight =
      (recordClass === CLASS_IN && !isMeta(type) && isData(type, rdata)) ||
      (recordClass === CLASS_ANY && isBare && (!isMeta(type) || type === TYPE_ANY)) ||
      (recordClass === CLASS_NONE && ttlSeconds === 0 && !isMeta(type));
    if (!isRight) return refuse(RCODE_FORMERR, `an update that is none: ${name}`);
  }
  return undefined;
}

/** Whether the octets are the type's. */
function isData(type: number, rdata: Uint8Array): boolean {
  const known = rdataByType(type);
  return known === undefined || known.format(rdata) !== undefined;
}

/** RFC 2136 3.3, for each name and type that would be changed. */
function checkRights(
  { added, zone }: State,
  records: readonly DecodedRecord[],
): Refusal | undefined {
  for (const record of records) {
    const owner = ownerOf(record);
    const types =
      record.type === TYPE_ANY
        ? (added.get(ownerText(record)) ?? []).map(({ type }) => type)
        : [record.type];
    const barred = types.find((type) => !zone.may(owner, type));
    if (barred === undefined) continue;
    return refuse(RCODE_REFUSED, `the key may not change ${typeName(barred)} of ${record.name}`);
  }
  return undefined;
}

/** RFC 2136 3.4.2.2. */
function add(state: State, record: DecodedRecord): Refusal | undefined {
  const { name, rdata, type } = record;
  const owner = ownerText(record);
  // The serial is counted here: another SOA has nothing to say.
  if (type === TYPE_SOA) return undefined;
  if (SIGNS.has(type)) return refuse(RCODE_REFUSED, `${typeName(type)} is not written by anybody`);
  if (KEYS.has(type) && isApex(state.zone, owner)) {
    return refuse(RCODE_REFUSED, `${typeName(type)} says what signs the zone: not by updates`);
  }
  const written = state.zone.written(owner);
  if (type === TYPE_NS && isApex(state.zone, owner)) {
    if (written.some((each) => each.type === type && isEqual(type, each.rdata, rdata))) {
      return undefined;
    }
    return refuse(RCODE_REFUSED, 'the nameservers of the zone are in the configuration');
  }
  const steered = state.zone.steered(owner);
  const isAlias = type === TYPE_CNAME;
  if (steered.includes(type) || steered.includes(TYPE_CNAME) || (isAlias && steered.length > 0)) {
    return refuse(RCODE_REFUSED, `${name} is steered: it has no ${typeName(type)} of its own`);
  }
  const there = state.added.get(owner) ?? [];
  const others = [...typesAt(state, owner)].filter((each) => (each === TYPE_CNAME) !== isAlias);
  // Silently, for a sender cannot know.
  if (others.length > 0) return undefined;
  const same = written.filter((each) => each.type === type);
  if (same.some((each) => isEqual(type, each.rdata, rdata))) return undefined;
  const isSingle = isAlias || type === TYPE_DNAME;
  if (isSingle && same.length > 0) return isWritten(name, type);
  // Records of one name and type have one TTL (RFC 2181 5.2): that which is written, or the newest.
  const ttlSeconds = same[0]?.ttlSeconds ?? ttlOf(record);
  const known = there.find((each) => each.type === type && isEqual(type, each.rdata, rdata));
  // An update says nothing of an end: who adds what would have gone by itself wants it to stay.
  if (known?.ttlSeconds === ttlSeconds && known.isTemporary !== true) return undefined;
  const kept = there.filter((each) => each.type !== type || !(isSingle || each === known));
  const retimed = kept.map((each) => (each.type === type ? { ...each, ttlSeconds } : each));
  put(state, owner, [...retimed, { owner, type, ttlSeconds, rdata }]);
  return undefined;
}

/** Above 2^31 - 1 it means 0 (RFC 2181 8). */
const ttlOf = ({ ttlSeconds }: DecodedRecord): number =>
  ttlSeconds > TTL_SECONDS_MAX ? 0 : ttlSeconds;

/** An RRset, all RRsets of a name, or one record (RFC 2136 3.4.2.3, 3.4.2.4). */
function remove(state: State, record: DecodedRecord): Refusal | undefined {
  const { class: recordClass, name, rdata, type } = record;
  const owner = ownerText(record);
  const isMeant = (each: HeldRecord): boolean =>
    (type === TYPE_ANY || each.type === type) &&
    (recordClass === CLASS_ANY || isEqual(type, each.rdata, rdata));
  // Of all at once, those without which there is no zone stay, and nobody is told.
  const isKept = (each: HeldRecord): boolean =>
    recordClass === CLASS_ANY && each.type === TYPE_NS && isApex(state.zone, owner);
  const there = state.added.get(owner) ?? [];
  const written = state.zone.written(owner).find((each) => isMeant(each) && !isKept(each));
  if (written !== undefined) return isWritten(name, written.type);
  const steered = state.zone.steered(owner).find((each) => type === TYPE_ANY || type === each);
  if (steered !== undefined) {
    return refuse(RCODE_REFUSED, `${name} is steered: its ${typeName(steered)} cannot be removed`);
  }
  const kept = there.filter((each) => !isMeant(each));
  if (kept.length < there.length) put(state, owner, kept);
  return undefined;
}

function put(state: State, owner: string, records: readonly HeldRecord[]): void {
  if (records.length === 0) state.added.delete(owner);
  else state.added.set(owner, records);
  state.isChanged = true;
}

const isWritten = (name: string, type: number): Refusal =>
  refuse(
    RCODE_REFUSED,
    `${typeName(type)} of ${name} is in the configuration: it would be back with the next reload`,
  );

/** For messages and for keeping. */
export const dataText = ({ rdata, type }: HeldRecord): string => formatRdata(type, rdata);
