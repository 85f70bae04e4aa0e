import { hash } from 'node:crypto';
import type { Fact } from './fact.ts';
import { compareStamps } from './stamp.ts';

/**
 * Where a replica keeps its facts: within limits, and with a running hash per bucket of keys, so that
 * two nodes find out in one small message in which few of them they differ.
 */
export type Shelf = {
  get(key: string): Fact | undefined;
  /** By key. */
  all(): readonly Fact[];
  size(): { readonly entries: number; readonly length: number };
  /** Puts the fact in the place of the one before, which it returns. */
  put(fact: Fact): Fact | undefined;
  /** Drops a tombstone if need be; why there still is no room, undefined when there is. */
  makeRoom(fact: Fact, share: number): string | undefined;
  dropWhere(isMeant: (fact: Fact) => boolean): readonly string[];
  digest(): Uint8Array;
  entriesOf(buckets: readonly number[]): readonly Fact[];
};

/** Far more than people set; what is beyond is a mistake or an attack. */
export const FACTS_MAX = 10_000;
/** Of all keys and values, in UTF-16 units. */
export const FACTS_LENGTH_MAX = 32 * 1024 * 1024;
/** A digest is 576 bytes: written as text it still fits a datagram. */
export const DIGEST_BUCKETS = 96;
const BUCKET_BYTES = 6;

type Kept = {
  readonly fact: Fact;
  readonly bucket: number;
  readonly hash: Uint8Array;
  readonly length: number;
};

export function createShelf(): Shelf {
  const kept = new Map<string, Kept>();
  const sums = new Uint8Array(DIGEST_BUCKETS * BUCKET_BYTES);
  let length = 0;
  const drop = (key: string): void => {
    const old = kept.get(key);
    if (!old) return;
    addInto(sums, old);
    length -= old.length;
    kept.delete(key);
  };
  return {
    get: (key) => kept.get(key)?.fact,
    all: () => [...kept.values()].map(({ fact }) => fact).sort(byKey),
    size: () => ({ entries: kept.size, length }),
    put(fact) {
      const before = kept.get(fact.key)?.fact;
      drop(fact.key);
      const entry = weigh(fact);
      addInto(sums, entry);
      length += entry.length;
      kept.set(fact.key, entry);
      return before;
    },
    makeRoom(fact, share) {
      const old = kept.get(fact.key);
      const grown = length + lengthOf(fact) - (old?.length ?? 0);
      if (grown > FACTS_LENGTH_MAX * share) return 'there is no room for its length';
      if (old || kept.size < FACTS_MAX * share) return undefined;
      const oldest = oldestTombstone(kept.values());
      if (oldest === undefined) return `there are ${kept.size} facts already`;
      drop(oldest);
      return undefined;
    },
    dropWhere(isMeant) {
      const gone = [...kept.values()].flatMap(({ fact }) => (isMeant(fact) ? [fact.key] : []));
      for (const key of gone) drop(key);
      return gone;
    },
    digest: () => sums.slice(),
    entriesOf(buckets) {
      const wanted = new Set(buckets);
      return [...kept.values()].flatMap(({ bucket, fact }) => (wanted.has(bucket) ? [fact] : []));
    },
  };
}

/** The bucket of a key in every digest. */
export function bucketOf(key: string): number {
  return digestOf(key)[0]! % DIGEST_BUCKETS;
}

/**
 * The buckets in which two digests are not alike. One of another length is of another version: nothing
 * can be said, so everything differs.
 */
export function differing(own: Uint8Array, other: Uint8Array): readonly number[] {
  const isAlike = (bucket: number): boolean => {
    const [from, to] = [bucket * BUCKET_BYTES, (bucket + 1) * BUCKET_BYTES];
    return own.subarray(from, to).every((byte, at) => byte === other[from + at]);
  };
  const buckets = Array.from({ length: DIGEST_BUCKETS }, (_, bucket) => bucket);
  return own.length === other.length ? buckets.filter((bucket) => !isAlike(bucket)) : buckets;
}

/**
 * Negative when `a` is overruled by `b`. Two words with one stamp exist only by a mistake (two nodes
 * of one name); then the text decides, so that all nodes still end up with the same.
 */
export function compareFacts(a: Fact, b: Fact): number {
  const stamps = compareStamps(a.stamp, b.stamp);
  return stamps !== 0 ? stamps : compareStamps(wordOf(a), wordOf(b));
}

function wordOf({ value, expiresAtMs }: Fact): string {
  return `${value === undefined ? '-' : `+${value}`}\0${expiresAtMs ?? ''}`;
}

function byKey(a: Fact, b: Fact): number {
  return compareStamps(a.key, b.key);
}

function lengthOf({ key, value }: Fact): number {
  return key.length + (value?.length ?? 0);
}

function weigh(fact: Fact): Kept {
  return {
    fact,
    bucket: bucketOf(fact.key),
    hash: digestOf(`${fact.key}\0${fact.stamp}\0${wordOf(fact)}`).subarray(0, BUCKET_BYTES),
    length: lengthOf(fact),
  };
}

function digestOf(text: string): Uint8Array {
  return hash('sha256', text, 'buffer');
}

/** Sums are exclusive or: adding a fact again takes it away. */
function addInto(sums: Uint8Array, { bucket, hash: bytes }: Kept): void {
  const offset = bucket * BUCKET_BYTES;
  for (const [index, byte] of bytes.entries()) sums[offset + index]! ^= byte;
}

/** When there is no room: what was cleared longest ago is the least loss. */
function oldestTombstone(kept: Iterable<Kept>): string | undefined {
  let oldest: Fact | undefined;
  for (const { fact } of kept) {
    if (fact.value !== undefined) continue;
    const isOlder = oldest === undefined || compareStamps(fact.stamp, oldest.stamp) < 0;
    if (isOlder) oldest = fact;
  }
  return oldest?.key;
}
