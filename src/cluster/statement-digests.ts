import { statementBucket, statementHash } from './wire.ts';
import { STATEMENT_BUCKETS } from './wire-codecs.ts';

/**
 * One digest per bucket of a vantage point's statements, kept up as they change: whoever holds the
 * same statements has the same digests, in whatever order they came.
 */
export type Digests = {
  /** A key's number changes; undefined = it was not, or is no more, there. */
  replace(key: string, before: number | undefined, after: number | undefined): void;
  of(bucket: number): number;
  /** Over all buckets. */
  total(): number;
  list(): readonly number[];
};

export function createDigests(): Digests {
  const buckets = new Uint32Array(STATEMENT_BUCKETS);
  let total = 0;
  return {
    replace(key, before, after) {
      let change = 0;
      if (before !== undefined) change ^= statementHash(key, before);
      if (after !== undefined) change ^= statementHash(key, after);
      const bucket = statementBucket(key);
      buckets[bucket] = buckets[bucket]! ^ change;
      total ^= change;
    },
    of: (bucket) => buckets[bucket] ?? 0,
    total: () => total >>> 0,
    list: () => [...buckets],
  };
}

/** The digest of some statements, as their keys and numbers. */
export function digestOf(statements: readonly (readonly [key: string, seq: number])[]): number {
  let digest = 0;
  for (const [key, seq] of statements) digest ^= statementHash(key, seq);
  return digest >>> 0;
}
