/**
 * "Did you mean": the known word nearest to a misspelt one. Distance is Damerau-Levenshtein in its
 * restricted form, since a swapped pair of letters is the commonest slip.
 */

/** Longer words are not compared: nobody misspells them, and the work grows with the square. */
const WORD_LENGTH_MAX = 64;
/** `prob` is `prober`, but one or two letters begin too many words. */
const PREFIX_LENGTH_MIN = 3;
const KNOWN_WORDS_SHOWN_MAX = 12;

/** A hint for an unknown word: the nearest known one, else the list when it is short, else nothing. */
export function didYouMean(word: string, known: readonly string[]): string | undefined {
  const nearest = nearestWord(word, known);
  if (nearest !== undefined) return `did you mean "${nearest}"?`;
  if (known.length === 0 || known.length > KNOWN_WORDS_SHOWN_MAX) return undefined;
  return `known: ${[...known].sort().join(', ')}`;
}

/** The known word that is near enough to be what was meant: about one slip in three letters. */
export function nearestWord(word: string, known: readonly string[]): string | undefined {
  if (word.length > WORD_LENGTH_MAX) return undefined;
  const wanted = word.toLowerCase();
  const begun = known.filter((candidate) => candidate.toLowerCase().startsWith(wanted));
  if (begun.length === 1 && word.length >= PREFIX_LENGTH_MIN) return begun[0];
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    if (candidate.length > WORD_LENGTH_MAX) continue;
    const distance = editDistance(wanted, candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let distance = Math.min(
        last[column]! + 1,
        current[column - 1]! + 1,
        last[column - 1]! + (same ? 0 : 1),
      );
      const swapped =
        row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) distance = Math.min(distance, beforeLast[column - 2]! + 1);
      current.push(distance);
    }
    beforeLast = last;
    last = current;
  }
  return last[b.length]!;
}
