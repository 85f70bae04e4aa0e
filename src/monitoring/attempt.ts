import type { ProbeKind, ProbeResult } from '../probe/probe.ts';
import type { Agenda } from './agenda.ts';
import type { MonitoringClock, MonitoringJob } from './monitoring.ts';

/**
 * One attempt that always settles: by itself, at the timeout, or when it is cancelled. The timeout is
 * time in which this process could have seen an answer: what it lost to other work, or to being
 * stopped, is given back, and when too much of it was lost the attempt says nothing about the target.
 */
export type Attempt = {
  readonly result: Promise<ProbeResult>;
  /** Whether it ran into its timeout. */
  isTimedOut(): boolean;
  cancel(): void;
};

/** A timeout that comes later than this after its time says nothing about the target. */
export const STALL_MS = 1_000;
/** How long after its signal a kind may still say itself what happened. */
export const SETTLE_GRACE_MS = 100;

export function attemptProbe(
  kind: ProbeKind,
  { target, options, rules: { timeoutMs } }: MonitoringJob,
  { agenda, clock }: { readonly agenda: Agenda; readonly clock: MonitoringClock },
): Attempt {
  const controller = new AbortController();
  const startMs = clock.nowMs();
  const lostBeforeMs = agenda.lostMs();
  const { promise: given, resolve: give } = Promise.withResolvers<ProbeResult>();
  let grantedMs = 0;
  let isTimedOut = false;
  let cancelTimer = (): void => {};

  const fault = (reason: string, local: boolean): ProbeResult => {
    return { ok: false, rttMs: clock.nowMs() - startMs, reason, local };
  };
  const abort = (reason: string): void => {
    controller.abort(reason);
    give(fault(reason, true));
  };
  const onDeadline = (): void => {
    const nowMs = clock.nowMs();
    const lostMs = agenda.lostMs() - lostBeforeMs;
    const isLate = nowMs - startMs > timeoutMs + grantedMs + STALL_MS;
    if (isLate || lostMs > timeoutMs + STALL_MS) {
      abort('this process was stalled');
    } else if (lostMs > grantedMs) {
      cancelTimer = agenda.at(nowMs + lostMs - grantedMs, onDeadline);
      grantedMs = lostMs;
    } else {
      isTimedOut = true;
      const reason = `timeout after ${timeoutMs} ms`;
      controller.abort(reason);
      // A kind that does not heed its signal must not hold the slot.
      cancelTimer = agenda.at(nowMs + SETTLE_GRACE_MS, () => give(fault(reason, false)));
    }
  };
  cancelTimer = agenda.at(startMs + timeoutMs, onDeadline);
  const run = kind
    .run(target, options, controller.signal)
    // A kind never rejects; one that does has a bug and has seen nothing of the target.
    .catch((error): ProbeResult => ({ ok: false, rttMs: 0, reason: String(error), local: true }));
  const result = Promise.race([given, run]).finally(() => cancelTimer());
  return { result, isTimedOut: () => isTimedOut, cancel: () => abort('cancelled') };
}
