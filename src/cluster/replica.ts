import { FACT_VALUE_LENGTH_MAX, type Fact, isFactKey, isSpent } from './fact.ts';
import { compareFacts, createShelf, differing } from './fact-shelf.ts';
import {
  createStampSource,
  parseStamp,
  STAMP_AHEAD_MAX_MS,
  type StampSource,
  stampProblem,
} from './stamp.ts';

/**
 * The durable facts of the cluster as one node knows them: a map in which the later word wins,
 * whatever way and in whatever order words arrive. Merging is commutative, associative and
 * idempotent, so nodes that have heard the same words hold the same map, and a store or a peer that
 * has lost everything gets it back from anybody. Nothing here waits or fails: it is memory.
 */
export type Replica = {
  /** The last word about the key, also when it is that there is nothing. */
  get(key: string): Fact | undefined;
  value(key: string): string | undefined;
  /** Facts with a value under the prefix, by key. */
  list(prefix: string): readonly Fact[];
  /** Everything, tombstones too. */
  all(): readonly Fact[];
  size(): { readonly entries: number; readonly length: number };
  /** Speaks a word here and now; undefined clears. It is later than what it replaces. */
  write(key: string, value: Wording, nowMs: number, manner?: Manner): Written;
  /** Hears words that others spoke. */
  merge(facts: Iterable<Fact>, nowMs: number, origin: Origin): Merged;
  /** Forgets what nobody needs to know any more; returns the keys. */
  prune(nowMs: number): readonly string[];
  /**
   * Stamps words again that are further ahead than a stamp may be: their author's clock was wrong, or
   * the one here when they were taken. Only for a node that knows what time it is.
   * @param reword the value under its new stamp; undefined leaves the fact as it is
   */
  restampAhead(nowMs: number, reword: (fact: Fact, stamp: string) => string | undefined): void;
  /** One hash per bucket of keys: equal digests mean equal maps. */
  digest(): Uint8Array;
  /** The buckets in which the other map, of which this is the digest, is not like this one. */
  differing(digest: Uint8Array): readonly number[];
  entriesOf(buckets: readonly number[]): readonly Fact[];
  /** Called after every change, at once; returns the function that stops it. */
  onChange(listener: (change: FactChange) => void): () => void;
};

/** Who said so: somebody on this node, the store, another node, or this node's own disk. */
export type Origin = 'here' | 'store' | 'peer' | 'disk';
export type FactChange = {
  readonly fact: Fact;
  readonly before: Fact | undefined;
  readonly origin: Origin;
};

/** A value, none, or one that depends on the stamp it gets. */
export type Wording = string | undefined | ((stamp: string) => string);
export type Manner = {
  readonly expiresAtMs?: number | undefined;
  /** Default: `written`. See stamp.ts. */
  readonly as?: 'written' | 'created' | { readonly revision: number };
  /** Instead of a new stamp: a word that was spoken before. */
  readonly stamp?: string;
};
export type Written =
  | { readonly ok: true; readonly fact: Fact }
  | { readonly ok: false; readonly reason: string };
export type Merged = {
  /** Facts that were news. */
  readonly taken: number;
  readonly refused: readonly { readonly fact: Fact; readonly reason: string }[];
};

/** What is said on this node has room beyond the limits: a flood from elsewhere cannot gag people. */
const ROOM_HERE = 1.1;

export function createReplica(node: string): Replica {
  const stamps = createStampSource(node);
  const listeners = new Set<(change: FactChange) => void>();
  const shelf = createShelf();

  const put = (fact: Fact, origin: Origin): void => {
    const before = shelf.put(fact);
    for (const listener of listeners) listener({ fact, before, origin });
  };
  const hear = (fact: Fact, nowMs: number, origin: Origin): 'taken' | 'known' | Refusal => {
    const before = shelf.get(fact.key);
    if (before && compareFacts(before, fact) >= 0) return 'known';
    if (isSpent(fact, nowMs)) return 'known';
    // The own disk is believed: a machine that starts with a clock of 1970 must not forget everything.
    const ahead = stampProblem(fact.stamp, nowMs);
    if (ahead !== undefined && origin !== 'disk') return { reason: ahead };
    const full = shelf.makeRoom(fact, 1);
    if (full !== undefined) return { reason: full };
    if (ahead === undefined) stamps.observe(fact.stamp);
    put(fact, origin);
    return 'taken';
  };

  return {
    get: shelf.get,
    value: (key) => shelf.get(key)?.value,
    list: (prefix) =>
      shelf.all().filter(({ key, value }) => value !== undefined && key.startsWith(prefix)),
    all: shelf.all,
    size: shelf.size,
    write(key, wording, nowMs, manner = {}) {
      const before = shelf.get(key);
      const stamp = manner.stamp ?? stampFor(stamps, manner, nowMs, before);
      const value = typeof wording === 'function' ? wording(stamp) : wording;
      const { expiresAtMs } = manner;
      const fact = { key, stamp, value, ...(expiresAtMs === undefined ? {} : { expiresAtMs }) };
      const reason = wordProblem(fact, before) ?? shelf.makeRoom(fact, ROOM_HERE);
      if (reason !== undefined) return { ok: false, reason };
      put(fact, 'here');
      return { ok: true, fact };
    },
    merge(facts, nowMs, origin) {
      const refused: { fact: Fact; reason: string }[] = [];
      let taken = 0;
      for (const fact of facts) {
        const outcome = hear(fact, nowMs, origin);
        if (outcome === 'taken') taken += 1;
        else if (outcome !== 'known') refused.push({ fact, reason: outcome.reason });
      }
      return { taken, refused };
    },
    prune: (nowMs) => shelf.dropWhere((fact) => isSpent(fact, nowMs)),
    restampAhead(nowMs, reword) {
      for (const fact of shelf.all()) {
        const stamp = stampInstead(stamps, fact, nowMs);
        if (stamp === undefined) continue;
        const value = fact.value === undefined ? undefined : reword(fact, stamp);
        if (value !== undefined || fact.value === undefined) put({ ...fact, stamp, value }, 'here');
      }
    },
    digest: shelf.digest,
    differing: (digest) => differing(shelf.digest(), digest),
    entriesOf: shelf.entriesOf,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

type Refusal = { readonly reason: string };

function stampFor(
  stamps: StampSource,
  { as = 'written' }: Manner,
  nowMs: number,
  before: Fact | undefined,
): string {
  if (as === 'created') return stamps.created(nowMs);
  if (as !== 'written') return stamps.revised(as.revision, nowMs);
  return stamps.written(nowMs, before?.stamp);
}

/** A stamp of now for a fact whose own is too far ahead; undefined for all others. */
function stampInstead(stamps: StampSource, fact: Fact, nowMs: number): string | undefined {
  const was = parseStamp(fact.stamp)!;
  if (was.ms <= nowMs + STAMP_AHEAD_MAX_MS) return undefined;
  if (was.kind === 'revised') return stamps.revised(was.revision, nowMs);
  return was.kind === 'created' ? stamps.created(nowMs) : stamps.written(nowMs);
}

function wordProblem(fact: Fact, before: Fact | undefined): string | undefined {
  if (!isFactKey(fact.key)) return 'its name is too long, or has characters that it may not have';
  if ((fact.value?.length ?? 0) > FACT_VALUE_LENGTH_MAX) {
    return `it is longer than ${FACT_VALUE_LENGTH_MAX} characters`;
  }
  const isLate = before !== undefined && compareFacts(before, fact) >= 0;
  return isLate ? 'a later word is known already' : undefined;
}
