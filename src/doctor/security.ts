import { TYPE_DNSKEY, TYPE_DS, TYPE_RRSIG } from '../dns/constants.ts';
import type { DecodedRecord } from '../dns/decode.ts';
import { readNumber } from '../dns/rdata-fields.ts';
import type { Observation, Sight } from './observation.ts';
import { recordsOf } from './reading.ts';
import { serving } from './standing.ts';

/** Rdata of DNSSEC as fields, and where the sights hold them. */

/** RFC 4034 5.1. */
export type Ds = {
  readonly tag: number;
  readonly algorithm: number;
  readonly digestType: number;
  readonly digest: Uint8Array;
};

/** RFC 4034 3.1; times in seconds since 1970, as serial numbers of 32 bits. */
export type Signature = {
  readonly typeCovered: number;
  readonly tag: number;
  readonly algorithm: number;
  readonly expiration: number;
  readonly inception: number;
};

/** DS records that any server of the parent has, each once. */
export function parentDs({ parent, zone }: Observation): readonly Ds[] {
  const records = parent.servers.flatMap(({ ds }) =>
    ds.ok ? recordsOf(ds.message.answer, zone, TYPE_DS) : [],
  );
  return distinct(records)
    .filter((rdata) => rdata.length > DS_FIXED_LENGTH)
    .map((rdata) => ({
      tag: readNumber(rdata, 0, 2),
      algorithm: rdata[2]!,
      digestType: rdata[3]!,
      digest: rdata.subarray(DS_FIXED_LENGTH),
    }));
}

/** Rdata of the DNSKEY records that any nameserver has, each once. */
export function zoneKeys(observation: Observation): readonly Uint8Array[] {
  const records = serving(observation).flatMap(({ keys }) => keysOf(keys, observation.zone));
  return distinct(records).filter((rdata) => rdata.length > DNSKEY_FIXED_LENGTH);
}

/** DNSKEY records of one reply. */
export function keysOf(sight: Sight, zone: string): readonly DecodedRecord[] {
  return sight.ok ? recordsOf(sight.message.answer, zone, TYPE_DNSKEY) : [];
}

/** Signatures at the apex in the answer of one reply. */
export function signaturesOf(sight: Sight, zone: string): readonly Signature[] {
  if (!sight.ok) return [];
  return recordsOf(sight.message.answer, zone, TYPE_RRSIG)
    .map(({ rdata }) => rdata)
    .filter((rdata) => rdata.length > RRSIG_FIXED_LENGTH)
    .map((rdata) => ({
      typeCovered: readNumber(rdata, 0, 2),
      algorithm: rdata[2]!,
      expiration: readNumber(rdata, 8, 4),
      inception: readNumber(rdata, 12, 4),
      tag: readNumber(rdata, 16, 2),
    }));
}

const DS_FIXED_LENGTH = 4;
const DNSKEY_FIXED_LENGTH = 4;
const RRSIG_FIXED_LENGTH = 18;

function distinct(records: readonly DecodedRecord[]): readonly Uint8Array[] {
  const byText = new Map(
    records.map(({ rdata }) => [Buffer.from(rdata).toString('base64'), rdata]),
  );
  return [...byText.values()];
}
