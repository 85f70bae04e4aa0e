import { TYPE_A, TYPE_AAAA, TYPE_NS, TYPE_SOA } from '../dns/constants.ts';
import type { DecodedMessage, DecodedRecord } from '../dns/decode.ts';
import { isSubdomain, nameLength, parseName } from '../dns/name.ts';
import { readNumber } from '../dns/rdata-fields.ts';
import { parseAddress } from '../ip/address.ts';
import type { Sight } from './observation.ts';

/** Reading of replies: which records of them the checks go by. */

/** Records of the owner and type, the owner's case ignored. */
export function recordsOf(
  records: readonly DecodedRecord[],
  owner: string,
  type: number,
): readonly DecodedRecord[] {
  return records.filter((one) => one.type === type && one.name.toLowerCase() === owner);
}

/** Names of nameservers in NS records, sorted. */
export function namesOf(records: readonly DecodedRecord[]): readonly string[] {
  return [...new Set(records.map(({ text }) => text.toLowerCase()))].sort();
}

/** Addresses of all A and AAAA records, of one owner if it is given; sorted. */
export function addressesOf(records: readonly DecodedRecord[], owner?: string): readonly string[] {
  const texts = records
    .filter(({ type }) => type === TYPE_A || type === TYPE_AAAA)
    .filter(({ name }) => owner === undefined || name.toLowerCase() === owner)
    .map(({ text }) => text)
    .filter((text) => parseAddress(text) !== undefined);
  return [...new Set(texts)].sort();
}

/** NS records that a server of the zone gives for it. */
export function ownNameservers(sight: Sight, zone: string): readonly DecodedRecord[] {
  return sight.ok ? recordsOf(sight.message.answer, zone, TYPE_NS) : [];
}

/** What a server of the parent says about the delegation. */
export type Referral =
  | {
      readonly kind: 'delegated';
      readonly records: readonly DecodedRecord[];
      /** The server serves the zone too, so that it answers by the zone's own records. */
      readonly isAnswer: boolean;
      readonly glue: ReadonlyMap<string, readonly string[]>;
    }
  /** It refers to another zone than was asked for. */
  | { readonly kind: 'elsewhere'; readonly zone: string }
  | { readonly kind: 'none' };

/** Reads the reply to a question for the zone's NS (RFC 1034 4.3.2, step 3b). */
export function readReferral(message: DecodedMessage, zone: string): Referral {
  const answered = recordsOf(message.answer, zone, TYPE_NS);
  const referred = recordsOf(message.authority, zone, TYPE_NS);
  const records = answered.length > 0 ? answered : referred;
  if (records.length > 0) {
    const glue = new Map(
      namesOf(records).map((name) => [name, addressesOf(message.additional, name)]),
    );
    return { kind: 'delegated', records, isAnswer: answered.length > 0, glue };
  }
  const other = message.authority.find(({ type }) => type === TYPE_NS);
  return other === undefined || message.authoritative
    ? { kind: 'none' }
    : { kind: 'elsewhere', zone: other.name.toLowerCase() };
}

/** The fields of SOA that matter to others (RFC 1035 3.3.13, RFC 2308 4); seconds, and the record's TTL. */
export type Soa = {
  readonly serial: number;
  readonly minimum: number;
  readonly ttlSeconds: number;
};

/** The zone's SOA among the records; undefined when there is none, or a broken one. */
export function soaIn(records: readonly DecodedRecord[], zone: string): Soa | undefined {
  const [record] = recordsOf(records, zone, TYPE_SOA);
  if (record === undefined) return undefined;
  const { rdata, ttlSeconds } = record;
  const primary = nameLength(rdata, 0, rdata.length);
  const contact = primary < 0 ? -1 : nameLength(rdata, primary, rdata.length);
  const at = primary + contact;
  if (contact < 0 || rdata.length !== at + SOA_NUMBERS_LENGTH) return undefined;
  return {
    serial: readNumber(rdata, at, 4),
    minimum: readNumber(rdata, at + SOA_NUMBERS_LENGTH - 4, 4),
    ttlSeconds,
  };
}

/** Serial, refresh, retry, expire and minimum. */
const SOA_NUMBERS_LENGTH = 20;

/** Whether the name is the zone's own or lies in it. */
export function isInZone(name: string, zone: string): boolean {
  const [inner, outer] = [parseName(name), parseName(zone)];
  return inner !== undefined && outer !== undefined && isSubdomain(inner, outer);
}
