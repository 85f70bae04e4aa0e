import { WRITE_BATCH_MAX } from './session-directory.ts';

/**
 * Sessions as nodes hand them on through Redis, in octets, most significant first:
 *
 *     key     8  the 64 bits of the session key
 *     server  4  first half of the server's id
 *     expiry  4  seconds since 1970
 *
 * Buckets: the first `bucketBits` of a key choose the hash that the session lies in; its field there is the key's
 * last six octets, so that with 16 bits and more nothing of the key is lost. The value is server and expiry.
 * Both are so short that Redis keeps the whole hash as one piece of memory, 18 octets a session.
 */
export const KEY_OCTETS = 8;
export const VALUE_OCTETS = 8;
/** Where in the key its field begins. */
export const FIELD_START = 2;

/** One session of a reply or a notice. */
export type SessionRecord = {
  readonly high: number;
  readonly low: number;
  readonly server: number;
  readonly expiresSeconds: number;
};

export const BUCKET_BITS_MIN = 16;
export const BUCKET_BITS_MAX = 22;
/** How full a bucket is when there are as many sessions as there are meant to be: 64 to 128. */
const SESSIONS_PER_BUCKET = 128;

/**
 * How many sessions the table of all nodes is made for. With fewer each takes more room, but all buckets together never
 * more than some 15 MiB; with seven times as many the buckets are full.
 */
export const SHARED_SESSIONS = 10_000_000;

/** All nodes have to say the same: they would look in different places. */
export function bucketBitsFor(sessionsMax: number): number {
  const bits = Math.ceil(Math.log2(Math.max(1, sessionsMax / SESSIONS_PER_BUCKET)));
  return Math.min(BUCKET_BITS_MAX, Math.max(BUCKET_BITS_MIN, bits));
}

export const bucketOf = (high: number, bucketBits: number): number => high >>> (32 - bucketBits);

export function keyOctets(high: number, low: number): Buffer {
  const octets = Buffer.allocUnsafe(KEY_OCTETS);
  octets.writeUInt32BE(high, 0);
  octets.writeUInt32BE(low, 4);
  return octets;
}

export function valueOctets(server: number, expiresSeconds: number): Buffer {
  const octets = Buffer.allocUnsafe(VALUE_OCTETS);
  octets.writeUInt32BE(server, 0);
  octets.writeUInt32BE(expiresSeconds, 4);
  return octets;
}

/** Undefined when something else wrote it: Redis is open to others. */
export function parseValue(
  value: unknown,
): { readonly server: number; readonly expiresSeconds: number } | undefined {
  if (!Buffer.isBuffer(value) || value.length !== VALUE_OCTETS) return undefined;
  const server = value.readUInt32BE(0);
  return server === 0 ? undefined : { server, expiresSeconds: value.readUInt32BE(4) };
}

/** Sessions in one notice at most: a batch may move all that it writes. */
export const NOTICE_RECORDS_MAX = WRITE_BATCH_MAX;
const RECORD_DIGITS = 2 * (KEY_OCTETS + VALUE_OCTETS);

/**
 * A notice of sessions that have moved to other servers: records one after the other, in hexadecimal digits.
 * The channel is open to everybody whom the server lets publish: anything else is undefined.
 */
export function parseMoves(message: string): readonly SessionRecord[] | undefined {
  const count = message.length / RECORD_DIGITS;
  if (!Number.isInteger(count) || count < 1 || count > NOTICE_RECORDS_MAX) return undefined;
  if (!/^[0-9a-f]+$/.test(message)) return undefined;
  const octets = Buffer.from(message, 'hex');
  const records: SessionRecord[] = [];
  for (let at = 0; at < octets.length; at += KEY_OCTETS + VALUE_OCTETS) {
    const server = octets.readUInt32BE(at + 8);
    if (server === 0) return undefined;
    records.push({
      high: octets.readUInt32BE(at),
      low: octets.readUInt32BE(at + 4),
      server,
      expiresSeconds: octets.readUInt32BE(at + 12),
    });
  }
  return records;
}
