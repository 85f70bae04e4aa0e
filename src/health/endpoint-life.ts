import type { JudgedHealth } from './endpoint-health.ts';

/**
 * What an endpoint's past means for its present: since when it is judged down (the withdrawal limit
 * counts those), and when it came back after it had been out of the answers (slow return).
 */
export type EndpointLife = {
  /** Since when it is judged down; undefined = it is not. */
  readonly downSinceMs?: number | undefined;
  /** It was out of the answers when last looked at. */
  readonly isOut: boolean;
  /** When it last came back; undefined = it never was out, or a person forced it in. */
  readonly returnedAtMs?: number | undefined;
};

/** An endpoint of which nothing is known. */
export const NEW_LIFE: EndpointLife = { isOut: false };

/**
 * The life after one more look.
 *
 * @param isOut not to be answered: judged down and not frozen, or taken out by a person
 * @param isForcedIn a person's word brought it in: all at once
 */
export function nextLife(
  life: EndpointLife,
  judged: JudgedHealth,
  { isForcedIn, isOut }: { readonly isOut: boolean; readonly isForcedIn: boolean },
  nowMs: number,
): EndpointLife {
  const downSinceMs = judged === 'down' ? (life.downSinceMs ?? nowMs) : undefined;
  if (isOut || isForcedIn) return { downSinceMs, isOut, returnedAtMs: undefined };
  return { downSinceMs, isOut, returnedAtMs: life.isOut ? nowMs : life.returnedAtMs };
}
