/**
 * Whether a vantage point believes its own eyes. One whose uplink, resolver or host is broken sees the
 * whole world fail; its word would take healthy regions from the clients near it, and several such
 * words from everybody. So when more than half of things that have nothing to do with each other fail
 * at once, it is likelier that the eye is broken than the world.
 *
 * Things: each canary (something well known that is not ours), and each other region as one. A region
 * that a vantage point elsewhere sees failing too is no sign against this one, since regions do
 * die, also two at a time; nor is it one for it, since two broken eyes see the same things fail. With
 * fewer than THINGS_MIN of them nothing can be told, and it is trusted.
 */
export type Sight = {
  /** A canary's name or a region's. */
  readonly thing: string;
  readonly isCanary: boolean;
  readonly failing: boolean;
  /** Somebody else, who is trusted, sees it failing as well. */
  readonly confirmed: boolean;
};

export type SelfTrust = { readonly trusted: boolean; readonly reason: string };

/** Fewer unrelated things than this tell nothing. */
export const THINGS_MIN = 3;
/** More than this share failing at once is the eye's fault. */
export const DISTRUST_SHARE = 0.5;
/** One thing that fails is that thing's own trouble, though nothing else be left to compare. */
const UNEXPLAINED_MIN = 2;

/** Judges a vantage point by what it sees now. */
export function selfTrust(sights: readonly Sight[]): SelfTrust {
  const telling = sights.filter(
    ({ confirmed, failing, isCanary }) => !failing || isCanary || !confirmed,
  );
  const unexplained = telling.filter(({ failing }) => failing);
  const isBroken =
    sights.length >= THINGS_MIN &&
    unexplained.length >= UNEXPLAINED_MIN &&
    unexplained.length > telling.length * DISTRUST_SHARE;
  if (!isBroken) return { trusted: true, reason: '' };
  const names = unexplained.map(({ thing }) => thing).join(', ');
  return {
    trusted: false,
    reason: `${unexplained.length} of ${telling.length} unrelated things fail at once (${names})`,
  };
}
