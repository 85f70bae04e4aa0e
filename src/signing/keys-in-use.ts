/**
 * Which keys sign what: the newest sign what comes to be served, and what is served keeps those that it was
 * signed with. The signer hears of a key before its zone shows it, and a signature of one that
 * is not shown is no good to anybody.
 */
export type KeysInUse<Keys> = {
  newest(): Keys;
  set(keys: Keys): void;
  /** The newest, with which this generation is signed now; it may never come to be served. */
  sign(generation: number): Keys;
  isSigned(generation: number): boolean;
  /** This generation is served: with the keys that it was signed with here, or else the newest. */
  serve(generation: number): void;
  served(): Keys;
  /** Whether something was signed with the newest. */
  isNewestUsed(): boolean;
};

export function createKeysInUse<Keys>(first: Keys): KeysInUse<Keys> {
  const signed = new Map<number, Keys>();
  let [newest, served, lastUsed] = [first, first, first];
  return {
    newest: () => newest,
    served: () => served,
    isNewestUsed: () => newest === lastUsed,
    set(keys) {
      newest = keys;
    },
    sign(generation) {
      signed.set(generation, newest);
      lastUsed = newest;
      return newest;
    },
    isSigned: (generation) => signed.has(generation),
    serve(generation) {
      served = signed.get(generation) ?? newest;
      for (const known of signed.keys()) if (known <= generation) signed.delete(known);
    },
  };
}
