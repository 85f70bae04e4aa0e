/**
 * When signatures are good. They are made a while before they are needed to be, so that a resolver's
 * late clock takes them, and renewed long before they end, so that a signer that stands still has days
 * to be noticed. Their ends are spread, so that not all are renewed at one moment.
 */
import type { Validity } from './sign.ts';

export type SigningTimes = {
  /** From making to end. */
  readonly validitySeconds: number;
  /** A signature that ends sooner than this is made anew. */
  readonly refreshSeconds: number;
  /** How far ends are spread. */
  readonly jitterSeconds: number;
};

/** Clocks of resolvers may be late by this much (RFC 6781 4.4.2 asks for hours rather than minutes). */
export const INCEPTION_OFFSET_SECONDS = 3600;

/** Of that, what has to be left when this server's own clock is set back; otherwise it signs anew. */
export const INCEPTION_MARGIN_SECONDS = 1800;

/** Ends of signatures are spread over this part of the time between making and making anew. */
const JITTER_SHARE = 0.25;

export const jitterSecondsOf = (validitySeconds: number, refreshSeconds: number): number =>
  Math.floor((validitySeconds - refreshSeconds) * JITTER_SHARE);

/** Copies are signed anew with their serial, which counts weeks, and have to last until the one after. */
export const COPY_LIFE_SECONDS = 7 * 86_400;

/** @param draw between 0 and 1, of the RRset: the same each time spreads and does not wander */
export function validityAt(nowSeconds: number, draw: number, times: SigningTimes): Validity {
  const spread = Math.floor(draw * times.jitterSeconds);
  return {
    inception: nowSeconds - INCEPTION_OFFSET_SECONDS,
    expiration: nowSeconds + times.validitySeconds - spread,
  };
}

/**
 * Whether a signature has to be made anew: it ends soon, or it is one that would not be made now, for the
 * clock that it was made by was ahead, or signatures were to last longer then.
 */
export function isDue(
  { expiration, inception }: Validity,
  nowSeconds: number,
  { refreshSeconds, validitySeconds }: SigningTimes,
): boolean {
  const leftSeconds = expiration - nowSeconds;
  return (
    leftSeconds < refreshSeconds ||
    leftSeconds > validitySeconds + INCEPTION_MARGIN_SECONDS ||
    inception > nowSeconds - INCEPTION_MARGIN_SECONDS
  );
}
