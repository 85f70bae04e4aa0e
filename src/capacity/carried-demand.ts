import { squareKey } from './slots-table.ts';

/**
 * Demands by class of those classes that there are now. A new map of clients gives many classes other names; what those
 * asked for that are no more is asked for by others of the same square now, and by others of the pool where nobody of
 * the square has asked yet. Else there would seem to be room for everybody after each map.
 */
export function carriedDemands(
  demands: ReadonlyMap<string, number>,
  isKnown: (key: string) => boolean,
): ReadonlyMap<string, number> {
  const here = new Map([...demands].filter(([key]) => isKnown(key)));
  const gone = [...demands].filter(([key]) => !isKnown(key));
  if (gone.length === 0) return here;
  const bySquare = sums(here, squareKey);
  const byPool = sums(here, poolKey);
  const toSquares = sums(
    gone.filter(([key]) => bySquare.has(squareKey(key))),
    squareKey,
  );
  const toPools = sums(
    gone.filter(([key]) => !bySquare.has(squareKey(key))),
    poolKey,
  );
  const factor = (more: ReadonlyMap<string, number>, of: ReadonlyMap<string, number>, at: string) =>
    (more.get(at) ?? 0) / of.get(at)!;
  return new Map(
    [...here].map(([key, demand]) => {
      const [square, pool] = [squareKey(key), poolKey(key)];
      const more = factor(toSquares, bySquare, square) + factor(toPools, byPool, pool);
      return [key, demand * (1 + more)] as const;
    }),
  );
}

const poolKey = (key: string): string => key.split(' ', 1).join();

function sums(
  demands: Iterable<readonly [string, number]>,
  keyOf: (key: string) => string,
): ReadonlyMap<string, number> {
  const all = new Map<string, number>();
  for (const [key, demand] of demands) all.set(keyOf(key), (all.get(keyOf(key)) ?? 0) + demand);
  return all;
}
