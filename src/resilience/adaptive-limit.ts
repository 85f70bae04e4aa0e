/**
 * How many requests a server can have at a time, found out by their times (Netflix concurrency-limits,
 * `Gradient2Limit`): while the short average is near the long one the limit grows by its square root;
 * when it is longer, requests are queueing somewhere and the limit shrinks in proportion.
 *
 *   gradient = clamp(tolerance × long / short, 0.5, 1)
 *   limit    = smooth(limit × gradient + max(4, √limit))
 *
 * Under a load that never ends the long average creeps up to the short one and the limit with it, and a
 * server that has become slower looks overloaded for ever. So when the short average has been above the
 * long one for a minute, the limit is cut to a third and both averages begin anew. (Netflix's drift rule
 * goes down to the minimum, and Envoy pins it there each minute. A third is enough: in that minute the
 * limit gets to about twice what the server can do, so nothing queues after the cut; after half it would.)
 */
export type AdaptiveLimitRules = {
  readonly limitMin: number;
  readonly limitMax: number;
  readonly limitStart: number;
  /** Times are averaged over windows of this length with at least `samplesMin` answers. */
  readonly windowMs: number;
  readonly samplesMin: number;
  /** Windows that the averages are over. */
  readonly shortWindows: number;
  readonly longWindows: number;
  /** Short may be so many times long without being a sign of queueing. */
  readonly tolerance: number;
  /** The say of a lower limit, 0..1; a higher one counts at once. */
  readonly smoothing: number;
  /** Windows in a row with short above long, after which both begin anew. */
  readonly driftWindows: number;
};

export const DEFAULT_ADAPTIVE_LIMIT: AdaptiveLimitRules = {
  limitMin: 4,
  limitMax: 1000,
  limitStart: 20,
  windowMs: 100,
  samplesMin: 10,
  shortWindows: 10,
  longWindows: 3000,
  tolerance: 1.5,
  smoothing: 0.2,
  driftWindows: 600,
};

/** Slot i belongs to the server with index i. */
export type AdaptiveLimitState = {
  readonly limit: Float64Array;
  readonly shortMs: Float64Array;
  readonly longMs: Float64Array;
  /** Windows in a row with short above long. */
  readonly above: Uint32Array;
  /** Windows left until averages that began anew are believed. */
  readonly settling: Uint8Array;
  /** Of the window that is open: when it began, times, answers, the most requests in flight. */
  readonly windowStartMs: Float64Array;
  readonly sumMs: Float64Array;
  readonly samples: Uint32Array;
  readonly inFlightMax: Uint32Array;
};

export function createAdaptiveLimitState(
  servers: number,
  rules: AdaptiveLimitRules,
): AdaptiveLimitState {
  return {
    limit: new Float64Array(servers).fill(rules.limitStart),
    shortMs: new Float64Array(servers),
    longMs: new Float64Array(servers),
    above: new Uint32Array(servers),
    settling: new Uint8Array(servers).fill(SETTLING_WINDOWS),
    windowStartMs: new Float64Array(servers).fill(Number.NaN),
    sumMs: new Float64Array(servers),
    samples: new Uint32Array(servers),
    inFlightMax: new Uint32Array(servers),
  };
}

/** Requests that the server may have at a time. */
export function adaptiveLimit({ limit }: AdaptiveLimitState, server: number): number {
  return Math.floor(limit[server]!);
}

/**
 * The server has answered, or let a time limit pass. What failed quickly must not be told: it would look
 * like a fast server.
 * @param inFlight requests that it had until this one ended, this one included: the most of a window counts
 */
export function observeAnswer(
  state: AdaptiveLimitState,
  rules: AdaptiveLimitRules,
  server: number,
  elapsedMs: number,
  inFlight: number,
  nowMs: number,
): void {
  if (Number.isNaN(state.windowStartMs[server]!)) state.windowStartMs[server] = nowMs;
  state.sumMs[server]! += elapsedMs;
  state.samples[server]! += 1;
  state.inFlightMax[server] = Math.max(state.inFlightMax[server]!, inFlight);
  const isOver = nowMs - state.windowStartMs[server]! >= rules.windowMs;
  if (!isOver || state.samples[server]! < rules.samplesMin) return;
  const meanMs = Math.max(TIME_MIN_MS, state.sumMs[server]! / state.samples[server]!);
  closeWindow(state, rules, server, meanMs);
  state.windowStartMs[server] = nowMs;
  state.sumMs[server] = 0;
  state.samples[server] = 0;
  state.inFlightMax[server] = 0;
}

/** What is in flight from before a cut is answered in the first of them. */
const SETTLING_WINDOWS = 3;
const DRIFT_CUT = 3;
const GRADIENT_MIN = 0.5;
const HEADROOM_MIN = 4;
/** A clock of whole milliseconds says 0 for what is quicker. */
const TIME_MIN_MS = 0.1;

function closeWindow(
  state: AdaptiveLimitState,
  rules: AdaptiveLimitRules,
  server: number,
  meanMs: number,
): void {
  if (state.settling[server]! > 0) {
    state.settling[server]! -= 1;
    state.shortMs[server] = state.longMs[server] = meanMs;
    return;
  }
  const shortMs = average(state.shortMs[server]!, meanMs, rules.shortWindows);
  let longMs = average(state.longMs[server]!, meanMs, rules.longWindows);
  // After a long overload: do not wait for the long average to come down.
  if (longMs > 2 * shortMs) longMs *= LONG_DECAY;
  state.shortMs[server] = shortMs;
  state.longMs[server] = longMs;
  state.above[server] = shortMs > longMs ? state.above[server]! + 1 : 0;
  const limit = state.limit[server]!;
  if (state.above[server]! >= rules.driftWindows) {
    state.above[server] = 0;
    state.settling[server] = SETTLING_WINDOWS;
    state.limit[server] = Math.max(rules.limitMin, limit / DRIFT_CUT);
    return;
  }
  // A limit that nobody reaches says nothing about a higher one.
  if (state.inFlightMax[server]! < limit / 2) return;
  const gradient = Math.max(GRADIENT_MIN, Math.min(1, (rules.tolerance * longMs) / shortMs));
  let next = limit * gradient + Math.max(HEADROOM_MIN, Math.sqrt(limit));
  if (next < limit) next = limit * (1 - rules.smoothing) + next * rules.smoothing;
  state.limit[server] = Math.max(rules.limitMin, Math.min(rules.limitMax, next));
}

const LONG_DECAY = 0.95;

/** Exponentially weighted, as if over so many windows. */
function average(before: number, value: number, windows: number): number {
  return before + ((value - before) * 2) / (windows + 1);
}
