import { isIP } from 'node:net';
import type { ProbeTimings } from '../health/observation.ts';
import { abortReason, type Finding, failure } from './failure.ts';
import type { ProbeResult, ProbeTarget } from './probe.ts';

/**
 * The course of one attempt, the same for every kind: it settles exactly once, with what the work
 * found, with what it threw, or when the signal aborts; then everything that it opened is closed.
 * A kind is thereby only the work: straight down, throwing what goes wrong.
 */
export type Course = {
  readonly target: ProbeTarget;
  /** Milliseconds of a clock that does not jump. */
  nowMs(): number;
  /** A phase that began at `sinceMs` is over. */
  note(phase: keyof ProbeTimings, sinceMs: number): void;
  /** Closes something at the end, what came last first; at once when the end has come. */
  onEnd(close: () => void): void;
};

export function runCourse(
  target: ProbeTarget,
  signal: AbortSignal,
  work: (course: Course) => Promise<Finding>,
): Promise<ProbeResult> {
  if (signal.aborted) return Promise.resolve({ ok: false, rttMs: 0, reason: abortReason(signal) });
  if (isIP(target.address) === 0) {
    return Promise.resolve({ ok: false, rttMs: 0, reason: 'the target is not an IP address' });
  }
  const startMs = performance.now();
  const timings: Record<string, number> = {};
  const closes: (() => void)[] = [];
  let isOver = false;
  return new Promise((resolve) => {
    const settle = (finding: Finding): void => {
      if (isOver) return;
      isOver = true;
      signal.removeEventListener('abort', onAbort);
      for (const close of closes.toReversed()) close();
      const rttMs = performance.now() - startMs;
      const hasTimings = Object.keys(timings).length > 0;
      resolve({ ...finding, rttMs, ...(hasTimings ? { timings: { ...timings } } : {}) });
    };
    const onAbort = (): void => settle({ ok: false, reason: abortReason(signal) });
    signal.addEventListener('abort', onAbort, { once: true });
    const course: Course = {
      target,
      nowMs: () => performance.now(),
      note(phase, sinceMs) {
        timings[phase] = performance.now() - sinceMs;
      },
      onEnd(close) {
        if (isOver) close();
        else closes.push(close);
      },
    };
    // An async function of its own, so that a throw before the first wait is a rejection too.
    (async () => work(course))().then(settle, (error) => settle(failure(error, target.address)));
  });
}
