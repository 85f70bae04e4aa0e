import type { KeySource } from '../balancing/algorithm.ts';
import { hashBytes, hashText } from '../balancing/hashing.ts';
import { LOWER } from '../http/ascii.ts';
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
    case 'header':
    case 'cookie':
      if (!findNamed(source, head, place)) return 0;
      return used(hashBytes(bytes, place.start, place.end, SEED));
  }
}

/** Where in the head a value lies. */
export type ValuePlace = { start: number; end: number };

/** The place of the first parameter, header or cookie of this name. @returns whether there is one */
export function findNamed(
  { kind, name }: Extract<KeySource, { name: string }>,
  head: RequestHead,
  found: ValuePlace,
): boolean {
  const { bytes, fields, target } = head;
  if (kind === 'query') {
    return findPair(bytes, target.pathEnd + 1, head.targetEnd, AMPERSAND, name, found);
  }
  if (kind === 'header') return findHeader(head, name, found);
  for (let index = 0; index < fields.count; index++) {
    if (fields.codes[index] !== FIELD.cookie) continue;
    const [start, end] = [fields.spans[4 * index + 2]!, fields.spans[4 * index + 3]!];
    if (findPair(bytes, start, end, SEMICOLON, name, found)) return true;
  }
  return false;
}

const SEED = 3;
const EQUALS = 0x3d;
const AMPERSAND = 0x26;
export const SEMICOLON = 0x3b;
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

function findHeader({ bytes, fields }: RequestHead, name: string, found: ValuePlace): boolean {
  for (let index = 0; index < fields.count; index++) {
    const at = 4 * index;
    if (!isName(bytes, fields.spans[at]!, fields.spans[at + 1]!, name)) continue;
    found.start = fields.spans[at + 2]!;
    found.end = fields.spans[at + 3]!;
    return true;
  }
  return false;
}

/** Whether the field's name is this one. @param name in lower case */
export function isName(bytes: Uint8Array, start: number, end: number, name: string): boolean {
  if (end - start !== name.length) return false;
  for (let at = 0; at < name.length; at++) {
    if (LOWER[bytes[start + at]!] !== name.charCodeAt(at)) return false;
  }
  return true;
}

/** Of `name=value` among pairs with a separator between them; blanks before a name do not count. */
export function findPair(
  bytes: Uint8Array,
  start: number,
  end: number,
  separator: number,
  name: string,
  found: ValuePlace,
): boolean {
  let at = start;
  while (at < end) {
    while (at < end && bytes[at] === SPACE) at++;
    let last = at;
    while (last < end && bytes[last] !== separator) last++;
    let same = 0;
    while (same < name.length && bytes[at + same] === name.charCodeAt(same)) same++;
    if (same === name.length && at + same < last && bytes[at + same] === EQUALS) {
      found.start = at + same + 1;
      found.end = last;
      return true;
    }
    at = last + 1;
  }
  return false;
}

const place: ValuePlace = { start: 0, end: 0 };
