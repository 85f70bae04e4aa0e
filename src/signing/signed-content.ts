/**
 * A zone's records as secondaries copy them, with a whole chain of NSEC records and all signatures: a copy
 * cannot sign what it is asked for, so it has the chain whatever the zone itself answers with.
 */
import { TYPE_DS, TYPE_NS, TYPE_NSEC, TYPE_RRSIG } from '../dns/constants.ts';
import { nsecRdata } from '../dns/dnssec/denial.ts';
import { type Validity, validityOf } from '../dns/dnssec/sign.ts';
import { equalNames, isSubdomain, lowerName } from '../dns/name.ts';
import {
  type ContentRecord,
  packContent,
  recordsOf,
  type ZoneContent,
} from '../zone/zone-content.ts';
import type { ZoneRing } from './key-ring.ts';
import { keysFor, PRESIGN_STEP } from './presign.ts';
import { RECORD_HEADER_LENGTH, type SignatureCache } from './signature-cache.ts';

type Owner = {
  readonly name: Uint8Array;
  readonly isCut: boolean;
  readonly rrsets: readonly (readonly ContentRecord[])[];
};

export type SignedContent = {
  /** With its chain and signatures. */
  readonly signed: ZoneContent;
  /** From when to when all of them are good. */
  readonly validity: Validity;
};

/** Yields after every few RRsets. */
export function* signContent(
  content: ZoneContent,
  keys: ZoneRing,
  cache: SignatureCache,
  nowSeconds: number,
): Generator<void, SignedContent> {
  const { apex, soa } = content;
  const added: ContentRecord[] = [];
  const owners = authoritativeOwners(content);
  const minimum = new DataView(soa.rdata.buffer, soa.rdata.byteOffset + soa.rdata.length - 4, 4);
  const negativeTtl = Math.min(soa.ttlSeconds, minimum.getUint32(0));
  let count = 0;
  for (const [index, { isCut, name, rrsets }] of owners.entries()) {
    const next = owners[(index + 1) % owners.length]!.name;
    const types = rrsets.map(([first]) => first!.type);
    const rdata = nsecRdata(next, [...types, TYPE_RRSIG, TYPE_NSEC]);
    const nsec = { owner: name, type: TYPE_NSEC, ttlSeconds: negativeTtl, rdata };
    added.push(nsec);
    for (const rrset of [...rrsets, [nsec]]) {
      const { ttlSeconds, type } = rrset[0]!;
      if (isCut && type === TYPE_NS) continue;
      const data = { owner: name, type, ttlSeconds, rdata: rrset.map((each) => each.rdata) };
      const signatures = cache.sign(data, keys, keysFor(keys, type), nowSeconds);
      added.push(...rrsigs(signatures, name, ttlSeconds));
      count += 1;
      if (count % PRESIGN_STEP === 0) yield;
    }
  }
  const signed = packContent(apex, soa, [...recordsOf(content), ...added]);
  return { signed, validity: commonValidity(added) };
}

function commonValidity(records: readonly ContentRecord[]): Validity {
  let [inception, expiration] = [0, Number.POSITIVE_INFINITY];
  for (const { rdata, type } of records) {
    if (type !== TYPE_RRSIG) continue;
    const validity = validityOf(rdata);
    inception = Math.max(inception, validity.inception);
    expiration = Math.min(expiration, validity.expiration);
  }
  return { inception, expiration };
}

/** In canonical order; glue is nobody's to sign (RFC 4035 2.2). */
function authoritativeOwners(content: ZoneContent): readonly Owner[] {
  const { apex, soa } = content;
  const owners: Owner[] = [];
  let cut: Uint8Array | undefined;
  for (const records of byOwner([soa, ...recordsOf(content)])) {
    const name = lowerName(records[0]!.owner);
    if (cut !== undefined && isSubdomain(name, cut)) continue;
    const isApex = equalNames(name, apex);
    const isCut = !isApex && records.some(({ type }) => type === TYPE_NS);
    if (isCut) cut = name;
    const known = isCut
      ? records.filter(({ type }) => type === TYPE_NS || type === TYPE_DS)
      : records;
    const types = [...new Set(known.map(({ type }) => type))];
    const rrsets = types.map((type) => known.filter((each) => each.type === type));
    owners.push({ name, isCut, rrsets });
  }
  return owners;
}

function* byOwner(records: readonly ContentRecord[]): Generator<readonly ContentRecord[]> {
  let gathered: ContentRecord[] = [];
  for (const record of records) {
    const [first] = gathered;
    if (first !== undefined && !equalNames(first.owner, record.owner)) {
      yield gathered;
      gathered = [];
    }
    gathered.push(record);
  }
  if (gathered.length > 0) yield gathered;
}

/** Records that the cache keeps for answers, as records of a zone. */
function rrsigs(bytes: Uint8Array, owner: Uint8Array, ttlSeconds: number): ContentRecord[] {
  const found: ContentRecord[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = (bytes[at + 10]! << 8) | bytes[at + 11]!;
    const start = at + RECORD_HEADER_LENGTH;
    at = start + length;
    found.push({ owner, type: TYPE_RRSIG, ttlSeconds, rdata: bytes.subarray(start, at) });
  }
  return found;
}
