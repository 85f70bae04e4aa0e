import type { ProbeKind, ProbeResult } from '../probe/probe.ts';
import type { Agenda } from './agenda.ts';
import type { MonitoringClock, MonitoringJob } from './monitoring.ts';

/**
 * One attempt that always settles: by itself, at the timeout, or when it is cancelled. The timeout is
 * time in which this process could have seen an answer: what it lost to other work, or to being
 * stopped, is given back, and when too much of it was lost the attempt says nothing about the target.
 *
 * With `retryMs` an attempt that has no answer after that time asks a second time beside the first,
 * as a resolver would: a lost packet is not a dead target, and TCP repeats one far too late for a
 * short timeout. A success of either is the result; a failure when none is left that could succeed.
 */
export type Attempt = {
  readonly result: Promise<ProbeResult>;
  /** Whether it ran into its timeout. */
  isTimedOut(): boolean;
  cancel(): void;
};

/** A timeout that comes later than this after its time says nothing about the target. */
export const STALL_MS = 1_000;
/** The reason then: nobody was there to look, and nothing is wrong but that. */
export const STALLED = 'this process was stalled';
/** How long after its signal a kind may still say itself what happened. */
export const SETTLE_GRACE_MS = 100;

export function attemptProbe(
  kind: ProbeKind,
  { target, options, rules: { retryMs, timeoutMs } }: MonitoringJob,
  { agenda, clock }: { readonly agenda: Agenda; readonly clock: MonitoringClock },
): Attempt {
  const controller = new AbortController();
  const startMs = clock.nowMs();
  const lostBeforeMs = agenda.lostMs();
  const { promise: given, resolve: give } = Promise.withResolvers<ProbeResult>();
  let grantedMs = 0;
  let isTimedOut = false;
  let cancelTimer = (): void => {};
  let cancelRetry = (): void => {};
  let open = 0;

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
      abort(STALLED);
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
  const ask = (): void => {
    open += 1;
    const answer = kind
      .run(target, options, controller.signal)
      // A kind never rejects; one that does has a bug and has seen nothing of the target.
      .catch((error): ProbeResult => ({ ok: false, rttMs: 0, reason: String(error), local: true }));
    void answer.then((each) => {
      open -= 1;
      if (!each.ok && open > 0) return;
      give(each);
      // The other one has nothing to add.
      if (open > 0) controller.abort('answered');
    });
  };
  ask();
  const mayRetry = retryMs !== undefined && kind.inFlightMax === undefined;
  if (mayRetry) cancelRetry = agenda.at(startMs + retryMs, ask);
  const result = given.finally(() => {
    cancelTimer();
    cancelRetry();
  });
  return { result, isTimedOut: () => isTimedOut, cancel: () => abort('cancelled') };
}
