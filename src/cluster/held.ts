/** What the store is known to have under a key; no stamp = something that is no fact. */
export type Held = { readonly version: number; readonly stamp: string | undefined };

export type HeldMap = {
  get(key: string): Held | undefined;
  /** Undefined: the store has nothing there. */
  set(key: string, held: Held | undefined): void;
  /** A mark in the order of what was learned. */
  now(): number;
  /** Something was learned of the key after the mark. */
  isSince(key: string, mark: number): boolean;
  keepOnly(keys: ReadonlySet<string>, mark: number): void;
};

/** What is known of the store, and in which order it was learned: a list is older than a later notice. */
export function createHeld(): HeldMap {
  const byKey = new Map<string, Held & { readonly at: number }>();
  /** Keys that were found absent, until the next comparison. */
  const absent = new Map<string, number>();
  let count = 0;
  return {
    get: (key) => byKey.get(key),
    set(key, held) {
      count += 1;
      if (held === undefined) {
        byKey.delete(key);
        absent.set(key, count);
        return;
      }
      absent.delete(key);
      byKey.set(key, { ...held, at: count });
    },
    now: () => count,
    isSince: (key, mark) => (byKey.get(key)?.at ?? absent.get(key) ?? 0) > mark,
    keepOnly(keys, mark) {
      for (const [key, { at }] of byKey) if (!keys.has(key) && at <= mark) byKey.delete(key);
      for (const [key, at] of absent) if (at <= mark) absent.delete(key);
    },
  };
}
