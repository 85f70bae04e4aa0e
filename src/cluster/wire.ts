import { createByteReader, createByteWriter } from './bytes.ts';
import { CODECS, KINDS, STATEMENT_BUCKETS, TAGS } from './wire-codecs.ts';

/**
 * What nodes tell each other, as bytes: a frame is a list of records, each with its kind and length,
 * so that a node passes over what a newer one says. The same frames travel in datagrams between nodes
 * and as values in the store. There are no times of day in it, only ages at the moment of sending
 * (but for the wall clock in a pong, which is what is asked for).
 */
export type WireRecord =
  | VantageRecord
  | StatementRecord
  | ReportRecord
  | NeedRecord
  | BucketRecord
  | FactRecord
  | DigestRecord
  | NodeRecord
  | HeldRecord
  | OutliveRecord
  | PingRecord
  | PongRecord;

/** A vantage point lives. `digest` is over all its current statements (statementHash). */
export type VantageRecord = {
  readonly kind: 'vantage';
  readonly vantage: string;
  readonly group: string;
  readonly incarnation: number;
  /** Counts the signs of life: one that comes late, by another way, says nothing new. */
  readonly beat: number;
  /** The number of its latest statement. */
  readonly seq: number;
  readonly digest: number;
  readonly trusted: boolean;
  readonly reason: string;
};

export type StatementRecord = {
  readonly kind: 'statement';
  readonly vantage: string;
  readonly incarnation: number;
  /** Said again with the same number it only brings a later observation. */
  readonly seq: number;
  readonly key: string;
  /** It no longer speaks of the target; the rest means nothing then. */
  readonly withdrawn: boolean;
  readonly verdict: 'unknown' | 'up' | 'down';
  readonly slow: boolean;
  readonly failing: boolean;
  readonly leaseMs: number;
  readonly secondsToChange: number;
  readonly sinceAgeMs: number;
  readonly reason: string;
  readonly last: {
    readonly ageMs: number;
    readonly ok: boolean;
    readonly rttMs: number;
    readonly reason: string;
    /** '' when there is none. */
    readonly warning: string;
  };
};

export type ReportRecord = {
  readonly kind: 'report';
  readonly node: string;
  /** Of the node, and the number of the report in that life: the later one counts. */
  readonly incarnation: number;
  readonly beat: number;
  readonly region: string;
  readonly address: string;
  readonly port: number;
  readonly ready: boolean;
  readonly reason: string;
  readonly serversUsable: number;
  readonly serversTotal: number;
  readonly requestsPerSecond: number;
  readonly active: number;
  readonly leaseMs: number;
};

/** Asks for the statements of a vantage point that are newer than `since`, in buckets that differ. */
export type NeedRecord = {
  readonly kind: 'need';
  readonly vantage: string;
  readonly since: number;
  /** What the asker holds, one digest per bucket; empty = nothing. */
  readonly digests: readonly number[];
};

/** What was needed in one bucket has been said again; this is the digest over all of the bucket. */
export type BucketRecord = {
  readonly kind: 'bucket';
  readonly vantage: string;
  readonly incarnation: number;
  readonly bucket: number;
  readonly digest: number;
};

/** A durable fact as fact.ts writes it, without its key. */
export type FactRecord = { readonly kind: 'fact'; readonly key: string; readonly text: string };

/** What a node holds of durable facts, to be compared (replica.ts). */
export type DigestRecord = { readonly kind: 'digest'; readonly text: string };

/** A node of itself, as JSON. */
export type NodeRecord = { readonly kind: 'node'; readonly text: string };

/** A judgement held against undecided votes. */
export type HeldRecord = {
  readonly kind: 'held';
  readonly id: string;
  readonly health: 'up' | 'down';
  readonly ageMs: number;
};

/** Tells a node that a later life of its vantage point is known than the one that it speaks in. */
export type OutliveRecord = {
  readonly kind: 'outlive';
  readonly vantage: string;
  readonly incarnation: number;
};

/** Comes back as it is, in a pong. */
export type PingRecord = { readonly kind: 'ping'; readonly token: number };

/** `wallMs` is the wall clock of who answers; 0 = not told. */
export type PongRecord = {
  readonly kind: 'pong';
  readonly token: number;
  readonly wallMs: number;
};

/** Most that a frame holds: what fits a datagram on every path (IPv6's least MTU, less headers and seal). */
export const FRAME_BYTES_MAX = 1180;
/** Records of one frame that are read. */
const RECORDS_MAX = 100_000;

/**
 * Frames of at most FRAME_BYTES_MAX bytes each that hold all records in order. A record whose names
 * or texts are too long to be told is left out: half of a name is another name.
 */
export function encodeFrames(records: readonly WireRecord[]): Uint8Array[] {
  const frames: Uint8Array[] = [];
  let parts: Uint8Array[] = [];
  let length = 0;
  const close = (): void => {
    if (parts.length > 0) frames.push(Buffer.concat(parts));
    parts = [];
    length = 0;
  };
  for (const record of records) {
    const bytes = encodeRecord(record);
    if (bytes === undefined) continue;
    if (length + bytes.length > FRAME_BYTES_MAX) close();
    parts.push(bytes);
    length += bytes.length;
  }
  close();
  return frames;
}

function encodeRecord(record: WireRecord): Uint8Array | undefined {
  const writer = createByteWriter();
  CODECS[record.kind].write(writer, record as never);
  const payload = writer.bytes();
  if (payload === undefined) return undefined;
  const head = createByteWriter(8);
  head.byte(TAGS[record.kind]);
  head.number(payload.length);
  const bytes = Buffer.concat([head.bytes()!, payload]);
  return bytes.length <= FRAME_BYTES_MAX ? bytes : undefined;
}

/**
 * The records of a frame; undefined when it is not one. Records that are not known here, or not
 * understood, are left out: a newer version may say more than this one.
 */
export function decodeFrame(bytes: Uint8Array): readonly WireRecord[] | undefined {
  const reader = createByteReader(bytes);
  const records: WireRecord[] = [];
  for (let count = 0; !reader.done(); count += 1) {
    const tag = reader.byte();
    const length = reader.number();
    const payload = length === undefined ? undefined : reader.take(length);
    if (tag === undefined || payload === undefined || count >= RECORDS_MAX) return undefined;
    const kind = KINDS.get(tag);
    const record = kind && CODECS[kind].read(createByteReader(payload));
    if (record !== undefined) records.push(record);
  }
  return records;
}

/** One statement's part of a digest, which is the exclusive or of all of them. */
export function statementHash(key: string, seq: number): number {
  return mix(keyHash(key) ^ mix(seq >>> 0) ^ Math.floor(seq / 2 ** 32));
}

/** The part of a vantage point's statements that a key belongs to. */
export function statementBucket(key: string): number {
  return mix(keyHash(key)) % STATEMENT_BUCKETS;
}

/** FNV-1a over UTF-16 units. */
function keyHash(key: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index += 1) {
    hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  }
  return hash;
}

/** MurmurHash3's last step: one bit in changes half of the bits out. */
function mix(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
