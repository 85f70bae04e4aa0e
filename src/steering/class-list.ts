/**
 * What the classes of a map are answered from, as flat words that threads share: hundreds of thousands of
 * classes come to a thread in no time, and take memory once. An object is made of one when it is decided.
 *
 *   number of classes
 *   of each class: near, number of its tiers, where its list of tiers begins
 *   lists of tiers: the place of each
 *   tiers: number of endpoints, each endpoint less the first
 *
 * Equal tiers have one place, so a place stands for a tier.
 */
import { sharedWords } from '../zone/word-memory.ts';

export type ClassList = {
  readonly words: Int32Array;
  /** By class: `addressShare`. */
  readonly shares: Float64Array;
  /** The endpoint that others are counted from: pools that are alike share all else. */
  readonly firstEndpoint: number;
};

export type ClassEntry = {
  /** Endpoint indexes, best tier first. */
  readonly tiers: readonly (readonly number[])[];
  /** The client region that its clients are nearest to, NOWHERE when that does not matter. */
  readonly near: number;
  /** Share of the IPv4 addresses whose location is known, 0..1; all classes together are 1. */
  readonly addressShare: number;
};

const HEAD_WORDS = 1;
const CLASS_WORDS = 3;
const NEAR = 0;
const TIERS = 1;
const LIST = 2;

/** @param entries with the same array for equal tiers */
export function packClasses(entries: readonly ClassEntry[], firstEndpoint: number): ClassList {
  const tiers = new Set(entries.flatMap((entry) => entry.tiers));
  const listsFrom = HEAD_WORDS + entries.length * CLASS_WORDS;
  const tiersFrom = entries.reduce((end, entry) => end + entry.tiers.length, listsFrom);
  const end = [...tiers].reduce((at, tier) => at + 1 + tier.length, tiersFrom);
  const words = sharedWords(end);
  const shares = new Float64Array(
    new SharedArrayBuffer(entries.length * Float64Array.BYTES_PER_ELEMENT),
  );
  words[0] = entries.length;
  const places = new Map<readonly number[], number>();
  let place = tiersFrom;
  for (const tier of tiers) {
    places.set(tier, place);
    words[place] = tier.length;
    words.set(
      tier.map((endpoint) => endpoint - firstEndpoint),
      place + 1,
    );
    place += 1 + tier.length;
  }
  let list = listsFrom;
  for (const [classId, entry] of entries.entries()) {
    const row = rowOf(classId);
    words[row + NEAR] = entry.near;
    words[row + TIERS] = entry.tiers.length;
    words[row + LIST] = list;
    for (const tier of entry.tiers) words[list++] = places.get(tier)!;
    shares[classId] = entry.addressShare;
  }
  return { words, shares, firstEndpoint };
}

const rowOf = (classId: number): number => HEAD_WORDS + classId * CLASS_WORDS;

export function classCount({ words }: ClassList): number {
  return words[0]!;
}

/** Tiers of a class. */
export function tierCount({ words }: ClassList, classId: number): number {
  return words[rowOf(classId) + TIERS]!;
}

/** A number that stands for the tier: the same for equal ones of a list. */
export function tierPlace({ words }: ClassList, classId: number, index: number): number {
  return words[words[rowOf(classId) + LIST]! + index]!;
}

/** An object made of it. */
export function classEntry(list: ClassList, classId: number): ClassEntry {
  const { firstEndpoint, shares, words } = list;
  // Plain loops: it is done for each class that is decided.
  const tiers: number[][] = [];
  for (let index = 0; index < tierCount(list, classId); index += 1) {
    const place = tierPlace(list, classId, index);
    const tier: number[] = [];
    const end = place + 1 + words[place]!;
    for (let at = place + 1; at < end; at += 1) tier.push(words[at]! + firstEndpoint);
    tiers.push(tier);
  }
  return { tiers, near: words[rowOf(classId) + NEAR]!, addressShare: shares[classId]! };
}

/** One after the other: objects of all at once may be more than memory has room for. */
export function* classEntries(list: ClassList): Generator<ClassEntry> {
  for (let classId = 0; classId < classCount(list); classId += 1) yield classEntry(list, classId);
}
