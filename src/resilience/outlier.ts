import {
  isRateOutlier,
  latencyOutlierMs,
  type PoolRates,
  poolRates,
} from './outlier-statistics.ts';

/**
 * Passive outlier detection (Envoy `outlier_detection.proto`): what requests show of a server that no
 * probe sees. A server whose answers are out of line first loses weight, then all its traffic, for
 * longer each time in a row:
 *
 *        detected            detected again
 *    in ---------> reduced -----------------> ejected
 *     ^ \             |                      ^    |
 *     |  '------------+-- times in a row > 0 '    |
 *     '--- its time is over, or a probe succeeds -'
 *              or no other server is left
 *
 * Never while no other server takes requests, and for no longer than one does; never more than a share
 * of the pool: beyond that the trouble is everybody's, and taking servers out makes it worse. All times
 * come from the caller.
 */

/** Each detector is off, only watches and says so (`explain`), or acts. */
export type DetectorMode = 'off' | 'observe' | 'enforce';

/** `local` is what this balancer saw itself: no connection, a reset, no answer in time. */
export const OUTCOME = { ok: 0, serverError: 1, gateway: 2, local: 3 } as const;
export type Outcome = (typeof OUTCOME)[keyof typeof OUTCOME];

/** 502, 503 and 504 are a server's words about what is behind it; other 5xx about itself. */
export function outcomeOfStatus(status: number): Outcome {
  if (status < 500) return OUTCOME.ok;
  return status >= 502 && status <= 504 ? OUTCOME.gateway : OUTCOME.serverError;
}

export const DETECTORS = [
  'consecutive-local',
  'consecutive-gateway',
  'consecutive-5xx',
  'success-rate',
  'failure-percentage',
  'latency',
] as const;
export type Detector = (typeof DETECTORS)[number];

export type OutlierRules = {
  readonly modes: Readonly<Record<Detector, DetectorMode>>;
  /** Failures in a row that the consecutive detectors wait for. */
  readonly consecutive: number;
  /** Out if its success rate is below mean - this × standard deviation. */
  readonly stdevFactor: number;
  /** Out if this share of its requests fails, 0..1. */
  readonly failureShare: number;
  /** Out if its average time is so many times the median of the pool. */
  readonly latencyFactor: number;
  /** Fewer servers with enough requests say nothing about each other. */
  readonly serversMin: number;
  /** Requests in an interval below which a server's rates say nothing. */
  readonly successRequestsMin: number;
  readonly failureRequestsMin: number;
  readonly latencyRequestsMin: number;
  readonly baseMs: number;
  readonly maxMs: number;
  /** Up to so much is added, so that servers do not come back in one moment. */
  readonly jitterMs: number;
  /** Of the pool, 0..1; at least one of three or more, never the last. */
  readonly ejectedShareMax: number;
  /** Weight factor of the first step, 0..1; undefined = eject at once. */
  readonly reducedWeight: number | undefined;
  /** A probe's success ends an ejection; off where probes do not do what requests do. */
  readonly probeEndsEjection: boolean;
};

export const DEFAULT_OUTLIER_RULES: OutlierRules = {
  modes: {
    'consecutive-local': 'enforce',
    'consecutive-gateway': 'enforce',
    'consecutive-5xx': 'observe',
    'success-rate': 'enforce',
    'failure-percentage': 'observe',
    latency: 'observe',
  },
  consecutive: 5,
  stdevFactor: 1.9,
  failureShare: 0.85,
  latencyFactor: 4,
  serversMin: 3,
  successRequestsMin: 100,
  failureRequestsMin: 50,
  latencyRequestsMin: 20,
  baseMs: 30_000,
  maxMs: 300_000,
  jitterMs: 5000,
  ejectedShareMax: 0.33,
  reducedWeight: 0.1,
  probeEndsEjection: true,
};

/** How often `sweep` is to be called: rates are of this long. */
export const OUTLIER_INTERVAL_MS = 10_000;

export const LEVEL = { in: 0, reduced: 1, ejected: 2 } as const;
/** Why a detection was not acted on. */
export const HELD = { no: 0, observed: 1, share: 2, last: 3 } as const;

/** Slot i belongs to the server with index i; three counters in a row of failures per server. */
export type OutlierState = {
  readonly level: Uint8Array;
  /** When reduced or ejected ends; 0 = it is in. */
  readonly untilMs: Float64Array;
  /** Times in a row; falls by one per interval that it is in. */
  readonly times: Uint16Array;
  readonly consecutive: Uint32Array;
  /** Of this interval. */
  readonly requests: Uint32Array;
  readonly failures: Uint32Array;
  readonly answered: Uint32Array;
  /** Moving average of answers that came, milliseconds; 0 = none yet. */
  readonly averageMs: Float64Array;
  /** The last detection: 1 + its place in DETECTORS, 0 = none; what it saw; why it did nothing. */
  readonly detector: Uint8Array;
  readonly evidence: Float64Array;
  readonly held: Uint8Array;
  readonly detectedAtMs: Float64Array;
};

export function createOutlierState(servers: number): OutlierState {
  return {
    level: new Uint8Array(servers),
    untilMs: new Float64Array(servers),
    times: new Uint16Array(servers),
    consecutive: new Uint32Array(CONSECUTIVE * servers),
    requests: new Uint32Array(servers),
    failures: new Uint32Array(servers),
    answered: new Uint32Array(servers),
    averageMs: new Float64Array(servers),
    detector: new Uint8Array(servers),
    evidence: new Float64Array(servers),
    held: new Uint8Array(servers),
    detectedAtMs: new Float64Array(servers),
  };
}

/** Counters in a row per server: local, gateway, any 5xx; in the order of DETECTORS. */
const CONSECUTIVE = 3;
/** nginx `least_time`: an answer has a twentieth of the say. */
const AVERAGE_SHARE = 0.05;
const TIMES_MAX = 65_535;

/**
 * A request has ended.
 * @param inService 1 for servers that take requests unless they are ejected
 * @param elapsedMs of an answer; it counts for its latency only when it is one
 * @param draw a random number in [0, 1), for the jitter
 * @returns true when the level of the server has changed
 */
export function observeOutcome(
  state: OutlierState,
  rules: OutlierRules,
  inService: Uint8Array,
  server: number,
  outcome: Outcome,
  elapsedMs: number,
  nowMs: number,
  draw: number,
): boolean {
  state.requests[server]! += 1;
  const first = CONSECUTIVE * server;
  if (outcome === OUTCOME.ok) {
    // A call of `fill` costs more than the three.
    for (let row = first; row < first + CONSECUTIVE; row++) state.consecutive[row] = 0;
    state.answered[server]! += 1;
    const before = state.averageMs[server]!;
    state.averageMs[server] =
      before === 0 ? elapsedMs : before + AVERAGE_SHARE * (elapsedMs - before);
    return false;
  }
  state.failures[server]! += 1;
  if (outcome === OUTCOME.local) {
    state.consecutive[first]! += 1;
    return detectRow(state, rules, inService, server, 0, nowMs, draw);
  }
  // An answer, even a bad one, shows that it can be reached.
  state.consecutive[first] = 0;
  state.consecutive[first + 2]! += 1;
  if (outcome === OUTCOME.gateway) state.consecutive[first + 1]! += 1;
  else state.consecutive[first + 1] = 0;
  const byGateway = detectRow(state, rules, inService, server, 1, nowMs, draw);
  return detectRow(state, rules, inService, server, 2, nowMs, draw) || byGateway;
}

function detectRow(
  state: OutlierState,
  rules: OutlierRules,
  inService: Uint8Array,
  server: number,
  row: number,
  nowMs: number,
  draw: number,
): boolean {
  const count = state.consecutive[CONSECUTIVE * server + row]!;
  if (count < rules.consecutive) return false;
  state.consecutive[CONSECUTIVE * server + row] = 0;
  return detect(state, rules, inService, server, row, count, nowMs, draw);
}

/**
 * The end of an interval: rates are judged, those who have served their time come back, times in a row
 * are forgiven. @returns how many levels have changed
 */
export function sweep(
  state: OutlierState,
  rules: OutlierRules,
  inService: Uint8Array,
  nowMs: number,
  draw: number,
): number {
  let changed = endEjections(state, nowMs);
  for (const [server, level] of state.level.entries()) {
    if (level === LEVEL.in && state.times[server]! > 0) state.times[server]! -= 1;
  }
  const rates = poolRates(state, rules);
  // The worst first: there may be room for one only.
  for (const server of rates.worstFirst) {
    if (sweepServer(state, rules, rates, inService, server, nowMs, draw)) changed += 1;
  }
  state.requests.fill(0);
  state.failures.fill(0);
  state.answered.fill(0);
  return changed;
}

function sweepServer(
  state: OutlierState,
  rules: OutlierRules,
  rates: PoolRates,
  inService: Uint8Array,
  server: number,
  nowMs: number,
  draw: number,
): boolean {
  const requests = state.requests[server]!;
  const failed = state.failures[server]! / Math.max(1, requests);
  let changed = false;
  if (isRateOutlier(rates, server, 1 - failed, rules)) {
    changed = detect(state, rules, inService, server, 3, 1 - failed, nowMs, draw);
  }
  const isCounted = requests >= rules.failureRequestsMin && rates.busy >= rules.serversMin;
  if (!changed && isCounted && failed >= rules.failureShare) {
    changed = detect(state, rules, inService, server, 4, failed, nowMs, draw);
  }
  const limitMs = latencyOutlierMs(rates, rules);
  const averageMs = state.averageMs[server]!;
  const isTimed = state.answered[server]! >= rules.latencyRequestsMin;
  if (!changed && isTimed && averageMs > limitMs) {
    changed = detect(state, rules, inService, server, 5, averageMs, nowMs, draw);
  }
  return changed;
}

/** A detector has something against a server: act, or remember why not. */
function detect(
  state: OutlierState,
  rules: OutlierRules,
  inService: Uint8Array,
  server: number,
  detector: number,
  evidence: number,
  nowMs: number,
  draw: number,
): boolean {
  const mode = rules.modes[DETECTORS[detector]!];
  const level = state.level[server]!;
  if (mode === 'off' || level === LEVEL.ejected) return false;
  // What only watches does not cover up why a server is reduced, or what another was held back from.
  if (mode === 'observe' && level !== LEVEL.in) return false;
  const isHeldNow = state.held[server]! > HELD.observed && state.detectedAtMs[server] === nowMs;
  if (mode === 'observe' && isHeldNow) return false;
  state.detector[server] = detector + 1;
  state.evidence[server] = evidence;
  state.detectedAtMs[server] = nowMs;
  const isFirstStep =
    level === LEVEL.in && state.times[server] === 0 && rules.reducedWeight !== undefined;
  const next = isFirstStep ? LEVEL.reduced : LEVEL.ejected;
  let held: number = HELD.no;
  if (mode === 'observe') held = HELD.observed;
  else if (!isFirstStep) held = heldBack(state, rules, inService, server);
  state.held[server] = held;
  if (held === HELD.no) {
    state.level[server] = next;
    if (next === LEVEL.ejected) {
      state.times[server] = Math.min(TIMES_MAX, state.times[server]! + 1);
    }
    forgetRequests(state, server);
  }
  if (state.level[server] === LEVEL.in) return false;
  const times = Math.max(1, state.times[server]!);
  state.untilMs[server] = nowMs + ejectionMs(times, rules) + draw * rules.jitterMs;
  return held === HELD.no;
}

/** The next step needs evidence of its own. */
function forgetRequests(state: OutlierState, server: number): void {
  state.requests[server] = 0;
  state.failures[server] = 0;
  state.answered[server] = 0;
  state.consecutive.fill(0, CONSECUTIVE * server, CONSECUTIVE * (server + 1));
}

/** Base × times in a row, up to the maximum. */
export function ejectionMs(times: number, { baseMs, maxMs }: OutlierRules): number {
  return Math.min(baseMs * times, Math.max(baseMs, maxMs));
}

/** So many of a pool may be ejected: one of three or more, else the share; never all. */
export function ejectedMax(servers: number, { ejectedShareMax }: OutlierRules): number {
  const least = servers >= 3 && ejectedShareMax > 0 ? 1 : 0;
  return Math.min(servers - 1, Math.max(least, Math.floor(servers * ejectedShareMax)));
}

/** Why the server may not be ejected now. */
function heldBack(
  { level }: OutlierState,
  rules: OutlierRules,
  inService: Uint8Array,
  server: number,
): number {
  let ejected = 0;
  let others = 0;
  for (const [other, at] of level.entries()) {
    if (at === LEVEL.ejected) ejected += 1;
    else if (other !== server) others += inService[other]!;
  }
  if (others === 0) return HELD.last;
  return ejected >= ejectedMax(level.length, rules) ? HELD.share : HELD.no;
}

/**
 * When those who took the requests of the ejected are gone too (down, draining), the ejected come back at
 * once: a server that fails some requests is better than none. @returns how many
 */
export function readmitLast(
  state: OutlierState,
  healthy: Uint8Array,
  inService: Uint8Array,
): number {
  for (const [server, level] of state.level.entries()) {
    if (level !== LEVEL.ejected && inService[server] === 1) return 0;
  }
  let readmitted = 0;
  for (const [server, level] of state.level.entries()) {
    if (level !== LEVEL.ejected || healthy[server] === 0) continue;
    letBackIn(state, server);
    readmitted += 1;
  }
  return readmitted;
}

/** Those whose time is over come back. @returns how many */
export function endEjections(state: OutlierState, nowMs: number): number {
  let ended = 0;
  for (const [server, untilMs] of state.untilMs.entries()) {
    if (untilMs === 0 || untilMs > nowMs) continue;
    letBackIn(state, server);
    ended += 1;
  }
  return ended;
}

/** A probe of the server has succeeded. @returns true when that ended its ejection */
export function observeProbeSuccess(
  state: OutlierState,
  rules: OutlierRules,
  server: number,
): boolean {
  if (!rules.probeEndsEjection || state.level[server] === LEVEL.in) return false;
  letBackIn(state, server);
  return true;
}

/** What was held against it is forgotten, but not how often. */
function letBackIn(state: OutlierState, server: number): void {
  state.level[server] = LEVEL.in;
  state.untilMs[server] = 0;
  state.detector[server] = 0;
  state.held[server] = HELD.no;
  state.averageMs[server] = 0;
  forgetRequests(state, server);
}

/** What its weight is multiplied with: 0 when it is ejected. */
export function outlierWeight(state: OutlierState, rules: OutlierRules, server: number): number {
  const level = state.level[server];
  if (level === LEVEL.ejected) return 0;
  return level === LEVEL.reduced ? (rules.reducedWeight ?? 1) : 1;
}
