import type { Clock } from '../control/clock.ts';

/**
 * Serves what has come to zones, and tries again when that fails: the signer or the compiler may have died
 * of it, and nothing else would bring keys or records that are there to those who ask.
 */
export type Refresher = {
  refresh(): void;
  /** Something newer is served: nothing is left to be tried. */
  served(): void;
  close(): void;
};

export type RefresherParts = {
  readonly clock: Pick<Clock, 'setTimer'>;
  /** Why not; [] = it is served. */
  refresh(): Promise<readonly string[]>;
  /** Called once for the same reasons in a row. */
  complain(reasons: readonly string[]): void;
};

/** The pause before the next try; it doubles up to the last. */
export const REFRESH_PAUSE_FIRST_MS = 5000;
export const REFRESH_PAUSE_MAX_MS = 300_000;

export function createRefresher({ clock, complain, refresh }: RefresherParts): Refresher {
  let complaint = '';
  let pauseMs = REFRESH_PAUSE_FIRST_MS;
  let attempts = 0;
  let isClosed = false;
  let cancel = (): void => {};
  const rest = (): void => {
    cancel();
    pauseMs = REFRESH_PAUSE_FIRST_MS;
    complaint = '';
  };
  const attempt = async (): Promise<void> => {
    cancel();
    attempts += 1;
    const own = attempts;
    const reasons = await refresh().catch((error: unknown) => [String(error)]);
    if (reasons.length === 0) return rest();
    // Another one that was asked for meanwhile says how it went.
    if (isClosed || own !== attempts) return;
    const text = reasons.join(' ');
    if (text !== complaint) complain(reasons);
    complaint = text;
    cancel = clock.setTimer(pauseMs, () => void attempt());
    pauseMs = Math.min(REFRESH_PAUSE_MAX_MS, pauseMs * 2);
  };
  return {
    refresh() {
      pauseMs = REFRESH_PAUSE_FIRST_MS;
      void attempt();
    },
    served: rest,
    close() {
      isClosed = true;
      cancel();
    },
  };
}
