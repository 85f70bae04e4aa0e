/**
 * What people have said of overrides in a simulated world, and which word followed on which. A word
 * replaces all that its node knew of the target when it was said; what is left of a target are its
 * heads, several when it was said on two sides of a partition.
 */
export type WordLedger = {
  /** A word on this node, which replaces those that it knew. `expiresMs` by the world's own time. */
  say(word: Omit<Word, 'isReplaced' | 'isUncertain'>, known: readonly string[]): void;
  /** The node lost its disk: what it has just said may be lost with it. */
  forget(node: string, sinceMs: number): void;
  /** Why a node must not have these in force; undefined when it may. */
  /**
   * @param slackMs clocks may be off by this
   * @param settledMs words that are younger may still be on their way
   */
  problem(
    inForce: readonly string[],
    nowMs: number,
    slackMs: number,
    settledMs: number,
  ): string | undefined;
  readonly size: () => number;
};

export type Word = {
  readonly id: string;
  readonly target: string;
  readonly node: string;
  readonly kind: 'set' | 'clear';
  readonly atMs: number;
  readonly expiresMs: number | undefined;
  isReplaced: boolean;
  isUncertain: boolean;
};

export function createWordLedger(): WordLedger {
  const words = new Map<string, Word>();
  const headsOf = (target: string): readonly Word[] =>
    [...words.values()].filter((word) => word.target === target && !word.isReplaced);
  return {
    size: () => words.size,
    say(word, known) {
      for (const id of known) {
        const old = words.get(id);
        if (old !== undefined) old.isReplaced = true;
      }
      // A clear says that it knows nothing in force: earlier clears of its node are behind it as well.
      for (const old of words.values()) {
        if (old.target === word.target && old.node === word.node && old.atMs < word.atMs) {
          old.isReplaced = true;
        }
      }
      words.set(word.id, { ...word, isReplaced: false, isUncertain: false });
    },
    forget(node, sinceMs) {
      for (const word of words.values()) {
        if (word.node === node && word.atMs >= sinceMs) word.isUncertain = true;
      }
    },
    problem(inForce, nowMs, slackMs, settledMs) {
      for (const id of inForce) {
        const word = words.get(id);
        if (word === undefined) return `${id} was never said`;
        if (headsOf(word.target).some(({ atMs }) => nowMs - atMs < settledMs)) continue;
        if (word.isReplaced && !headsOf(word.target).some((head) => head.isUncertain)) {
          return `${id} on ${word.target} is back: it was replaced`;
        }
        if (word.expiresMs !== undefined && nowMs > word.expiresMs + slackMs) {
          return `${id} on ${word.target} should have run out`;
        }
      }
      for (const word of words.values()) {
        if (word.kind !== 'set' || word.isReplaced || inForce.includes(word.id)) continue;
        const isOver = word.expiresMs !== undefined && nowMs > word.expiresMs - slackMs;
        const isAlone = headsOf(word.target).length === 1 && nowMs - word.atMs >= settledMs;
        if (isAlone && !isOver && !word.isUncertain) return `${word.id} on ${word.target} is lost`;
      }
      return undefined;
    },
  };
}
