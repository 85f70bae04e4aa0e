import { abortReason, checkDrill, type DrillSituation } from '../drill/guard.ts';
import {
  type DrillPhases,
  type DrillPlan,
  drainOverride,
  drillPhase,
  planDrill,
  stopDrillPlan,
  untilNextPhaseMs,
} from '../drill/plan.ts';
import { type PlannedSlots, predictShares, type SteeredName } from '../drill/predict.ts';
import type { WordOf } from '../health/health-words.ts';
import type { Override } from '../health/override.ts';
import type { Clock } from './clock.ts';
import type {
  Counts,
  DrillPrediction,
  DrillRequest,
  DrillStatus,
  Problem,
} from './control-plane.ts';
import type { Events } from './events.ts';
import type { Overrides } from './overrides.ts';

/**
 * Runs drills: counts answers before, drains the region, counts during, lets the drain lapse at the
 * deadline, counts after. The drain is an override with an expiry, so it reverts by itself even when
 * nothing of this is left to revert it.
 */
export type Drills = {
  predict(request: DrillRequest): DrillPrediction | Problem;
  start(request: DrillRequest): Promise<DrillStatus | Problem>;
  stop(id: string, by: string): Promise<DrillStatus | Problem>;
  list(): readonly DrillStatus[];
  /** The id of the drill that runs now. */
  running(): string | undefined;
  close(): void;
};

export type DrillWorld = {
  readonly clock: Clock;
  readonly overrides: Overrides;
  readonly events: Events;
  situation(): Omit<DrillSituation, 'running'>;
  /** Requests per second by region, as far as balancers report them. */
  loads(): readonly { readonly region: string; readonly requestsPerSecond: number }[];
  steeredNames(): readonly SteeredName[];
  /** Where clients go by the capacity plan, now and without a region. */
  planned?(region: string): PlannedSlots;
  word: WordOf;
  /** Steered answers given so far, by region. */
  answers(): Counts;
  readonly phases?: DrillPhases;
};

/** Finished drills that are remembered; how often a running one looks at its guards. */
const DRILLS_KEPT_MAX = 50;
const GUARD_INTERVAL_MS = 500;

type Run = {
  plan: DrillPlan;
  prediction: DrillPrediction;
  state: DrillStatus['state'];
  note: string;
  drained: boolean;
  /** Totals at the start, at the drain, at its end, and now or at the end of all. */
  marks: { start: Counts; drain?: Counts; revert?: Counts; end?: Counts };
};

export function createDrills(world: DrillWorld): Drills {
  const runs: Run[] = [];
  let lastIdMs = 0;
  let cancelTick: () => void = () => {};
  const active = (): Run | undefined => runs.find(({ state }) => state === 'running');

  const examine = (request: DrillRequest) => {
    const names = predictShares(
      world.steeredNames(),
      world.word,
      request.region,
      world.planned?.(request.region),
    );
    const running = active();
    const situation = {
      ...world.situation(),
      running: running && { id: running.plan.id, region: running.plan.request.region },
    };
    const { refusals, warnings } = checkDrill(request, situation, names);
    return { refusals, prediction: { region: request.region, names, warnings } };
  };

  const tick = (): void => {
    cancelTick();
    const run = active();
    if (!run) return;
    advance(world, run);
    if (run.state !== 'running') return;
    // Not a moment later than the phase: its answers would be counted to the one before.
    const nextMs = untilNextPhaseMs(run.plan, world.clock.nowMs());
    cancelTick = world.clock.setTimer(Math.min(GUARD_INTERVAL_MS, nextMs), tick);
  };

  return {
    predict(request) {
      const { refusals, prediction } = examine(request);
      const hard = refusals.find(
        ({ code }) => code === 'unknown-region' || code === 'duration-out-of-range',
      );
      if (hard) return refuse(hard);
      const objections = refusals.map(({ message }) => message);
      return { ...prediction, warnings: [...objections, ...prediction.warnings] };
    },
    async start(request) {
      const { refusals, prediction } = examine(request);
      if (refusals[0]) return refuse(refusals[0]);
      const nowMs = world.clock.nowMs();
      lastIdMs = Math.max(nowMs, lastIdMs + 1);
      const plan = planDrill(request, nowMs, `drill-${lastIdMs.toString(36)}`, world.phases);
      const start = world.answers();
      const run: Run = {
        plan,
        prediction,
        state: 'running',
        note: '',
        drained: false,
        marks: { start },
      };
      runs.push(run);
      runs.splice(0, runs.length - DRILLS_KEPT_MAX);
      const message = `Drill of ${request.region} for ${request.durationSeconds} s by ${request.by}: ${request.reason}`;
      world.events.record('drill.start', request.region, message);
      tick();
      return statusOf(world, run);
    },
    async stop(id, by) {
      const run = runs.find(({ plan }) => plan.id === id);
      if (!run) return notFound(id);
      if (run.state !== 'running') {
        return {
          problem: 'conflict',
          code: 'drill-over',
          message: `Drill ${id} is already ${run.state}.`,
        };
      }
      await finish(world, run, 'stopped', `Stopped by ${by}.`);
      return statusOf(world, run);
    },
    list: () => runs.map((run) => statusOf(world, run)),
    running: () => active()?.plan.id,
    close: () => cancelTick(),
  };
}

/** One step of a running drill: whatever is due now. */
function advance(world: DrillWorld, run: Run): void {
  const nowMs = world.clock.nowMs();
  const phase = drillPhase(run.plan, nowMs);
  if (phase === 'before') return;
  if (!run.drained) {
    if (phase === 'during') void drain(world, run, nowMs);
    else void finish(world, run, 'aborted', TOO_LATE);
    return;
  }
  if (phase === undefined) {
    void finish(world, run, 'finished', run.note);
    return;
  }
  if (phase === 'after') {
    run.marks.revert ??= world.answers();
    return;
  }
  const situation = { ...world.situation(), running: undefined };
  const reason = abortReason(run.plan.request, situation, world.loads());
  if (reason !== undefined) void finish(world, run, 'aborted', reason);
}

const TOO_LATE = 'Nothing was drained: this node stood still until after the deadline.';

/** In force at once; the store hears of it later, if at all. */
async function drain(world: DrillWorld, run: Run, nowMs: number): Promise<void> {
  const { plan } = run;
  const wanted = drainOverride(plan, nowMs);
  if (!wanted) return;
  run.drained = true;
  run.marks.drain = world.answers();
  const override: Override = {
    target: wanted.target,
    action: 'drain',
    reason: wanted.reason,
    by: wanted.by,
    setAtMs: nowMs,
    expiresAtMs: plan.deadlineMs,
    drill: plan.id,
  };
  const { region } = plan.request;
  world.events.record('drill.drain', region, `Drill ${plan.id} drains ${region}.`);
  const { refused } = await world.overrides.set(override);
  if (refused !== undefined) await finish(world, run, 'aborted', `Nothing is drained: ${refused}.`);
}

async function finish(
  world: DrillWorld,
  run: Run,
  state: DrillStatus['state'],
  note: string,
): Promise<void> {
  run.state = state;
  run.note = note;
  if (state !== 'finished') run.plan = stopDrillPlan(run.plan, world.clock.nowMs());
  run.marks.end = world.answers();
  const { id, request } = run.plan;
  const level = state === 'aborted' ? 'warn' : 'info';
  const message = `Drill ${id} ${state}. ${note}`.trim();
  world.events.record(`drill.${state}`, request.region, message, level);
  await world.overrides.clear(({ drill }) => drill === id);
}

function statusOf(world: DrillWorld, run: Run): DrillStatus {
  const { marks, plan } = run;
  const now = marks.end ?? world.answers();
  const drainMark = marks.drain ?? now;
  const revertMark = marks.revert ?? now;
  return {
    id: plan.id,
    region: plan.request.region,
    state: run.state,
    startedAtMs: plan.startsAtMs,
    endsAtMs: plan.endsAtMs,
    by: plan.request.by,
    prediction: run.prediction,
    observed: {
      before: difference(marks.start, drainMark),
      during: difference(drainMark, marks.drain ? revertMark : drainMark),
      after: difference(revertMark, marks.revert ? now : revertMark),
    },
    note: run.note,
  };
}

function difference(from: Counts, to: Counts): Counts {
  return to.map(({ region, answers }) => ({
    region,
    answers: answers - (from.find((count) => count.region === region)?.answers ?? 0),
  }));
}

function refuse({ code, message, hint }: { code: string; message: string; hint: string }): Problem {
  const problem =
    code === 'unknown-region'
      ? 'not-found'
      : code === 'duration-out-of-range'
        ? 'invalid'
        : 'refused';
  return { problem, code, message, hint };
}

function notFound(id: string): Problem {
  return {
    problem: 'not-found',
    code: 'unknown-drill',
    message: `There is no drill ${id}.`,
    hint: 'GET /api/v1/drills lists them.',
  };
}
