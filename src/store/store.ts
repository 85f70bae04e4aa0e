import type { z } from 'zod';

/**
 * The contract of a store: small durable facts shared by nodes. Nothing on a query or request path
 * ever waits for one. Values are JSON text; versions grow and are never reused for a key.
 */

export type Entry = { readonly key: string; readonly value: string; readonly version: number };
/** `value` undefined means that the key is gone (deleted or its lease ran out). */
export type Change = {
  readonly key: string;
  readonly value: string | undefined;
  readonly version: number;
};
export type LogEntry = { readonly id: string; readonly atMs: number; readonly value: string };

export type Store = {
  get(key: string): Promise<Entry | undefined>;
  /** Writes only when the key's version is `expectedVersion` (0 = absent); undefined value deletes. */
  compareAndSet(
    key: string,
    expectedVersion: number,
    value: string | undefined,
  ): Promise<{ readonly ok: boolean; readonly version: number }>;
  list(prefix: string): Promise<readonly Entry[]>;
  /** Calls back for every change under `prefix` after the call; returns the function that stops it. */
  watch(prefix: string, onChange: (change: Change) => void): () => void;
  /** Sets the key for `ttlMs`; calling again renews it. When it is not renewed the key disappears. */
  lease(key: string, value: string, ttlMs: number): Promise<void>;
  /** Appends to a bounded log (oldest dropped beyond `limit`), returns the entry's id. */
  append(log: string, value: string, limit: number): Promise<string>;
  /** Entries with an id after `afterId` ('' = from the oldest), oldest first, at most `count`. */
  read(log: string, afterId: string, count: number): Promise<readonly LogEntry[]>;
  close(): Promise<void>;
};

/** What a store needs of the world besides its own connection: the time, so that tests can move it. */
export type StoreClock = { nowMs(): number; setTimer(ms: number, run: () => void): () => void };

export type StoreKind<Options = unknown> = {
  readonly kind: string;
  readonly summary: string;
  readonly options: z.ZodType<Options>;
  open(options: Options, clock: StoreClock): Promise<Store>;
};
