import type { z } from 'zod';

/**
 * The contract of a store: small durable facts shared by nodes. Nothing on a query or request path
 * ever waits for one. Values are text (JSON mostly); versions grow and are never reused for a key, not
 * even after the store was emptied.
 *
 * A store may be away at any time, from the start on: every call then rejects, at once when that is
 * known, else within about a second, and watchers are told afterwards what they missed. Keys are 1 to
 * 512 bytes without control characters, values at most 4 MiB (contract/limits.ts); a call with others
 * rejects.
 */

export type Entry = { readonly key: string; readonly value: string; readonly version: number };

/** `value` undefined means that the key is gone (deleted or its lease ran out). */
export type Change = {
  readonly key: string;
  readonly value: string | undefined;
  readonly version: number;
  /**
   * Nobody decided this: the store lost what it held, because it was emptied or fell back to an
   * older state. The key is gone, or has an older value. Who holds the fact should write it again.
   */
  readonly isLoss?: true;
};

/** A watcher has missed something and has now been told all of it. */
export type Resync = {
  /** Some of the changes that were just told have `isLoss`. */
  readonly hasLosses: boolean;
};

export type LogEntry = { readonly id: string; readonly atMs: number; readonly value: string };

/** `connecting` only until the first attempt has succeeded or failed. */
export type StoreStatus =
  | { readonly state: 'connecting' }
  | { readonly state: 'ready' }
  | { readonly state: 'away'; readonly reason: string };

export type Store = {
  get(key: string): Promise<Entry | undefined>;
  /** Writes only when the key's version is `expectedVersion` (0 = absent); undefined value deletes. */
  compareAndSet(
    key: string,
    expectedVersion: number,
    value: string | undefined,
  ): Promise<{ readonly ok: boolean; readonly version: number }>;
  /** Entries in the order of their keys (by bytes). */
  list(prefix: string): Promise<readonly Entry[]>;
  /**
   * Calls back for every change under `prefix` after the call; returns the function that stops it.
   * After a time without the store it tells what differs from what was told before, deletions too,
   * then calls `onResync`: callers compare what they hold with the store and write what it lacks.
   * A watcher that begins while the store is away is told everything when it comes back.
   */
  watch(
    prefix: string,
    onChange: (change: Change) => void,
    onResync?: (resync: Resync) => void,
  ): () => void;
  /** Sets the key for `ttlMs`; calling again renews it. When it is not renewed the key disappears. */
  lease(key: string, value: string, ttlMs: number): Promise<void>;
  /** Appends to a bounded log (oldest dropped beyond `limit`), returns the entry's id. */
  append(log: string, value: string, limit: number): Promise<string>;
  /** Entries with an id after `afterId` ('' = from the oldest), oldest first, at most `count`. */
  read(log: string, afterId: string, count: number): Promise<readonly LogEntry[]>;
  status(): StoreStatus;
  /** Calls back when `state` changes; the reason alone may change silently. Returns what stops it. */
  onStatus(listener: (status: StoreStatus) => void): () => void;
  /** The time by the store's clock, the same for all who share it; null when it is not known. */
  nowMs(): number | null;
  close(): Promise<void>;
};

/** What a store needs of the world besides its own connection: the time, so that tests can move it. */
export type StoreClock = { nowMs(): number; setTimer(ms: number, run: () => void): () => void };

export type StoreKind<Options = unknown> = {
  readonly kind: string;
  readonly summary: string;
  readonly options: z.ZodType<Options>;
  /** Resolves also when the store cannot be reached; it keeps trying, `status` says why. */
  open(options: Options, clock: StoreClock): Promise<Store>;
};
