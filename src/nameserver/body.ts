/**
 * The records that steered names answer with, as wire bytes that are ready to be copied: addresses of the
 * chosen endpoints, the name that stands for one, or how its service is reached. Their owner is the
 * question (pointer 0xC00C); the TTL is set when they are copied, for it changes with every moment.
 */
import {
  CLASS_IN,
  HEADER_LENGTH,
  POINTER_BITS,
  TYPE_A,
  TYPE_AAAA,
  TYPE_CNAME,
} from '../dns/constants.ts';
import { ROOT_NAME } from '../dns/name.ts';
import { serviceRdata } from '../dns/service-parameters.ts';
import {
  findPrepared,
  hashKey,
  NOTHING_PREPARED,
  type PreparedTable,
  preparedOf,
} from './prepared.ts';
import type { Snapshot, SnapshotEndpoint, SteeringMap } from './snapshot.ts';

/** Records of one type in one answer; those of the first candidates stay. */
export const RECORDS_MAX = 64;
/** With more bodies than this, kept for reuse, all are forgotten and those in use made anew. */
export const INTERNED_BODIES_MAX = 20_000;

const RECORD_HEADER_LENGTH = 12;

export type Body = {
  readonly bytes: Uint8Array;
  /** The same, with zeros up to the end of the last word. */
  readonly words: Int32Array;
  readonly records: number;
  /** Octets of each record: all of one body have as many. */
  readonly stride: number;
  readonly type: number;
  /** Type and data as text. */
  readonly key: string;
  /** hashKey() of it. */
  readonly keyHash: number;
  /** Its RRSIG records under the names of services, as far as they were asked for or added, by service. */
  readonly signatures: Map<number, Uint8Array>;
};

/** By type and data, so that names, maps and classes with the same answer share its bytes. */
export type Bodies = {
  readonly known: Map<string, Body>;
  readonly signatures: BodySignatures;
};

export type BodySignatures = {
  /** Read or added, by a body's key, whether it is known or not yet. */
  readonly known: Map<string, Map<number, Uint8Array>>;
  /** Those that came together: each is read when it is asked for. */
  prepared: PreparedTable;
};

export function createBodySignatures(): BodySignatures {
  return { known: new Map(), prepared: NOTHING_PREPARED };
}

/** Takes over signatures instead of all that there are; bodies that are made later find theirs. */
export function replaceSignatures(signatures: BodySignatures, prepared: PreparedTable): void {
  for (const known of signatures.known.values()) known.clear();
  signatures.prepared = prepared;
}

/** Takes over some more. */
export function keepSignatures(signatures: BodySignatures, added: PreparedTable): void {
  for (const { key, records, service } of preparedOf(added)) {
    signaturesOf(signatures, key).set(service, records);
  }
}

/** The RRSIG records of a body under the name of a service; undefined = nobody has made them. */
export function bodySignature(
  { prepared }: BodySignatures,
  { key, keyHash, signatures }: Pick<Body, 'key' | 'keyHash' | 'signatures'>,
  service: number,
): Uint8Array | undefined {
  const known = signatures.get(service);
  if (known !== undefined) return known;
  const found = findPrepared(prepared, key, keyHash, service);
  if (found !== undefined) signatures.set(service, found);
  return found;
}

function signaturesOf({ known }: BodySignatures, key: string): Map<number, Uint8Array> {
  const those = known.get(key);
  if (those !== undefined) return those;
  const made = new Map<number, Uint8Array>();
  known.set(key, made);
  return made;
}

/** All, but for what has been signed. Nobody may answer with a body from before any more. */
export function forgetBodies({ known, signatures }: Bodies): void {
  known.clear();
  for (const [key, made] of signatures.known) if (made.size === 0) signatures.known.delete(key);
}

/** The data of its records. */
export function bodyRdata({ bytes, records, stride }: Body): readonly Uint8Array[] {
  return Array.from({ length: records }, (_, index) =>
    bytes.slice(index * stride + RECORD_HEADER_LENGTH, (index + 1) * stride),
  );
}

/** The records of a type for a list of endpoints; [] = the sorry addresses. */
export function bodyOf(
  bodies: Bodies,
  snapshot: Snapshot,
  map: SteeringMap,
  endpoints: readonly number[],
  type: number,
): Body {
  const rdata = rdataOf(snapshot, map, endpoints, type);
  const key = `${type} ${rdata.join(' ')}`;
  const known = bodies.known.get(key);
  if (known !== undefined) return known;
  const body = {
    ...encode(type, rdata),
    type,
    key,
    keyHash: hashKey(key),
    signatures: signaturesOf(bodies.signatures, key),
  };
  bodies.known.set(key, body);
  return body;
}

/** The data of a type that a list of endpoints answers with; [] = the sorry addresses. */
export function rdataOf(
  snapshot: Snapshot,
  map: SteeringMap,
  endpoints: readonly number[],
  type: number,
): readonly Uint8Array[] {
  const chosen = endpoints.map((endpoint) => snapshot.endpoints[endpoint]!);
  switch (type) {
    case TYPE_A:
      return addressesOf(map.sorry4, chosen, ({ v4 }) => v4);
    case TYPE_AAAA:
      return addressesOf(map.sorry6, chosen, ({ v6 }) => v6);
    case TYPE_CNAME:
      return chosen.flatMap(({ cname }) => cname ?? []).slice(0, 1);
    default:
      return service(map, chosen);
  }
}

function addressesOf(
  sorry: readonly Uint8Array[],
  endpoints: readonly SnapshotEndpoint[],
  own: (endpoint: SnapshotEndpoint) => readonly Uint8Array[],
): readonly Uint8Array[] {
  const all = endpoints.length > 0 ? endpoints.flatMap(own) : sorry;
  const distinct = new Map(all.map((address) => [address.join(' '), address]));
  return [...distinct.values()].slice(0, RECORDS_MAX);
}

/** How the first endpoint is reached, with the addresses that A and AAAA answer (RFC 9460 7.3). */
function service(map: SteeringMap, endpoints: readonly SnapshotEndpoint[]): readonly Uint8Array[] {
  const { https } = map;
  if (https === undefined) return [];
  const hint = (
    sorry: readonly Uint8Array[],
    own: (each: SnapshotEndpoint) => readonly Uint8Array[],
  ) => (https.hints ? addressesOf(sorry, endpoints, own) : []);
  const parameters = {
    alpn: endpoints[0]?.alpn ?? https.alpn,
    port: https.port,
    ipv4hint: hint(map.sorry4, ({ v4 }) => v4),
    ipv6hint: hint(map.sorry6, ({ v6 }) => v6),
  };
  return [serviceRdata(https.priority, ROOT_NAME, parameters)];
}

function encode(
  type: number,
  rdata: readonly Uint8Array[],
): Pick<Body, 'bytes' | 'words' | 'records' | 'stride'> {
  const stride = RECORD_HEADER_LENGTH + (rdata[0]?.length ?? 0);
  const length = rdata.length * stride;
  const words = new Int32Array((length + 3) >> 2);
  const bytes = new Uint8Array(words.buffer, 0, length);
  const view = new DataView(words.buffer);
  for (const [index, data] of rdata.entries()) {
    const at = index * stride;
    view.setUint16(at, (POINTER_BITS << 8) | HEADER_LENGTH);
    view.setUint16(at + 2, type);
    view.setUint16(at + 4, CLASS_IN);
    view.setUint16(at + 10, data.length);
    bytes.set(data, at + RECORD_HEADER_LENGTH);
  }
  return { bytes, words, records: rdata.length, stride };
}
