/**
 * Draws by Zipf's law, as names are asked for: the one of rank r (from 0 on) is drawn as often as 1 / (r + 1) to the
 * power of `exponent` is of the sum of these over all ranks.
 * @param random whole numbers of 32 bits
 */
export function createZipf(count: number, exponent: number, random: () => number): () => number {
  const upTo = new Float64Array(count);
  let sum = 0;
  for (let rank = 0; rank < count; rank += 1) {
    sum += (rank + 1) ** -exponent;
    upTo[rank] = sum;
  }
  return () => {
    const drawn = (random() / 2 ** 32) * sum;
    let [first, last] = [0, count - 1];
    while (first < last) {
      const middle = (first + last) >> 1;
      if (upTo[middle]! > drawn) last = middle;
      else first = middle + 1;
    }
    return first;
  };
}
