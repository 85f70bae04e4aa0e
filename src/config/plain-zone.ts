/**
 * A zone file in which nothing is out of the ordinary, packed without an object for each record: what most
 * files are, and all that is large. It judges nothing. As soon as something may be wrong, doubtful or just
 * rare, it says that the file is not plain, and the file is read as any other (master-file.ts), checked
 * record by record (zone-consistency.ts), and complained about with line and column.
 */
import { lowerOctet } from '../dns/name.ts';
import { createScanner, type Scanner } from '../dns/scan-zone.ts';
import type { ZoneFileExtension, ZoneText } from '../dns/zone-file.ts';
import { NONE, RECORD_HEADER_LENGTH } from '../zone/compiled-zones.ts';
import {
  PACKED_HEAD_LENGTH,
  PACKED_RECORD_HEADER_LENGTH,
  type PackedRrsets,
  writePackedHead,
} from '../zone/packed-rrsets.ts';
import { hashName } from '../zone/table-store.ts';
import { RRSET_BYTES_MAX } from '../zone/zone-source.ts';
import { isMetaType, WITHOUT_MEANING } from './allowed-records.ts';
import { createOctetPieces, type OctetPieces } from './octet-pieces.ts';
import {
  addRecord,
  addSet,
  beginNames,
  createZoneNames,
  findName,
  NAME_AT,
  NAME_LENGTH,
  NAME_SETS,
  NAME_WORDS,
  nameFor,
  RECORD_AT,
  RECORD_LENGTH,
  RECORD_NEXT,
  RECORD_WORDS,
  SET_COUNT,
  SET_FIRST,
  SET_NAME,
  SET_NEXT,
  SET_TTL,
  SET_TYPE,
  SET_WORDS,
  setOf,
  type ZoneNames,
} from './zone-names.ts';

export type PlainZone = {
  /** TTL of the SOA, and its rdata. */
  readonly ttl: number;
  readonly soa: Uint8Array;
  /** All but the SOA. */
  readonly packed: PackedRrsets;
  readonly extensions: readonly ZoneFileExtension[];
};

export type PlainZoneReader = {
  /** Undefined = it is not plain. @param apex wire form, lower case */
  read(file: ZoneText, apex: Uint8Array, extension: string): PlainZone | undefined;
};

const [TYPE_A, TYPE_NS, TYPE_CNAME, TYPE_SOA] = [1, 2, 5, 6];
const [TYPE_MX, TYPE_AAAA, TYPE_SRV, TYPE_DNAME, TYPE_DS] = [15, 28, 33, 39, 43];
const ASTERISK = 0x2a;

/** What is read of one file. */
type Reading = {
  readonly names: ZoneNames;
  readonly apex: Uint8Array;
  soa: Uint8Array | undefined;
  soaTtl: number;
  hasAliases: boolean;
  hasCuts: boolean;
  hasTargets: boolean;
  ttlMax: number;
  readonly extensions: ZoneFileExtension[];
};

/** Its memory is used for one file after the other; what it returns stays. */
export function createPlainZoneReader(): PlainZoneReader {
  const scanner = createScanner();
  const octets = createOctetPieces();
  let names = createZoneNames();
  return {
    read(file, apex, extension) {
      const bytes = asciiOf(file);
      if (bytes === undefined) return undefined;
      beginNames(names, apex);
      const reading: Reading = {
        ...{ names, apex, soa: undefined, soaTtl: 0, ttlMax: 0, extensions: [] },
        ...{ hasAliases: false, hasCuts: false, hasTargets: false },
      };
      const isRead = scanAll(scanner, reading, file, bytes, extension) && isPlain(reading);
      const packed = isRead ? packNames(reading, octets) : undefined;
      // What one large file needed is not kept for the many small ones.
      if (names.octets.length > LARGE_OCTETS) names = createZoneNames();
      if (packed === undefined) return undefined;
      return { ttl: reading.soaTtl, soa: reading.soa!, packed, extensions: reading.extensions };
    },
  };
}

const LARGE_OCTETS = 1024 * 1024;

function asciiOf({ ascii, text }: ZoneText): Uint8Array | undefined {
  if (ascii !== undefined) return ascii;
  for (let at = 0; at < text.length; at += 1) if (text.charCodeAt(at) > 0x7f) return undefined;
  return Buffer.from(text, 'latin1');
}

function scanAll(
  scanner: Scanner,
  reading: Reading,
  file: ZoneText,
  bytes: Uint8Array,
  extension: string,
): boolean {
  return scanner.scan(bytes, reading.apex, extension, {
    record: (type, ttl, owner, ownerLength, rdata, length) =>
      takeRecord(reading, type, ttl, owner, ownerLength, rdata, length),
    extension(kind, at, ttlSeconds, owner, tokens) {
      reading.extensions.push({ file, at, kind, owner, ttlSeconds, tokens });
      return true;
    },
  });
}

/** Whether the record is of the kind that needs no word. */
function takeRecord(
  reading: Reading,
  type: number,
  ttl: number,
  owner: Uint8Array,
  ownerLength: number,
  rdata: Uint8Array,
  length: number,
): boolean {
  const { apex, names } = reading;
  if (!isInside(owner, ownerLength, apex)) return false;
  const isApex = ownerLength === apex.length;
  if (type === TYPE_SOA) {
    if (reading.soa !== undefined || !isApex) return false;
    reading.soa = rdata.slice(0, length);
    reading.soaTtl = ttl;
    return true;
  }
  if (type === TYPE_DNAME || WITHOUT_MEANING.has(type) || isMetaType(type)) return false;
  if (isApex && (type === TYPE_CNAME || type === TYPE_DS)) return false;
  if (type === TYPE_NS && !isApex) {
    if (owner[0] === 1 && owner[1] === ASTERISK) return false;
    reading.hasCuts = true;
  }
  if (type === TYPE_CNAME) reading.hasAliases = true;
  if (type === TYPE_NS || type === TYPE_MX || type === TYPE_SRV) reading.hasTargets = true;
  const name = nameFor(names, owner, ownerLength);
  const known = setOf(names, name, type);
  const set = known === NONE ? addSet(names, name, type, ttl) : known;
  // Records of one name and type have one TTL (RFC 2181 5.2).
  if (names.sets[set * SET_WORDS + SET_TTL] !== ttl) return false;
  reading.ttlMax = Math.max(reading.ttlMax, ttl);
  addRecord(names, set, rdata, length);
  return true;
}

/** Whether a name in lower case is the apex or below it. */
function isInside(name: Uint8Array, length: number, apex: Uint8Array): boolean {
  const tail = length - apex.length;
  let label = 0;
  while (label < tail) label += 1 + name[label]!;
  if (label !== tail) return false;
  for (let i = 0; i < apex.length; i += 1) if (name[tail + i] !== apex[i]) return false;
  return true;
}

/** Whether nothing is doubtful when the records are seen together: what zone-consistency.ts has words for. */
function isPlain(reading: Reading): boolean {
  const { extensions, names, soa } = reading;
  if (soa === undefined || setOf(names, 0, TYPE_NS) === NONE) return false;
  for (let set = 0; set < names.setCount; set += 1) {
    if (octetsOfSet(names, set) > RRSET_BYTES_MAX) return false;
    if (reading.hasAliases && !isAlone(names, set)) return false;
    if (reading.hasCuts && !isVisible(reading, set)) return false;
    if (reading.hasTargets && !hasGoodTargets(reading, set)) return false;
  }
  return extensions.every(({ owner }) => isFree(reading, owner));
}

function octetsOfSet({ records, sets }: ZoneNames, set: number): number {
  let octets = 0;
  let record = sets[set * SET_WORDS + SET_FIRST]!;
  for (; record !== NONE; record = records[record * RECORD_WORDS + RECORD_NEXT]!) {
    octets += RECORD_HEADER_LENGTH + records[record * RECORD_WORDS + RECORD_LENGTH]!;
  }
  return octets;
}

/** A CNAME has one target and nothing beside it. */
function isAlone({ names, sets }: ZoneNames, set: number): boolean {
  const row = set * SET_WORDS;
  if (sets[row + SET_TYPE] !== TYPE_CNAME) return true;
  const first = names[sets[row + SET_NAME]! * NAME_WORDS + NAME_SETS]!;
  return sets[row + SET_COUNT] === 1 && first === set && sets[row + SET_NEXT] === NONE;
}

/** No delegation hides it. */
function isVisible(reading: Reading, set: number): boolean {
  const { names, sets } = reading.names;
  const row = set * SET_WORDS;
  const type = sets[row + SET_TYPE]!;
  if (type === TYPE_A || type === TYPE_AAAA || type === TYPE_DS) return true;
  const name = sets[row + SET_NAME]!;
  const at = names[name * NAME_WORDS + NAME_AT]!;
  const cut = cutOf(reading, reading.names.octets, at, names[name * NAME_WORDS + NAME_LENGTH]!);
  return cut === NONE || (type === TYPE_NS && cut === name);
}

/** The highest delegation at or above the name in lower case at `at`, or NONE. */
function cutOf({ apex, names }: Reading, bytes: Uint8Array, at: number, length: number): number {
  const labels = hashName(bytes, at, names.hashes);
  const { hashes, offsets } = names.hashes;
  let cut = NONE;
  for (let label = 0; label < labels; label += 1) {
    const offset = offsets[label]!;
    if (length - offset <= apex.length) break;
    const name = findName(names, hashes[label]!, bytes, at + offset, length - offset);
    if (name !== NONE && setOf(names, name, TYPE_NS) !== NONE) cut = name;
  }
  return cut;
}

/** Servers in the zone have addresses; servers of any kind are no aliases. */
function hasGoodTargets(reading: Reading, set: number): boolean {
  const { octets, records, sets } = reading.names;
  const type = sets[set * SET_WORDS + SET_TYPE]!;
  if (type !== TYPE_NS && type !== TYPE_MX && type !== TYPE_SRV) return true;
  const before = type === TYPE_NS ? 0 : type === TYPE_MX ? 2 : 6;
  let record = sets[set * SET_WORDS + SET_FIRST]!;
  for (; record !== NONE; record = records[record * RECORD_WORDS + RECORD_NEXT]!) {
    const at = records[record * RECORD_WORDS + RECORD_AT]! + before;
    const length = records[record * RECORD_WORDS + RECORD_LENGTH]! - before;
    for (let i = 0; i < length; i += 1) target[i] = lowerOctet(octets[at + i]!);
    if (!isGoodTarget(reading, type, sets[set * SET_WORDS + SET_NAME]!, length)) return false;
  }
  return true;
}

const target = new Uint8Array(256);

function isGoodTarget(reading: Reading, type: number, owner: number, length: number): boolean {
  const { apex, names } = reading;
  if (!isInside(target, length, apex)) return true;
  hashName(target, 0, names.hashes);
  const name = findName(names, names.hashes.hashes[0]!, target, 0, length);
  if (name !== NONE && setOf(names, name, TYPE_CNAME) !== NONE) return false;
  if (type !== TYPE_NS) return true;
  const hasAddress =
    name !== NONE &&
    (setOf(names, name, TYPE_A) !== NONE || setOf(names, name, TYPE_AAAA) !== NONE);
  if (hasAddress) return true;
  // Of a server in somebody else's zone others know the address.
  const cut = reading.hasCuts ? cutOf(reading, target, 0, length) : NONE;
  return cut !== NONE && cut !== owner;
}

/** A steered name that has nothing else, and is not delegated. */
function isFree(reading: Reading, owner: Uint8Array): boolean {
  const { apex, names } = reading;
  if (!isInside(owner, owner.length, apex) || owner.length === apex.length) return false;
  hashName(owner, 0, names.hashes);
  const name = findName(names, names.hashes.hashes[0]!, owner, 0, owner.length);
  if (name !== NONE) return false;
  return !reading.hasCuts || cutOf(reading, owner, 0, owner.length) === NONE;
}

function packNames({ names: zone, ttlMax }: Reading, octets: OctetPieces): PackedRrsets {
  const { names, octets: from, records, sets } = zone;
  let length = 0;
  for (let set = 0; set < zone.setCount; set += 1) {
    const name = sets[set * SET_WORDS + SET_NAME]!;
    const count = sets[set * SET_WORDS + SET_COUNT]!;
    length += names[name * NAME_WORDS + NAME_LENGTH]! + PACKED_HEAD_LENGTH;
    length += octetsOfSet(zone, set) - (RECORD_HEADER_LENGTH - PACKED_RECORD_HEADER_LENGTH) * count;
  }
  const { at: start, bytes } = octets.take(length);
  let at = start;
  for (let set = 0; set < zone.setCount; set += 1) {
    const row = set * SET_WORDS;
    const name = sets[row + SET_NAME]! * NAME_WORDS;
    at = copy(from, names[name + NAME_AT]!, names[name + NAME_LENGTH]!, bytes, at);
    const [type, ttl, count] = [
      sets[row + SET_TYPE]!,
      sets[row + SET_TTL]!,
      sets[row + SET_COUNT]!,
    ];
    at = writePackedHead(bytes, at, type, ttl, count);
    let record = sets[row + SET_FIRST]!;
    for (; record !== NONE; record = records[record * RECORD_WORDS + RECORD_NEXT]!) {
      const recordLength = records[record * RECORD_WORDS + RECORD_LENGTH]!;
      bytes[at] = recordLength >> 8;
      bytes[at + 1] = recordLength;
      at += PACKED_RECORD_HEADER_LENGTH;
      at = copy(from, records[record * RECORD_WORDS + RECORD_AT]!, recordLength, bytes, at);
    }
  }
  return { bytes, from: start, to: at, count: zone.setCount, ttlMax };
}

/** Returns where the copy ends. */
function copy(
  from: Uint8Array,
  start: number,
  length: number,
  into: Uint8Array,
  at: number,
): number {
  for (let i = 0; i < length; i += 1) into[at + i] = from[start + i]!;
  return at + length;
}
