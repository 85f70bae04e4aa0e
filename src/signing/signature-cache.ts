import { createHash } from 'node:crypto';
import { CLASS_IN, HEADER_LENGTH, POINTER_BITS, TYPE_RRSIG } from '../dns/constants.ts';
import { canonicalRecords, type Rrset } from '../dns/dnssec/canonical.ts';
import type { ZoneKey } from '../dns/dnssec/keys.ts';
import { signRrset, type Validity } from '../dns/dnssec/sign.ts';
import { isDue, type SigningTimes, validityAt } from '../dns/dnssec/validity.ts';

/**
 * Signatures that were made, by what they are of and by whom. What is asked for again is not signed again
 * until it is due; what nobody asked for in a long while is forgotten.
 */
export type SignatureCache = {
  /** RRSIG records of the RRset, one for each key, their owner a pointer to the question. */
  sign(rrset: Rrset, zone: SigningZone, keys: readonly ZoneKey[], nowSeconds: number): Uint8Array;
  /** Keeps so many from now on, those that were asked for last. */
  keep(max: number): void;
  /** Signatures that were made since the cache is there. */
  made(): number;
  /** That it holds: never more than twice as many as it is to keep. */
  size(): number;
};

export type SigningZone = { readonly apex: Uint8Array; readonly times: SigningTimes };

type Made = { readonly records: Uint8Array; readonly validity: Validity };

export const RECORD_HEADER_LENGTH = 12;

/** @param first signatures that are kept, those that were asked for last */
export function createSignatureCache(first: number): SignatureCache {
  let max = first;
  let young = new Map<string, Made>();
  let old = new Map<string, Made>();
  let count = 0;
  const keep = (key: string, made: Made): void => {
    if (young.size >= max) [old, young] = [young, new Map()];
    young.set(key, made);
  };
  const signOne = (rrset: Rrset, zone: SigningZone, key: ZoneKey, nowSeconds: number) => {
    const digest = createHash('sha256').update(key.dnskey).update(canonicalRecords(rrset)).digest();
    const name = digest.toString('latin1');
    const known = young.get(name) ?? old.get(name);
    if (known !== undefined && !isDue(known.validity, nowSeconds, zone.times)) {
      if (!young.has(name)) keep(name, known);
      return known.records;
    }
    const draw = digest.readUInt32BE(0) / 2 ** 32;
    const validity = validityAt(nowSeconds, draw, zone.times);
    const rrsig = signRrset(rrset, zone.apex, key, validity);
    const records = recordBytes(TYPE_RRSIG, rrset.ttlSeconds, rrsig);
    count += 1;
    keep(name, { records, validity });
    return records;
  };
  return {
    keep(next) {
      max = next;
    },
    made: () => count,
    size: () => young.size + old.size,
    sign(rrset, zone, keys, nowSeconds) {
      const [first, ...others] = keys.map((key) => signOne(rrset, zone, key, nowSeconds));
      return others.length === 0 ? first! : new Uint8Array(Buffer.concat([first!, ...others]));
    },
  };
}

/** A record whose owner is the question's name. */
export function recordBytes(type: number, ttlSeconds: number, rdata: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(RECORD_HEADER_LENGTH + rdata.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, (POINTER_BITS << 8) | HEADER_LENGTH);
  view.setUint16(2, type);
  view.setUint16(4, CLASS_IN);
  view.setUint32(6, ttlSeconds);
  view.setUint16(10, rdata.length);
  bytes.set(rdata, RECORD_HEADER_LENGTH);
  return bytes;
}
