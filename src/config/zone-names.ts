/**
 * The names of one zone file with their RRsets, as numbers in columns that the next file uses again: an index
 * by hash, lists of RRsets by name and of records by RRset, and the octets that they lead to.
 */
import { NONE, spread } from '../zone/compiled-zones.ts';
import { createNameHashes, hashName, type NameHashes } from '../zone/table-store.ts';

export type ZoneNames = {
  /** Owners and rdata. */
  octets: Uint8Array;
  length: number;
  /** NAME_WORDS each; 0 is the apex. */
  names: Int32Array;
  nameCount: number;
  /** SET_WORDS each, in the order of the file. */
  sets: Int32Array;
  setCount: number;
  /** RECORD_WORDS each. */
  records: Int32Array;
  recordCount: number;
  /** Name + 1, or 0. */
  slots: Int32Array;
  readonly hashes: NameHashes;
  /** Of the record before, which is often of the same owner. */
  lastName: number;
};

export const NAME_WORDS = 4;
export const NAME_HASH = 0;
export const NAME_AT = 1;
export const NAME_LENGTH = 2;
/** Its first RRset, or NONE. */
export const NAME_SETS = 3;

export const SET_WORDS = 7;
export const SET_TYPE = 0;
export const SET_TTL = 1;
export const SET_NAME = 2;
/** The next RRset of the name, or NONE. */
export const SET_NEXT = 3;
/** First and last record, and their number. */
export const SET_FIRST = 4;
export const SET_LAST = 5;
export const SET_COUNT = 6;

export const RECORD_WORDS = 3;
export const RECORD_AT = 0;
export const RECORD_LENGTH = 1;
/** The next record of the RRset, or NONE. */
export const RECORD_NEXT = 2;

const SLOTS_MIN = 64;

export function createZoneNames(): ZoneNames {
  return {
    octets: new Uint8Array(4096),
    length: 0,
    names: new Int32Array(64 * NAME_WORDS),
    nameCount: 0,
    sets: new Int32Array(64 * SET_WORDS),
    setCount: 0,
    records: new Int32Array(64 * RECORD_WORDS),
    recordCount: 0,
    slots: new Int32Array(SLOTS_MIN),
    hashes: createNameHashes(),
    lastName: NONE,
  };
}

/** Forgets the file before; the apex is the first name. */
export function beginNames(zone: ZoneNames, apex: Uint8Array): void {
  zone.length = 0;
  zone.nameCount = 0;
  zone.setCount = 0;
  zone.recordCount = 0;
  zone.slots = zone.slots.length > SLOTS_MIN ? new Int32Array(SLOTS_MIN) : zone.slots.fill(0);
  zone.lastName = NONE;
  nameFor(zone, apex, apex.length);
}

/** The number of a name in lower case; it gets one when it is new. */
export function nameFor(zone: ZoneNames, bytes: Uint8Array, length: number): number {
  if (zone.lastName !== NONE && isName(zone, zone.lastName, bytes, 0, length)) return zone.lastName;
  hashName(bytes, 0, zone.hashes);
  const hash = zone.hashes.hashes[0]!;
  const known = findName(zone, hash, bytes, 0, length);
  const name = known === NONE ? addName(zone, hash, bytes, length) : known;
  zone.lastName = name;
  return name;
}

/** The number of the name in lower case at `at`, whose hash is known, or NONE. */
export function findName(
  zone: ZoneNames,
  hash: number,
  bytes: Uint8Array,
  at: number,
  length: number,
): number {
  const { names, slots } = zone;
  const mask = slots.length - 1;
  for (let slot = spread(hash) & mask; ; slot = (slot + 1) & mask) {
    const name = slots[slot]! - 1;
    if (name < 0) return NONE;
    if (names[name * NAME_WORDS + NAME_HASH] !== hash) continue;
    if (isName(zone, name, bytes, at, length)) return name;
  }
}

function isName(
  { names, octets }: ZoneNames,
  name: number,
  bytes: Uint8Array,
  at: number,
  length: number,
): boolean {
  if (names[name * NAME_WORDS + NAME_LENGTH] !== length) return false;
  const start = names[name * NAME_WORDS + NAME_AT]!;
  for (let i = 0; i < length; i += 1) if (octets[start + i] !== bytes[at + i]) return false;
  return true;
}

function addName(zone: ZoneNames, hash: number, bytes: Uint8Array, length: number): number {
  const name = zone.nameCount;
  zone.nameCount += 1;
  zone.names = withRoom(zone.names, zone.nameCount * NAME_WORDS);
  const row = name * NAME_WORDS;
  zone.names[row + NAME_HASH] = hash;
  zone.names[row + NAME_AT] = addOctets(zone, bytes, length);
  zone.names[row + NAME_LENGTH] = length;
  zone.names[row + NAME_SETS] = NONE;
  if (zone.nameCount * 2 > zone.slots.length) {
    zone.slots = new Int32Array(zone.slots.length * 4);
    for (let each = 0; each < name; each += 1) putIntoSlot(zone, each);
  }
  putIntoSlot(zone, name);
  return name;
}

function putIntoSlot({ names, slots }: ZoneNames, name: number): void {
  const mask = slots.length - 1;
  let slot = spread(names[name * NAME_WORDS + NAME_HASH]!) & mask;
  while (slots[slot] !== 0) slot = (slot + 1) & mask;
  slots[slot] = name + 1;
}

function withRoom(column: Int32Array, words: number): Int32Array {
  if (words <= column.length) return column;
  const larger = new Int32Array(column.length * 2);
  larger.set(column);
  return larger;
}

function addOctets(zone: ZoneNames, bytes: Uint8Array, length: number): number {
  const at = zone.length;
  if (at + length > zone.octets.length) {
    const larger = new Uint8Array(Math.max(at + length, zone.octets.length * 2));
    larger.set(zone.octets.subarray(0, at));
    zone.octets = larger;
  }
  for (let i = 0; i < length; i += 1) zone.octets[at + i] = bytes[i]!;
  zone.length = at + length;
  return at;
}

/** The RRset of a type that the name has, or NONE. */
export function setOf({ names, sets }: ZoneNames, name: number, type: number): number {
  let set = names[name * NAME_WORDS + NAME_SETS]!;
  while (set !== NONE && sets[set * SET_WORDS + SET_TYPE] !== type) {
    set = sets[set * SET_WORDS + SET_NEXT]!;
  }
  return set;
}

/** Gives the name an empty RRset. */
export function addSet(zone: ZoneNames, name: number, type: number, ttl: number): number {
  const set = zone.setCount;
  zone.setCount += 1;
  zone.sets = withRoom(zone.sets, zone.setCount * SET_WORDS);
  const row = set * SET_WORDS;
  zone.sets[row + SET_TYPE] = type;
  zone.sets[row + SET_TTL] = ttl;
  zone.sets[row + SET_NAME] = name;
  zone.sets[row + SET_NEXT] = zone.names[name * NAME_WORDS + NAME_SETS]!;
  zone.sets[row + SET_FIRST] = NONE;
  zone.sets[row + SET_LAST] = NONE;
  zone.sets[row + SET_COUNT] = 0;
  zone.names[name * NAME_WORDS + NAME_SETS] = set;
  return set;
}

/** Appends a record to an RRset, unless the RRset has it (RFC 2181 5). */
export function addRecord(zone: ZoneNames, set: number, rdata: Uint8Array, length: number): void {
  if (hasRecord(zone, set, rdata, length)) return;
  const record = zone.recordCount;
  zone.recordCount += 1;
  zone.records = withRoom(zone.records, zone.recordCount * RECORD_WORDS);
  const { records, sets } = zone;
  records[record * RECORD_WORDS + RECORD_AT] = addOctets(zone, rdata, length);
  records[record * RECORD_WORDS + RECORD_LENGTH] = length;
  records[record * RECORD_WORDS + RECORD_NEXT] = NONE;
  const row = set * SET_WORDS;
  const last = sets[row + SET_LAST]!;
  if (last === NONE) sets[row + SET_FIRST] = record;
  else records[last * RECORD_WORDS + RECORD_NEXT] = record;
  sets[row + SET_LAST] = record;
  sets[row + SET_COUNT] = sets[row + SET_COUNT]! + 1;
}

function hasRecord(zone: ZoneNames, set: number, rdata: Uint8Array, length: number): boolean {
  const { octets, records, sets } = zone;
  let record = sets[set * SET_WORDS + SET_FIRST]!;
  for (; record !== NONE; record = records[record * RECORD_WORDS + RECORD_NEXT]!) {
    if (records[record * RECORD_WORDS + RECORD_LENGTH] !== length) continue;
    const at = records[record * RECORD_WORDS + RECORD_AT]!;
    let i = 0;
    while (i < length && octets[at + i] === rdata[i]) i += 1;
    if (i === length) return true;
  }
  return false;
}
