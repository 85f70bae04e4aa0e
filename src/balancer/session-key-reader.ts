import type { SessionKeySource } from '../config/affinity-config.ts';
import type { RequestHead } from '../http/head.ts';
import { parseAddress } from '../ip/address.ts';
import { networkOf } from '../ip/prefix.ts';
import type { SessionKey } from '../sessions/session-key.ts';
import { hashSessionKey } from '../sessions/session-key.ts';
import { findNamed, type ValuePlace } from './affinity-key.ts';

/** Makes the key of a request's session out of what its client shows. */
export type SessionKeyReader = {
  readonly source: SessionKeySource;
  readonly secret: Uint8Array;
  /** Of addresses that were met: their text need not be read again for each request. */
  readonly known: Map<string, SessionKey>;
};

/** Beyond it all are forgotten, which costs each of them one reading. */
export const ADDRESSES_MAX = 4096;

export const createSessionKeyReader = (
  source: SessionKeySource,
  secret: Uint8Array,
): SessionKeyReader => ({ source, secret, known: new Map() });

/**
 * Writes the key of the request's session to `out`.
 * @param address the client's
 * @returns whether the request shows what sessions are found by
 */
export function readSessionKey(
  reader: SessionKeyReader,
  head: RequestHead,
  address: string,
  out: SessionKey,
): boolean {
  const { source } = reader;
  if (source.kind === 'client') return readAddressKey(reader, address, out);
  if (!findNamed(source, head, place)) return false;
  return readValueKey(reader, head.bytes, place.start, place.end, out);
}

/** The same of a value alone. An empty one is none: all who have it would be one session. */
export function readValueKey(
  { secret }: SessionKeyReader,
  bytes: Uint8Array,
  start: number,
  end: number,
  out: SessionKey,
): boolean {
  if (start === end) return false;
  hashSessionKey(secret, bytes, start, end, out);
  return true;
}

function readAddressKey(
  { known, secret, source }: SessionKeyReader,
  text: string,
  out: SessionKey,
): boolean {
  let key = known.get(text);
  if (key === undefined) {
    const address = parseAddress(text);
    if (address === undefined || source.kind !== 'client') return false;
    const length = address.family === 4 ? source.prefix4 : source.prefix6;
    const { bytes } = networkOf(address, length).address;
    key = { high: 0, low: 0 };
    hashSessionKey(secret, bytes, 0, bytes.length, key);
    if (known.size >= ADDRESSES_MAX) known.clear();
    known.set(text, key);
  }
  out.high = key.high;
  out.low = key.low;
  return true;
}

const place: ValuePlace = { start: 0, end: 0 };
