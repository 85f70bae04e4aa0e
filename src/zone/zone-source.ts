/**
 * Zones as people wrote them, and how their text becomes octets. The configuration's validation finds most of
 * what is wrong with it earlier and with line numbers, but this is the last place before answers, and it
 * trusts nobody.
 */
import { TYPE_OPT, TYPE_SOA } from '../dns/constants.ts';
import { parseName } from '../dns/name.ts';
import { parseRdata } from '../dns/rdata/registry.ts';
import { TTL_SECONDS_MAX } from '../dns/ttl.ts';
import { typeNumber } from '../dns/type-names.ts';
import { RECORD_HEADER_LENGTH } from './compiled-zones.ts';
import type { PackedRrsets } from './packed-rrsets.ts';

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
  /** Those of its file, which was read before. */
  readonly filed?: PackedRrsets;
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

/** Longest body of one RRset in bytes: it must fit one message with its question. */
export const RRSET_BYTES_MAX = 60_000;

/** With its final dot. */
export function absolute(name: string): string {
  return name.endsWith('.') ? name : `${name}.`;
}

const SOA_NUMBER_MAX = 0xffffffff;

export type Report = (at: string, message: string) => void;

/** Rdata of the SOA. */
export function readSoa({ soa, ttl }: ZoneSource, report: Report): Uint8Array {
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
  return concat([...names, new Uint8Array(numbers.buffer)]);
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

/** SOA comes from the zone's own settings; OPT and 128 to 255 never stand in a zone (RFC 6895 3.1). */
function isData(type: number): boolean {
  return type > 0 && type !== TYPE_SOA && type !== TYPE_OPT && (type < 128 || type > 255);
}

/** An RRset in wire form. */
export type ReadRrset = {
  readonly type: number;
  readonly ttl: number;
  readonly rdata: readonly Uint8Array[];
};

/** Reads an RRset; undefined when something is wrong with it, which is reported. */
export function readRrset(
  source: RrsetSource,
  apexName: Uint8Array,
  report: Report,
): ReadRrset | undefined {
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
    const parsed = parseRdata(source.type, text, apexName);
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
  return { type, ttl: source.ttl, rdata: records };
}

/** Octets of an RRset in an answer, at most. */
export function rrsetBytes(records: readonly Uint8Array[]): number {
  return records.reduce((sum, { length }) => sum + RECORD_HEADER_LENGTH + length, 0);
}

/** Wire bytes as a string, to be a key of a map: other bytes, other string. */
function key(name: Uint8Array): string {
  return Buffer.from(name.buffer, name.byteOffset, name.length).toString('latin1');
}
