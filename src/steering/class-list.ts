/**
 * What the classes of a map are answered from, as flat words that threads share: hundreds of thousands of
 * classes come to a thread in no time, and take memory once. An object is made of one when it is decided.
 *
 *   number of classes
 *   of each class: near, variant, number of its chains, where its list of tiers begins
 *   lists of tiers: of each chain their number, and the place of each
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
  /** Of each chain of the policy, in the order of the tree, endpoint indexes, best tier first. */
  readonly leaves: readonly (readonly (readonly number[])[])[];
  /** What else tells its clients from those with the same tiers: an index of ClassMap.variants. */
  readonly variant: number;
  /** The client region that its clients are nearest to, NOWHERE when that does not matter. */
  readonly near: number;
  /** Share of the IPv4 addresses whose location is known, 0..1; all classes together are 1. */
  readonly addressShare: number;
};

const HEAD_WORDS = 1;
const CLASS_WORDS = 4;
const NEAR = 0;
const VARIANT = 1;
const LEAVES = 2;
const LIST = 3;

/** @param entries with the same array for equal tiers */
export function packClasses(entries: readonly ClassEntry[], firstEndpoint: number): ClassList {
  const tiers = new Set(entries.flatMap((entry) => entry.leaves.flat()));
  const listsFrom = HEAD_WORDS + entries.length * CLASS_WORDS;
  const tiersFrom = entries.reduce(
    (end, { leaves }) => leaves.reduce((at, leaf) => at + 1 + leaf.length, end),
    listsFrom,
  );
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
  for (const [classId, { addressShare, leaves, near, variant }] of entries.entries()) {
    words.set([near, variant, leaves.length, list], rowOf(classId));
    for (const leaf of leaves) {
      words[list++] = leaf.length;
      for (const tier of leaf) words[list++] = places.get(tier)!;
    }
    shares[classId] = addressShare;
  }
  return { words, shares, firstEndpoint };
}

const rowOf = (classId: number): number => HEAD_WORDS + classId * CLASS_WORDS;

export function classCount({ words }: Pick<ClassList, 'words'>): number {
  return words[0]!;
}

export function classVariant({ words }: ClassList, classId: number): number {
  return words[rowOf(classId) + VARIANT]!;
}

/** Chains that the class has tiers of. */
export function leafCount({ words }: ClassList, classId: number): number {
  return words[rowOf(classId) + LEAVES]!;
}

/** Tiers of a class's first chain. */
export function tierCount({ words }: ClassList, classId: number): number {
  return words[words[rowOf(classId) + LIST]!]!;
}

/** A number that stands for a tier of the first chain: the same for equal ones of a list. */
export function tierPlace({ words }: ClassList, classId: number, index: number): number {
  return words[words[rowOf(classId) + LIST]! + 1 + index]!;
}

/** Whether some class's clients begin with several endpoints that are equally good. */
export function hasEquals({ words }: Pick<ClassList, 'words'>): boolean {
  for (let classId = 0; classId < words[0]!; classId += 1) {
    let at = words[rowOf(classId) + LIST]!;
    for (let leaf = words[rowOf(classId) + LEAVES]!; leaf > 0; leaf -= 1) {
      const tiers = words[at]!;
      if (tiers > 0 && words[words[at + 1]!]! > 1) return true;
      at += 1 + tiers;
    }
  }
  return false;
}

/** An object made of it. */
export function classEntry(list: ClassList, classId: number): ClassEntry {
  const { firstEndpoint, shares, words } = list;
  const row = rowOf(classId);
  // Plain loops: it is done for each class that is decided.
  const leaves: number[][][] = [];
  let at = words[row + LIST]!;
  for (let leaf = words[row + LEAVES]!; leaf > 0; leaf -= 1) {
    const tiers: number[][] = [];
    for (let left = words[at++]!; left > 0; left -= 1) {
      tiers.push(tierAt(words, words[at++]!, firstEndpoint));
    }
    leaves.push(tiers);
  }
  return {
    leaves,
    variant: words[row + VARIANT]!,
    near: words[row + NEAR]!,
    addressShare: shares[classId]!,
  };
}

function tierAt(words: Int32Array, place: number, firstEndpoint: number): number[] {
  const tier: number[] = [];
  const end = place + 1 + words[place]!;
  for (let at = place + 1; at < end; at += 1) tier.push(words[at]! + firstEndpoint);
  return tier;
}

/** One after the other: objects of all at once may be more than memory has room for. */
export function* classEntries(list: ClassList): Generator<ClassEntry> {
  for (let classId = 0; classId < classCount(list); classId += 1) yield classEntry(list, classId);
}
