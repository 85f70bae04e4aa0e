/**
 * What a drill does and when. A drill is a rehearsed loss of a region: a short baseline, a drain with
 * a deadline, and a look at whether everything comes back.
 *
 *   startsAtMs        drainAtMs              deadlineMs          endsAtMs
 *       |---- before ----|------- during --------|----- after ------|
 *
 * The deadline is the expiry of the drain's own override, so the region comes back even if whoever
 * started the drill, or this node's control plane, is gone by then.
 */
export type DrillRequest = {
  readonly region: string;
  readonly durationSeconds: number;
  readonly by: string;
  readonly reason: string;
  /** Start although a guard that a person may overrule says no. */
  readonly force?: boolean;
};

export type DrillPhase = 'before' | 'during' | 'after';

export type DrillPlan = {
  readonly id: string;
  readonly request: DrillRequest;
  readonly startsAtMs: number;
  readonly drainAtMs: number;
  readonly deadlineMs: number;
  readonly endsAtMs: number;
};

/** Lengths of the phases around the drain. */
export type DrillPhases = { readonly baselineMs?: number; readonly settleMs?: number };

/** How long answers are counted before the drain, to compare with. */
export const BASELINE_MS = 5_000;
/** How long they are counted afterwards, so that the return is seen. */
export const SETTLE_MS = 10_000;

/** Lays out a drill that starts now. */
export function planDrill(
  request: DrillRequest,
  nowMs: number,
  id: string,
  { baselineMs = BASELINE_MS, settleMs = SETTLE_MS }: DrillPhases = {},
): DrillPlan {
  const drainAtMs = nowMs + baselineMs;
  const deadlineMs = drainAtMs + request.durationSeconds * 1000;
  return {
    id,
    request,
    startsAtMs: nowMs,
    drainAtMs,
    deadlineMs,
    endsAtMs: deadlineMs + settleMs,
  };
}

/** The phase at an instant; undefined before the start and when the drill is over. */
export function drillPhase(plan: DrillPlan, nowMs: number): DrillPhase | undefined {
  if (nowMs < plan.startsAtMs || nowMs >= plan.endsAtMs) return undefined;
  if (nowMs < plan.drainAtMs) return 'before';
  return nowMs < plan.deadlineMs ? 'during' : 'after';
}

/** Milliseconds until the next phase begins or the drill is over; 0 when it is over. */
export function untilNextPhaseMs(plan: DrillPlan, nowMs: number): number {
  const next = [plan.drainAtMs, plan.deadlineMs, plan.endsAtMs].find((atMs) => atMs > nowMs);
  return next === undefined ? 0 : next - nowMs;
}

/**
 * The override that the drill sets at `drainAtMs`. When that is done late, it lasts shorter: the
 * deadline stands. Undefined at or after the deadline.
 */
export function drainOverride(
  plan: DrillPlan,
  nowMs: number,
):
  | {
      readonly target: { readonly kind: 'region'; readonly name: string };
      readonly action: 'drain';
      readonly forSeconds: number;
      readonly reason: string;
      readonly by: string;
      readonly force: boolean;
    }
  | undefined {
  const forSeconds = (plan.deadlineMs - nowMs) / 1000;
  if (forSeconds <= 0) return undefined;
  const { region, reason, by, force = false } = plan.request;
  return {
    target: { kind: 'region', name: region },
    action: 'drain',
    forSeconds,
    reason: reason === '' ? `drill ${plan.id}` : `drill ${plan.id}: ${reason}`,
    by,
    force,
  };
}

/** The plan of a drill that is stopped now: no drain any more, and it is over at once. */
export function stopDrillPlan(plan: DrillPlan, nowMs: number): DrillPlan {
  return {
    ...plan,
    drainAtMs: Math.min(plan.drainAtMs, nowMs),
    deadlineMs: Math.min(plan.deadlineMs, nowMs),
    endsAtMs: Math.min(plan.endsAtMs, nowMs),
  };
}
