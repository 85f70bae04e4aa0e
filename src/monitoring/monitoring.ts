import type { Observation } from '../health/observation.ts';
import { LEASE_INTERVALS } from '../health/quorum.ts';
import {
  doubt,
  initialVerdict,
  isFailing,
  observe,
  type VerdictRules,
  type VerdictState,
} from '../health/verdict.ts';
import type { ProbeKind, ProbeResult, ProbeTarget } from '../probe/probe.ts';
import { createAgenda } from './agenda.ts';
import { attemptProbe, STALLED } from './attempt.ts';
import {
  firstCountedMs,
  firstDueMs,
  firstSpreadMs,
  nextDueMs,
  type Paces,
  paceAfter,
} from './schedule.ts';
import { createSlots, type Slots } from './slots.ts';
import { exportVerdicts, importVerdicts, type SavedVerdicts } from './verdict-file.ts';

/**
 * Runs probes on time and keeps every vantage point's verdict. It decides nothing: when is
 * schedule.ts, what is the probe kind's, and what follows is health/verdict.ts.
 *
 *   idle ──due──> (waiting for a slot) ──> in flight ──settled or timeout──> verdict, idle
 *
 * A job that is changed, removed or stopped is given a new `attempt`, so that whatever an old attempt
 * still brings is dropped: no orphan checks, no late words about a target that is not ours.
 */
export function createMonitoring(deps: MonitoringDeps): Monitoring {
  const kinds = new Map(deps.probes.map((kind) => [kind.kind, kind]));
  const running = new Map<string, Running>();
  const stopped = new Set<string>();
  const lane = createLane(deps, kinds);
  let saved: SavedVerdicts = new Map();

  return {
    setJobs(jobs) {
      const wanted = new Map(jobs.map((job) => [jobId(job), job]));
      const known = new Map(running);
      for (const [id, each] of known) {
        const job = wanted.get(id);
        if (job !== undefined && JSON.stringify(job) === JSON.stringify(each.job)) {
          wanted.delete(id);
          continue;
        }
        lane.stop(each);
        running.delete(id);
      }
      const spreadMs = firstSpreadMs(wanted.size);
      for (const [id, job] of wanted) {
        if (!kinds.has(job.probe)) throw new Error(`there is no probe kind "${job.probe}"`);
        // A changed monitor asks in another way about the same target: what is known stays known.
        const state = known.get(id)?.state ?? saved.get(id) ?? initialVerdict();
        const each: Running = {
          job,
          id,
          state,
          dueMs: 0,
          anchorMs: undefined,
          attempt: 0,
          ...AT_REST,
        };
        running.set(id, each);
        if (state.recent.length > 0) deps.onVerdict(verdictOf(each));
        if (!stopped.has(job.vantage)) lane.start(each, spreadMs);
      }
      saved = new Map();
    },
    stopVantage(name) {
      stopped.add(name);
      for (const each of running.values()) if (each.job.vantage === name) lane.stop(each);
    },
    startVantage(name) {
      if (!stopped.delete(name)) return;
      const own = [...running.values()].filter(({ job }) => job.vantage === name);
      for (const each of own) lane.start(each, firstSpreadMs(own.length));
    },
    doubt(which, sinceMs) {
      for (const each of running.values()) {
        if (!which(each.job)) continue;
        const state = doubt(each.state, sinceMs);
        if (state === each.state) continue;
        each.state = state;
        deps.onVerdict(verdictOf(each));
        lane.rouse(each);
      }
    },
    hurry(which) {
      for (const each of running.values()) if (which(each.job)) lane.hurry(each);
    },
    inFlight: (which) =>
      [...running.values()].flatMap((each) =>
        each.phase === 'in-flight' && which(each.job) ? [inFlightOf(each)] : [],
      ),
    verdicts: () => [...running.values()].map(verdictOf),
    exportState: (doubtedSinceMs = () => undefined) =>
      exportVerdicts(
        [...running.values()].map(({ id, job, state }) => {
          const sinceMs = doubtedSinceMs(job);
          return { id, state: sinceMs === undefined ? state : doubt(state, sinceMs) };
        }),
      ),
    importState(state) {
      saved = importVerdicts(state, deps.clock.nowMs());
    },
    close() {
      for (const each of running.values()) lane.stop(each);
      running.clear();
      return lane.settled();
    },
  };
}

/** What one vantage point asks of one target, again and again. */
export type MonitoringJob = {
  readonly vantage: string;
  /** Failure domain of the vantage point. */
  readonly group: string;
  /** Names the target and what is asked of it; unique within a vantage point. */
  readonly key: string;
  /** Probe kind and its options, as its schema returned them. */
  readonly probe: string;
  readonly options: unknown;
  readonly target: ProbeTarget;
  readonly rules: JobRules;
};
export type JobRules = VerdictRules &
  Paces & {
    readonly timeoutMs: number;
    /** After this time without an answer the target is asked once more; absent = never. */
    readonly retryMs?: number;
  };

/** A vantage point's word on a target, as quorums want it; plain data that can cross a wire. */
export type VantageVerdict = {
  readonly vantage: string;
  readonly group: string;
  readonly key: string;
  readonly state: VerdictState;
  readonly rules: VerdictRules;
  /** How long after the last observation the word counts. */
  readonly leaseMs: number;
};

/** `setTimer` returns the function that cancels it. */
export type MonitoringClock = {
  nowMs(): number;
  setTimer(ms: number, run: () => void): () => void;
};

export type MonitoringDeps = {
  readonly clock: MonitoringClock;
  /** A random number in [0, 1). */
  readonly draw: () => number;
  readonly probes: readonly ProbeKind[];
  /** Called after every observation, changed or not: it renews the lease. */
  readonly onVerdict: (verdict: VantageVerdict) => void;
  /** Called after every attempt, with why it could not be made; undefined = it was. */
  readonly onAttempt: (job: MonitoringJob, localFault: string | undefined) => void;
};

export type Monitoring = {
  /** From now on exactly these jobs run; unchanged ones go on as if nothing had happened. */
  setJobs(jobs: readonly MonitoringJob[]): void;
  /** Silences a vantage point: no probes, no verdicts, until it is started again. */
  stopVantage(name: string): void;
  startVantage(name: string): void;
  /** What these jobs have seen failing since then counts for nothing (verdict.ts `doubt`): they look anew. */
  doubt(which: (job: MonitoringJob) => boolean, sinceMs: number): void;
  /** Asks these now, unless they have just been asked; their place in the interval stays theirs. */
  hurry(which: (job: MonitoringJob) => boolean): void;
  /** Attempts of these that are under way. */
  inFlight(which: (job: MonitoringJob) => boolean): readonly InFlight[];
  verdicts(): readonly VantageVerdict[];
  /**
   * What is known, as JSON to be kept over a restart.
   * @param doubtedSinceMs from when on a job's failures count for nothing; undefined = they count
   */
  exportState(doubtedSinceMs?: (job: MonitoringJob) => number | undefined): unknown;
  /** Takes what `exportState` gave, before the first `setJobs`; anything else is ignored. */
  importState(state: unknown): void;
  /** Stops everything; resolves when no probe is in flight. */
  close(): Promise<void>;
};

export type InFlight = {
  readonly key: string;
  readonly sinceMs: number;
  /** What its slowest success of late took; undefined = none is remembered. */
  readonly usualMs: number | undefined;
};

/**
 * Probes in flight on one node, whatever the number of monitors: a socket and some 30 KiB each. 10,000
 * monitors a second whose targets all hang for 200 ms need 2000.
 */
export const PROBES_IN_FLIGHT_MAX = 2048;

type Running = {
  readonly job: MonitoringJob;
  readonly id: string;
  state: VerdictState;
  /** The due time from which the next one is counted. */
  dueMs: number;
  /** From where the one after the first is counted, to bring it to its place in the interval. */
  anchorMs: number | undefined;
  /** Grows with every attempt and stop; a result of another attempt is dropped. */
  attempt: number;
  phase: 'idle' | 'scheduled' | 'waiting' | 'in-flight';
  /** When the attempt that is in flight began. */
  askedAtMs: number;
  /** Its last attempt ran into the timeout. */
  isTardy: boolean;
  /** Cancels the timer, or aborts the attempt. */
  cancel: () => void;
};

const none = (): void => {};
const AT_REST = { phase: 'idle', askedAtMs: 0, isTardy: false, cancel: none } as const;
const jobId = (job: MonitoringJob): string => `${job.vantage} ${job.key}`;

function verdictOf({ job, state }: Running): VantageVerdict {
  const { vantage, group, key, rules } = job;
  const { intervalMs } = paceAfter(state, rules);
  const leaseMs = LEASE_INTERVALS * Math.max(rules.intervalMs, intervalMs, rules.timeoutMs);
  return { vantage, group, key, state, rules, leaseMs };
}

function inFlightOf({ askedAtMs, job, state }: Running): InFlight {
  const took = state.recent.flatMap(({ ok, rttMs }) => (ok ? [rttMs] : []));
  const usualMs = took.length > 0 ? Math.max(...took) : undefined;
  return { key: job.key, sinceMs: askedAtMs, usualMs };
}

type Lane = {
  /** @param spreadMs over which time the first probes are spread */
  start(each: Running, spreadMs: number): void;
  hurry(each: Running): void;
  /** It may rest no more: it is asked within an interval. */
  rouse(each: Running): void;
  stop(each: Running): void;
  settled(): Promise<void>;
};

/** The way from due to verdict: the agenda, the bounded number of slots, and attempts. */
function createLane(deps: MonitoringDeps, kinds: ReadonlyMap<string, ProbeKind>): Lane {
  const { clock } = deps;
  const agenda = createAgenda(clock);
  const inFlight = new Set<Promise<void>>();

  const launch = (each: Running, isTardy: boolean): void => {
    each.phase = 'in-flight';
    each.askedAtMs = clock.nowMs();
    each.attempt += 1;
    const mine = each.attempt;
    const kind = kinds.get(each.job.probe)!;
    const attempt = attemptProbe(kind, each.job, { agenda, clock });
    each.cancel = attempt.cancel;
    const settled: Promise<void> = attempt.result.then((outcome) => {
      inFlight.delete(settled);
      each.isTardy = attempt.isTimedOut();
      if (each.attempt === mine) finish(each, outcome);
      slotsOf(kind).leave(isTardy);
    });
    inFlight.add(settled);
  };
  const slotsOf = createSlotsByKind(launch);
  const schedule = (each: Running, atMs: number): void => {
    each.phase = 'scheduled';
    each.cancel = agenda.at(atMs, () => {
      const slots = slotsOf(kinds.get(each.job.probe)!);
      each.phase = 'waiting';
      each.cancel = () => slots.withdraw(each);
      slots.ask(each, each.isTardy);
    });
  };
  const finish = (each: Running, result: ProbeResult): void => {
    const nowMs = clock.nowMs();
    const isLocal = result.local === true;
    if (!isLocal) each.state = observe(each.state, observationOf(result, nowMs), each.job.rules);
    deps.onAttempt(each.job, isLocal && result.reason !== STALLED ? result.reason : undefined);
    // A failure is looked into soon, wherever the place in the interval.
    const fromMs = isFailing(each.state) ? each.dueMs : (each.anchorMs ?? each.dueMs);
    each.anchorMs = undefined;
    each.dueMs = nextDueMs(fromMs, paceAfter(each.state, each.job.rules), deps.draw(), nowMs);
    schedule(each, each.dueMs);
    if (!isLocal) deps.onVerdict(verdictOf(each));
  };
  return {
    start(each, spreadMs) {
      if (each.phase !== 'idle') return;
      const { intervalMs } = each.job.rules;
      const nowMs = clock.nowMs();
      each.dueMs = nowMs + firstDueMs(each.id, intervalMs, spreadMs);
      each.anchorMs = nowMs + firstCountedMs(each.id, intervalMs, spreadMs);
      schedule(each, each.dueMs);
    },
    hurry(each) {
      const nowMs = clock.nowMs();
      const { intervalMs, recheckMs = intervalMs } = each.job.rules;
      const askedMs = each.state.recent.at(-1)?.atMs ?? Number.NEGATIVE_INFINITY;
      if (each.phase !== 'scheduled' || nowMs - askedMs < recheckMs || each.dueMs <= nowMs) return;
      each.cancel();
      each.anchorMs ??= each.dueMs - intervalMs;
      each.dueMs = nowMs;
      schedule(each, nowMs);
    },
    rouse(each) {
      const { intervalMs } = each.job.rules;
      const nowMs = clock.nowMs();
      if (each.phase !== 'scheduled' || each.dueMs <= nowMs + intervalMs) return;
      each.cancel();
      each.dueMs = nowMs + Math.floor(deps.draw() * intervalMs);
      schedule(each, each.dueMs);
    },
    stop(each) {
      each.attempt += 1;
      each.cancel();
      each.cancel = none;
      each.phase = 'idle';
    },
    settled: async () => {
      await Promise.all(inFlight);
      agenda.close();
    },
  };
}

/** One pool of slots for all kinds that cost a socket, and one for each that is dearer. */
function createSlotsByKind(
  launch: (each: Running, isTardy: boolean) => void,
): (kind: ProbeKind) => Slots<Running> {
  const ordinary = createSlots(PROBES_IN_FLIGHT_MAX, launch);
  const dear = new Map<string, Slots<Running>>();
  return ({ inFlightMax, kind }) => {
    if (inFlightMax === undefined) return ordinary;
    const slots = dear.get(kind) ?? createSlots(inFlightMax, launch);
    dear.set(kind, slots);
    return slots;
  };
}

function observationOf({ local: _, ...seen }: ProbeResult, atMs: number): Observation {
  return { atMs, ...seen };
}
