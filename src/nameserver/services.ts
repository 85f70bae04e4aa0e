/**
 * Steered owners, as flat memory that threads share. With another snapshot a hundred thousand of them come to a
 * worker in no time, and to answer for one no object is made. Whoever shows them to people has time for objects.
 */
import { TYPE_A, TYPE_AAAA } from '../dns/constants.ts';
import { sharedWords } from '../zone/word-memory.ts';

/** A steered owner. */
export type Service = {
  /** Absolute name as written in the configuration. */
  readonly owner: string;
  readonly zone: string;
  readonly pool: string;
  readonly policy: string;
  /** Index into the snapshot's `maps`. */
  readonly map: number;
  /** Whether the name has A and AAAA at all: for every client or for none. */
  readonly has4: boolean;
  readonly has6: boolean;
  /** All types are answered with the CNAME of the chosen endpoint. */
  readonly isAlias: boolean;
};

export type ServiceTable = {
  /** SERVICE_WORDS for each: its map, FLAG_…, and where its texts begin in `texts`. */
  readonly words: Int32Array;
  /** Each text once, in UTF-8, behind its length in two octets. */
  readonly texts: Uint8Array;
};

const SERVICE_WORDS = 6;
const MAP = 0;
const FLAGS = 1;
const OWNER = 2;
const ZONE = 3;
const POOL = 4;
const POLICY = 5;
const FLAG_4 = 1;
const FLAG_6 = 2;
const FLAG_ALIAS = 4;
const LENGTH_OCTETS = 2;

export function packServices(services: readonly Service[]): ServiceTable {
  const starts = new Map<string, number>();
  let end = 0;
  for (const { owner, policy, pool, zone } of services) {
    for (const text of [owner, zone, pool, policy]) {
      if (starts.has(text)) continue;
      starts.set(text, end);
      end += LENGTH_OCTETS + Buffer.byteLength(text);
    }
  }
  const texts = Buffer.from(new SharedArrayBuffer(end));
  for (const [text, start] of starts) {
    texts.writeUInt16BE(texts.write(text, start + LENGTH_OCTETS), start);
  }
  const words = sharedWords(services.length * SERVICE_WORDS);
  for (const [index, service] of services.entries()) {
    const { has4, has6, isAlias, map, owner, policy, pool, zone } = service;
    const flags = (has4 ? FLAG_4 : 0) | (has6 ? FLAG_6 : 0) | (isAlias ? FLAG_ALIAS : 0);
    const places = [owner, zone, pool, policy].map((text) => starts.get(text)!);
    words.set([map, flags, ...places], index * SERVICE_WORDS);
  }
  return { words, texts: new Uint8Array(texts.buffer) };
}

export function serviceCount({ words }: ServiceTable): number {
  return words.length / SERVICE_WORDS;
}

/** Index into the snapshot's `maps`. */
export function serviceMap({ words }: ServiceTable, service: number): number {
  return words[service * SERVICE_WORDS + MAP]!;
}

export function isAlias({ words }: ServiceTable, service: number): boolean {
  return (words[service * SERVICE_WORDS + FLAGS]! & FLAG_ALIAS) !== 0;
}

/** Whether a steered name has the type, for everybody or for nobody. */
export function hasType({ words }: ServiceTable, service: number, qtype: number): boolean {
  const flags = words[service * SERVICE_WORDS + FLAGS]!;
  if ((flags & FLAG_ALIAS) !== 0) return true;
  return qtype === TYPE_A
    ? (flags & FLAG_4) !== 0
    : qtype === TYPE_AAAA
      ? (flags & FLAG_6) !== 0
      : true;
}

/** An object made of it. */
export function serviceAt({ texts, words }: ServiceTable, service: number): Service {
  const row = service * SERVICE_WORDS;
  const flags = words[row + FLAGS]!;
  return {
    owner: textAt(texts, words[row + OWNER]!),
    zone: textAt(texts, words[row + ZONE]!),
    pool: textAt(texts, words[row + POOL]!),
    policy: textAt(texts, words[row + POLICY]!),
    map: words[row + MAP]!,
    has4: (flags & FLAG_4) !== 0,
    has6: (flags & FLAG_6) !== 0,
    isAlias: (flags & FLAG_ALIAS) !== 0,
  };
}

/** One after the other, by index. */
export function* servicesOf(table: ServiceTable): Generator<Service> {
  for (let service = 0; service < serviceCount(table); service += 1) {
    yield serviceAt(table, service);
  }
}

/** The indexes of a zone's services by their owners, as both are written. */
export function servicesOfZone(
  { texts, words }: ServiceTable,
  zone: string,
): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  const octets = Buffer.from(zone);
  for (let row = 0; row < words.length; row += SERVICE_WORDS) {
    if (!isText(texts, words[row + ZONE]!, octets)) continue;
    found.set(textAt(texts, words[row + OWNER]!), row / SERVICE_WORDS);
  }
  return found;
}

function textAt(texts: Uint8Array, start: number): string {
  const from = texts.byteOffset + start + LENGTH_OCTETS;
  return Buffer.from(texts.buffer, from, lengthAt(texts, start)).toString();
}

function isText(texts: Uint8Array, start: number, octets: Uint8Array): boolean {
  if (lengthAt(texts, start) !== octets.length) return false;
  const from = start + LENGTH_OCTETS;
  for (let at = 0; at < octets.length; at += 1) if (texts[from + at] !== octets[at]) return false;
  return true;
}

const lengthAt = (texts: Uint8Array, start: number): number =>
  (texts[start]! << 8) | texts[start + 1]!;
