/**
 * Whom to measure next, and how: each target once in an interval, those that never answer more seldom, and never more
 * than whoever asks for the next one allows. It does nothing by itself: the prober asks, measures, and tells.
 *
 * A measurement is EXCHANGES round trips by one method, of which the shortest counts; a method that is not answered
 * gives way to the next. So each exchange is one `next()`, and a bound on those bounds all that is sent.
 */
import type { NetworkSpan } from './network-key.ts';

export type ProbeTarget = {
  readonly address: string;
  /** In the order in which they are tried. */
  readonly methods: readonly ProbeWay[];
  /** Networks that it stands for. */
  readonly networks: readonly NetworkSpan[];
};

export type ProbeWay = { readonly kind: 'dns' | 'tcp' | 'icmp'; readonly port: number };

export type ProbeExchange = { readonly target: ProbeTarget; readonly way: ProbeWay };

/** How far a target is. */
export type ProbeReading = {
  readonly target: ProbeTarget;
  readonly rttMs: number;
  readonly deviationMs: number;
};

export type ProbeRound = {
  /** Whom to measure from now on. Who comes back is not due earlier than it was. */
  aim(targets: readonly ProbeTarget[], nowMs: number): void;
  /** What is due, the longest overdue first; undefined = nothing is. To be followed by `heard`. */
  next(nowMs: number): ProbeExchange | undefined;
  /** @param rttMs undefined = nobody answered. Returns what is known now. */
  heard(
    exchange: ProbeExchange,
    rttMs: number | undefined,
    nowMs: number,
  ): ProbeReading | undefined;
  readonly counts: () => ProbeCounts;
};

export type ProbeCounts = {
  readonly targets: number;
  /** That answered when they were measured last. */
  readonly answering: number;
};

/** Round trips of a measurement. */
export const EXCHANGES = 2;
/** Between them. */
const AGAIN_MS = 1000;
/** Targets that nobody answers for are tried after twice the time, four times…, up to this many. */
const BACK_OFF_MAX = 32;
/** An interval is as long as it is said by this part of it, either way. */
const JITTER = 0.2;

type State = {
  readonly target: ProbeTarget;
  isWanted: boolean;
  /** Infinity = an exchange is under way. */
  dueMs: number;
  method: number;
  /** Methods that were not answered, one after the other. */
  unanswered: number;
  /** Rounds in which no method was. */
  silences: number;
  isAnswering: boolean;
  times: number[];
};

/** @param draw in [0, 1) */
export function createProbeRound(intervalMs: () => number, draw: () => number): ProbeRound {
  const states = new Map<string, State>();
  const rest = (times: number): number => intervalMs() * times * (1 + JITTER * (2 * draw() - 1));
  return {
    aim(targets, nowMs) {
      for (const state of states.values()) state.isWanted = false;
      for (const target of targets) {
        const key = keyOf(target);
        const known = states.get(key);
        if (known === undefined) states.set(key, begin(target, nowMs));
        else known.isWanted = true;
      }
      for (const [key, { dueMs, isWanted }] of states) {
        if (!isWanted && dueMs <= nowMs) states.delete(key);
      }
    },
    next(nowMs) {
      let first: State | undefined;
      for (const state of states.values()) {
        if (!state.isWanted || state.dueMs > nowMs) continue;
        if (first === undefined || state.dueMs < first.dueMs) first = state;
      }
      if (first === undefined) return undefined;
      first.dueMs = Number.POSITIVE_INFINITY;
      return { target: first.target, way: first.target.methods[first.method]! };
    },
    heard({ target }, rttMs, nowMs) {
      const state = states.get(keyOf(target));
      if (state === undefined) return undefined;
      const reading = rttMs === undefined ? unanswered(state) : answered(state, rttMs);
      const isOver = reading !== undefined || state.unanswered === target.methods.length;
      if (isOver && reading === undefined) fallSilent(state);
      const waits = Math.min(BACK_OFF_MAX, 2 ** state.silences);
      state.dueMs = nowMs + (isOver ? rest(waits) : AGAIN_MS);
      if (isOver) state.unanswered = 0;
      return reading;
    },
    counts() {
      const wanted = [...states.values()].filter(({ isWanted }) => isWanted);
      const answering = wanted.filter(({ isAnswering }) => isAnswering).length;
      return { targets: wanted.length, answering };
    },
  };
}

const keyOf = ({ address, methods, networks }: ProbeTarget): string =>
  JSON.stringify([address, methods, networks]);

const begin = (target: ProbeTarget, nowMs: number): State => ({
  ...{ target, isWanted: true, dueMs: nowMs },
  ...{ method: 0, unanswered: 0, silences: 0, isAnswering: false, times: [] },
});

function answered(state: State, rttMs: number): ProbeReading | undefined {
  state.times.push(rttMs);
  if (state.times.length < EXCHANGES) return undefined;
  const shortest = Math.min(...state.times);
  const deviationMs = Math.max(...state.times) - shortest;
  state.times = [];
  state.silences = 0;
  state.isAnswering = true;
  return { target: state.target, rttMs: shortest, deviationMs };
}

/** The next method is tried, and kept as long as it is answered. */
function unanswered(state: State): undefined {
  state.times = [];
  state.unanswered += 1;
  state.method = (state.method + 1) % state.target.methods.length;
}

function fallSilent(state: State): void {
  state.silences = Math.min(Math.log2(BACK_OFF_MAX), state.silences + 1);
  state.isAnswering = false;
}
