/**
 * Whether a vantage point believes its own eyes. One whose uplink, resolver or host is broken sees the
 * whole world fail; its word would take healthy regions from the clients near it, and several such
 * words from everybody. So when more than half of things that have nothing to do with each other fail
 * at once, it is likelier that the eye is broken than the world.
 *
 * Things: each canary (something well known that is not ours), and each other region as one. A region
 * that a vantage point elsewhere sees failing too is no sign against this one: regions do
 * die, also two at a time. With fewer than THINGS_MIN of them nothing can be told, and it is trusted.
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

/** Judges a vantage point by what it sees now. */
export function selfTrust(sights: readonly Sight[]): SelfTrust {
  const unexplained = sights.filter(
    ({ confirmed, failing, isCanary }) => failing && (isCanary || !confirmed),
  );
  const isBroken =
    sights.length >= THINGS_MIN && unexplained.length > sights.length * DISTRUST_SHARE;
  if (!isBroken) return { trusted: true, reason: '' };
  const names = unexplained.map(({ thing }) => thing).join(', ');
  return {
    trusted: false,
    reason: `${unexplained.length} of ${sights.length} unrelated things fail at once (${names})`,
  };
}
