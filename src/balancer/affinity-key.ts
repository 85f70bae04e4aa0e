import type { KeySource } from '../balancing/algorithm.ts';
import { hashBytes, hashText } from '../balancing/hashing.ts';
import { bytesOf, equalsIgnoringCase, LOWER } from '../http/ascii.ts';
import { FIELD } from '../http/fields.ts';
import type { RequestHead } from '../http/head.ts';
import { parseAddress } from '../ip/address.ts';
import { networkOf } from '../ip/prefix.ts';
import type { Wire } from './wire.ts';

/**
 * The hash of what keeps a request on its server, the same on every node; 0 when the request has no such
 * thing.
 * @param address the client's, where a proxy speaks for it
 */
export function affinityKey(
  source: KeySource,
  head: RequestHead,
  client: Pick<Wire, 'remoteAddress' | 'remotePort'>,
  address = client.remoteAddress,
): number {
  const { bytes, target } = head;
  switch (source.kind) {
    case 'client':
      return clientKey(address, source.prefix4, source.prefix6);
    case 'connection':
      return used(hashText(`${client.remoteAddress} ${client.remotePort}`, SEED));
    case 'host':
      return hostKey(bytes, head.hostStart, head.hostEnd);
    case 'path':
      return used(hashBytes(bytes, target.pathStart, target.pathEnd, SEED));
    case 'uri':
      return used(hashBytes(bytes, target.pathStart, head.targetEnd, SEED));
    case 'query':
      return pairKey(bytes, target.pathEnd + 1, head.targetEnd, AMPERSAND, source.name);
    case 'header':
      return headerKey(head, source.name);
    case 'cookie':
      return cookieKey(head, source.name);
  }
}

const SEED = 3;
const EQUALS = 0x3d;
const AMPERSAND = 0x26;
const SEMICOLON = 0x3b;
const SPACE = 0x20;

/** 0 means that there is none. */
const used = (hash: number): number => hash || 1;

function clientKey(text: string, prefix4: number, prefix6: number): number {
  const address = parseAddress(text);
  if (address === undefined) return 0;
  const network = networkOf(address, address.family === 4 ? prefix4 : prefix6).address.bytes;
  return used(hashBytes(network, 0, network.length, SEED));
}

function hostKey(bytes: Uint8Array, start: number, end: number): number {
  if (start === end) return 0;
  const lower = bytes.slice(start, end).map((octet) => LOWER[octet]!);
  return used(hashBytes(lower, 0, lower.length, SEED));
}

function headerKey({ bytes, fields }: RequestHead, lowerName: string): number {
  const name = bytesOf(lowerName);
  for (let index = 0; index < fields.count; index++) {
    const [start, end] = [fields.spans[4 * index]!, fields.spans[4 * index + 1]!];
    if (!equalsIgnoringCase(bytes, start, end, name)) continue;
    return used(hashBytes(bytes, fields.spans[4 * index + 2]!, fields.spans[4 * index + 3]!, SEED));
  }
  return 0;
}

function cookieKey({ bytes, fields }: RequestHead, name: string): number {
  for (let index = 0; index < fields.count; index++) {
    if (fields.codes[index] !== FIELD.cookie) continue;
    const [start, end] = [fields.spans[4 * index + 2]!, fields.spans[4 * index + 3]!];
    const key = pairKey(bytes, start, end, SEMICOLON, name);
    if (key !== 0) return key;
  }
  return 0;
}

/** Of `name=value` among pairs with a separator between them; blanks before a name do not count. */
function pairKey(
  bytes: Uint8Array,
  start: number,
  end: number,
  separator: number,
  name: string,
): number {
  let at = start;
  while (at < end) {
    while (at < end && bytes[at] === SPACE) at++;
    let last = at;
    while (last < end && bytes[last] !== separator) last++;
    let same = 0;
    while (same < name.length && bytes[at + same] === name.charCodeAt(same)) same++;
    if (same === name.length && at + same < last && bytes[at + same] === EQUALS) {
      return used(hashBytes(bytes, at + same + 1, last, SEED));
    }
    at = last + 1;
  }
  return 0;
}
