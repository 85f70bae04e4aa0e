/**
 * A validator for answers of our own zones, written from RFC 4035 5 and RFC 9824 and from nothing of the code that
 * makes them but the check of one signature.
 */
import type { DecodedMessage, DecodedRecord } from '../../src/dns/decode.ts';
import { verifyRrset } from '../../src/dns/dnssec/sign.ts';
import {
  compareNames,
  equalNames,
  isSubdomain,
  labelCount,
  lowerName,
  nameLength,
  parentName,
  parseName,
} from '../../src/dns/name.ts';

const [NS, CNAME, SOA, DNAME, DS, RRSIG, NSEC, NXNAME, ANY] = [
  2, 5, 6, 39, 43, 46, 47, 128, 255,
] as const;

/** DNSKEY rdata of our zones; undefined = it is not signed. */
export type Zones = ReadonlyMap<string, Uint8Array | undefined>;

/** What is wrong with the answer; [] = nothing. */
export function faultsOf(message: DecodedMessage, zones: Zones): readonly string[] {
  const faults: string[] = [];
  const expanded: Uint8Array[] = [];
  for (const section of [message.answer, message.authority]) {
    for (const rrset of rrsetsOf(section)) {
      const fault = faultOf(rrset, section, zones, expanded);
      if (fault !== undefined) faults.push(`${rrset[0]!.name} ${rrset[0]!.type}: ${fault}`);
    }
  }
  const nsecs = message.authority
    .filter(({ type }) => type === NSEC)
    .map((each) => ({ ...readNsec(each), signer: signerOf(each, message.authority) }));
  for (const name of expanded) {
    const apex = zoneOf(name, zones)?.apex;
    const isProof = (nsec: Proof): boolean =>
      nsec.signer !== undefined && apex !== undefined && equalNames(nsec.signer, apex);
    if (!nsecs.some((nsec) => isProof(nsec) && covers(nsec, name)))
      faults.push('a wildcard without its proof');
  }
  return [...faults, ...denialFaults(message, nsecs, zones)];
}

function rrsetsOf(section: readonly DecodedRecord[]): readonly (readonly DecodedRecord[])[] {
  const found = new Map<string, DecodedRecord[]>();
  for (const record of section) {
    if (record.type === RRSIG) continue;
    const key = `${record.name.toLowerCase()} ${record.type}`;
    found.set(key, [...(found.get(key) ?? []), record]);
  }
  return [...found.values()];
}

function faultOf(
  rrset: readonly DecodedRecord[],
  section: readonly DecodedRecord[],
  zones: Zones,
  expanded: Uint8Array[],
): string | undefined {
  const [{ name, ttlSeconds, type }] = rrset as [DecodedRecord];
  const owner = parseName(name)!;
  if (type === CNAME && section.some((each) => isMadeBy(each, owner))) return undefined;
  const isReferral =
    type === NS && !section.some((each) => each.type === SOA) && isBelow(owner, zones);
  // What a parent says of a zone below: there are servers, and no SOA.
  const types = type === NSEC ? readNsec(rrset[0]!).types : [];
  const isOfParent = type === DS || isReferral || (types.includes(NS) && !types.includes(SOA));
  const zone = zoneOf(isOfParent ? parentName(owner)! : owner, zones);
  const rrsigs = section.filter(
    (each) => each.type === RRSIG && sameName(each.name, name) && typeCovered(each) === type,
  );
  if (isReferral && rrsigs.length === 0) return undefined;
  if (zone === undefined) return rrsigs.length === 0 ? undefined : 'signed, in no signed zone';
  if (rrsigs.length === 0) return 'no signature';
  for (const rrsig of rrsigs) {
    if (rrsig.ttlSeconds !== ttlSeconds) return 'a signature has another TTL';
    const labels = rrsig.rdata[3]!;
    const own = labelCount(owner) - (owner[0] === 1 && owner[1] === 0x2a ? 1 : 0);
    if (labels > own) return 'a signature of too many labels';
    if (labels < own) expanded.push(lowerName(owner));
    const source = labels < own ? wildcardOf(owner, labels) : owner;
    const data = { owner: source, type, ttlSeconds, rdata: rrset.map(({ rdata }) => rdata) };
    if (!equalNames(signerName(rrsig), zone.apex)) return 'signed by another zone';
    if (!isSigned(data, rrsig.rdata, zone.dnskey)) return 'a signature that is none';
    const original = new DataView(rrsig.rdata.buffer, rrsig.rdata.byteOffset + 4, 4).getUint32(0);
    if (original < ttlSeconds) return 'a TTL beyond what was signed';
  }
  return undefined;
}

/** The same few RRsets come in answer after answer, and to verify one is most of what an answer costs here. */
function isSigned(rrset: Parameters<typeof verifyRrset>[0], rrsig: Uint8Array, dnskey: Uint8Array) {
  const octets = [dnskey, rrsig, rrset.owner, ...rrset.rdata];
  const key = `${rrset.type} ${octets.map((each) => Buffer.from(each).toString('base64')).join(' ')}`;
  const known = verified.get(key) ?? verifyRrset(rrset, rrsig, dnskey);
  verified.set(key, known);
  return known;
}
const verified = new Map<string, boolean>();

/** What RFC 4035 5.4 wants of an answer that says no, and RFC 9824 of a compact one. */
function denialFaults(
  { answer, authority, question, rcode }: DecodedMessage,
  allNsecs: readonly Proof[],
  zones: Zones,
): readonly string[] {
  const { name, type } = question[0]!;
  const follows = type !== CNAME && type !== ANY && type !== RRSIG;
  const at = lastName(parseName(name)!, follows ? answer : []);
  const isReferral = authority.some((each) => each.type === NS);
  if (isReferral) return referralFaults(authority, allNsecs, zones);
  const zone = zoneOf(type === DS ? (parentName(at) ?? at) : at, zones);
  if (zone === undefined) return [];
  const nsecs = allNsecs.filter(({ signer }) => signer && equalNames(signer, zone.apex));
  const isAnswered = answer.some(
    (each) => equalNames(parseName(each.name)!, at) && each.type !== (type === RRSIG ? -1 : RRSIG),
  );
  if (isAnswered || (rcode !== 0 && rcode !== 3)) return [];
  const own = nsecs.find(({ owner }) => equalNames(owner, at));
  if (own !== undefined) {
    if (own.types.includes(NXNAME)) return own.types.length === 3 ? [] : ['NXNAME beside types'];
    if (own.types.includes(type) || own.types.includes(CNAME))
      return ['the proof says it is there'];
    return rcode === 3 ? ['NXDOMAIN for a name that is there'] : [];
  }
  const covering = nsecs.find((nsec) => covers(nsec, at));
  if (covering === undefined) return ['no proof of the name'];
  if (isSubdomain(covering.next, at)) return rcode === 0 ? [] : ['NXDOMAIN for an empty name'];
  const encloser = closestEncloser(at, covering);
  const wildcard = Uint8Array.of(1, 0x2a, ...encloser);
  const ofWildcard = nsecs.find(({ owner }) => equalNames(owner, wildcard));
  if (ofWildcard !== undefined) {
    return rcode === 0 && !ofWildcard.types.includes(type) ? [] : ['the wildcard has it'];
  }
  return nsecs.some((nsec) => covers(nsec, wildcard)) ? [] : ['no proof of no wildcard'];
}

function referralFaults(
  authority: readonly DecodedRecord[],
  nsecs: readonly Nsec[],
  zones: Zones,
): readonly string[] {
  const cut = parseName(authority.find(({ type }) => type === NS)!.name)!;
  if (zoneOf(parentName(cut)!, zones) === undefined) return [];
  if (authority.some(({ type }) => type === DS)) return [];
  const own = nsecs.find(({ owner }) => equalNames(owner, cut));
  const isProved = own?.types.includes(NS) && !own.types.includes(DS) && !own.types.includes(SOA);
  return isProved ? [] : ['a referral without proof'];
}

/** A zone says nothing about the names of another. */
type Proof = Nsec & { readonly signer: Uint8Array | undefined };

function signerOf({ name }: DecodedRecord, section: readonly DecodedRecord[]) {
  const rrsig = section.find(
    (each) => each.type === RRSIG && sameName(each.name, name) && typeCovered(each) === NSEC,
  );
  return rrsig && signerName(rrsig);
}

const signerName = ({ rdata }: DecodedRecord): Uint8Array =>
  rdata.subarray(18, 18 + nameLength(rdata, 18, rdata.length));

type Nsec = { readonly owner: Uint8Array; readonly next: Uint8Array; readonly types: number[] };

function readNsec({ name, rdata }: DecodedRecord): Nsec {
  const end = nameLength(rdata, 0, rdata.length);
  const types: number[] = [];
  for (let at = end; at < rdata.length; at += 2 + rdata[at + 1]!) {
    for (let bit = 0; bit < rdata[at + 1]! * 8; bit += 1) {
      if ((rdata[at + 2 + (bit >> 3)]! & (0x80 >> (bit & 7))) !== 0)
        types.push(rdata[at]! * 256 + bit);
    }
  }
  return { owner: lowerName(parseName(name)!), next: lowerName(rdata.subarray(0, end)), types };
}

/** Strictly between; the last record's next is the apex. */
function covers({ next, owner }: Nsec, name: Uint8Array): boolean {
  const isLast = compareNames(next, owner) <= 0;
  const isAfter = compareNames(owner, name) < 0;
  return isAfter && (isLast || compareNames(name, next) < 0);
}

/** The longest ancestor that the covering record shows to be there (RFC 5155 7.2.1 has the same rule). */
function closestEncloser(name: Uint8Array, { next, owner }: Nsec): Uint8Array {
  for (let at = parentName(name)!; ; at = parentName(at)!) {
    if (isSubdomain(owner, at) || isSubdomain(next, at)) return at;
  }
}

function lastName(asked: Uint8Array, answer: readonly DecodedRecord[]): Uint8Array {
  let at = asked;
  for (let steps = 0; steps < 20; steps += 1) {
    const alias = answer.find(
      (each) => each.type === CNAME && equalNames(parseName(each.name)!, at),
    );
    if (alias === undefined) return lowerName(at);
    at = parseName(alias.text)!;
  }
  return lowerName(at);
}

const isMadeBy = ({ name, type }: DecodedRecord, owner: Uint8Array): boolean => {
  const dname = parseName(name)!;
  return type === DNAME && owner.length > dname.length && isSubdomain(owner, dname);
};

const isBelow = (owner: Uint8Array, zones: Zones): boolean =>
  ![...zones.keys()].some((zone) => equalNames(owner, parseName(`${zone}.`)!));

/** The longest of our zones that has the name, if it is signed. */
function zoneOf(name: Uint8Array, zones: Zones) {
  const [found] = [...zones]
    .map(([zone, dnskey]) => ({ apex: parseName(`${zone}.`)!, dnskey }))
    .filter(({ apex }) => isSubdomain(name, apex))
    .sort((a, b) => b.apex.length - a.apex.length);
  return found?.dnskey && { apex: found.apex, dnskey: found.dnskey };
}

function wildcardOf(owner: Uint8Array, labels: number): Uint8Array {
  let at = owner;
  while (labelCount(at) > labels) at = parentName(at)!;
  return Uint8Array.of(1, 0x2a, ...at);
}

const sameName = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();
const typeCovered = ({ rdata }: DecodedRecord): number => rdata[0]! * 256 + rdata[1]!;
