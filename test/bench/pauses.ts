/** Stretches of time in which something waited for too long. */
export type Pause = {
  /** By the clock of `performance.timeOrigin`, in milliseconds. */
  readonly fromMs: number;
  readonly toMs: number;
  /** The longest that anything waited in it. */
  readonly longestMs: number;
};

/** Of these, more say nothing more. */
const PAUSES_MAX = 10_000;

/** Those from `minMs` on; waits that overlap are one pause. */
export function createPauses(minMs: number) {
  const pauses: { fromMs: number; toMs: number; longestMs: number }[] = [];
  let longestMs = 0;
  return {
    /** Something waited from one time to the other, both by `performance.now()`. */
    add(fromMs: number, toMs: number): void {
      const waitedMs = toMs - fromMs;
      if (waitedMs > longestMs) longestMs = waitedMs;
      if (waitedMs < minMs) return;
      const last = pauses.at(-1);
      const [from, to] = [fromMs + performance.timeOrigin, toMs + performance.timeOrigin];
      if (last !== undefined && from <= last.toMs) {
        last.fromMs = Math.min(last.fromMs, from);
        last.toMs = Math.max(last.toMs, to);
        last.longestMs = Math.max(last.longestMs, waitedMs);
      } else if (pauses.length < PAUSES_MAX) {
        pauses.push({ fromMs: from, toMs: to, longestMs: waitedMs });
      }
    },
    longestMs: () => longestMs,
    all: (): readonly Pause[] => pauses,
  };
}

/** Those that something else explains: it paused, too, for at least half of the longest wait. */
export function explainedBy(
  pauses: readonly Pause[],
  others: readonly Pause[],
): ReadonlySet<Pause> {
  const shared = (one: Pause, other: Pause): number =>
    Math.max(0, Math.min(one.toMs, other.toMs) - Math.max(one.fromMs, other.fromMs));
  return new Set(
    pauses.filter((pause) => {
      const sharedMs = others.reduce((sum, other) => sum + shared(pause, other), 0);
      return sharedMs >= pause.longestMs / 2;
    }),
  );
}

/** A stretch of time by the same clock. */
export type Span = Pick<Pause, 'fromMs' | 'toMs'>;

/** Those in which something of the other kind went on, however shortly. */
export function overlapping(pauses: Iterable<Pause>, spans: readonly Span[]): ReadonlySet<Pause> {
  return new Set(
    [...pauses].filter(({ fromMs, toMs }) =>
      spans.some((span) => span.fromMs <= toMs && span.toMs >= fromMs),
    ),
  );
}
