/**
 * Signed records under names that nobody foresaw, kept by a worker after the signer has made them once: names
 * that are asked for again (the hosts of a wildcard, a name that a popular program looks for in vain)
 * cost a look-up, not a way to the signer. A flood of names that are asked for once passes through: it
 * takes the place of what was not asked for again, and of nothing else.
 */

/** What is signed: `first` and `second` are rows of the snapshot's tables, by kind. */
export type Learned = {
  readonly kind: LearnedKind;
  readonly first: number;
  readonly second: number;
  /** Of steered records: those that are signed, for they change with health. */
  readonly content: Uint8Array;
  /** Lower-cased. */
  readonly owner: Uint8Array;
  /** As they are written into an answer. */
  readonly records: Uint8Array;
};

/** A static RRset of a wildcard (its row), under another name. */
export const LEARNED_RRSET = 1;
/** Steered records of a wildcard (row of the service, and their octets), under another name. */
export const LEARNED_BODY = 2;
/** Proof of what a name has not (rows of the zone and of the NSEC RRset whose types it has). */
export const LEARNED_DENIAL = 3;
export type LearnedKind = typeof LEARNED_RRSET | typeof LEARNED_BODY | typeof LEARNED_DENIAL;

/** Entries of one worker, some hundreds of octets each. */
export const LEARNED_MAX = 8192;
/** Of one entry; what is longer is asked for each time. */
export const LEARNED_LENGTH_MAX = 1024;
const WAYS = 4;

export type LearnedRecords = {
  /** No allocation; undefined = not known. The owner is the first octets of `owner`. */
  recall(
    kind: LearnedKind,
    first: number,
    second: number,
    content: Uint8Array,
    owner: Uint8Array,
    ownerLength: number,
  ): Uint8Array | undefined;
  learn(learned: Learned): void;
  /** After a change of what is served. */
  clear(): void;
};

/** @param seed so that nobody from outside knows which names share a place */
export function createLearnedRecords(seed: number, max = LEARNED_MAX): LearnedRecords {
  const sets = max / WAYS;
  const entries: (Learned | undefined)[] = Array.from({ length: max });
  /** Asked for again since it was last looked at. */
  const isUsed = new Uint8Array(max);
  const find = (
    kind: LearnedKind,
    first: number,
    second: number,
    content: Uint8Array,
    owner: Uint8Array,
    ownerLength: number,
  ): number => {
    let hash = Math.imul(seed ^ kind, 0x9e3779b1) ^ Math.imul(first, 0x85ebca6b) ^ second;
    for (let at = 0; at < ownerLength; at += 1) hash = Math.imul(hash ^ owner[at]!, 0x01000193);
    const from = ((hash ^ (hash >>> 15)) >>> 0) % sets;
    for (let way = 0; way < WAYS; way += 1) {
      const entry = entries[from * WAYS + way];
      if (
        entry !== undefined &&
        entry.kind === kind &&
        entry.first === first &&
        entry.second === second &&
        isSame(entry.owner, owner, ownerLength) &&
        isSame(entry.content, content, content.length)
      )
        return from * WAYS + way;
    }
    return -1 - from;
  };
  /** Where the search for room in a set begins. */
  const hands = new Uint8Array(sets);
  const roomIn = (set: number): number => {
    const hand = hands[set]!;
    let found = hand;
    for (let way = 0; way < WAYS; way += 1) {
      const slot = set * WAYS + ((hand + way) % WAYS);
      if (entries[slot] === undefined || isUsed[slot] === 0) {
        found = slot % WAYS;
        break;
      }
    }
    // When all were asked for again, they have to be once more.
    if (isUsed[set * WAYS + found] === 1) isUsed.fill(0, set * WAYS, (set + 1) * WAYS);
    hands[set] = (found + 1) % WAYS;
    return set * WAYS + found;
  };
  return {
    recall(kind, first, second, content, owner, ownerLength) {
      const slot = find(kind, first, second, content, owner, ownerLength);
      if (slot < 0) return undefined;
      isUsed[slot] = 1;
      return entries[slot]!.records;
    },
    learn(learned) {
      const { content, first, kind, owner, records, second } = learned;
      if (content.length + owner.length + records.length > LEARNED_LENGTH_MAX) return;
      const slot = find(kind, first, second, content, owner, owner.length);
      const place = slot < 0 ? roomIn(-1 - slot) : slot;
      entries[place] = learned;
      isUsed[place] = 0;
    },
    clear() {
      entries.fill(undefined);
      isUsed.fill(0);
    },
  };
}

function isSame(a: Uint8Array, b: Uint8Array, length: number): boolean {
  if (a.length !== length) return false;
  for (let at = 0; at < length; at += 1) if (a[at] !== b[at]) return false;
  return true;
}
