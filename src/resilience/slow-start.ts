/**
 * A server that comes back gets its weight bit by bit (Envoy `slow_start_config`, HAProxy `slowstart`), so
 * that cold caches are not run over. The same factor is for its limit of connections. Only a failure that
 * was seen starts it: not the first verdict after the process began, when all would be slow together.
 *
 * Times come from the caller and never go back.
 */
export type SlowStartRules = {
  /** How long until it has its whole weight; 0 = at once. */
  readonly windowMs: number;
  /** The factor that it begins with, 0 < factor <= 1. */
  readonly minFactor: number;
  /** 1 = a straight line; more = faster at first. */
  readonly aggression: number;
  /** Each return begins up to so much later, so that servers do not return in step. */
  readonly jitterMs: number;
};

export const DEFAULT_SLOW_START: SlowStartRules = {
  windowMs: 30_000,
  minFactor: 0.1,
  aggression: 1,
  jitterMs: 3000,
};

/** Slot i belongs to the server with index i. */
export type SlowStartState = {
  /** The last verdict: 0 = none yet, 1 = healthy, 2 = not. */
  readonly verdict: Uint8Array;
  /** When its ramp began; 0 = it has its whole weight. */
  readonly startMs: Float64Array;
};

export function createSlowStartState(servers: number): SlowStartState {
  return { verdict: new Uint8Array(servers), startMs: new Float64Array(servers) };
}

/**
 * The verdict on a server, changed or not.
 * @param draw a random number in [0, 1), for the jitter
 * @returns true when a ramp has begun
 */
export function observeVerdict(
  state: SlowStartState,
  rules: SlowStartRules,
  server: number,
  healthy: boolean,
  nowMs: number,
  draw: number,
): boolean {
  const before = state.verdict[server]!;
  state.verdict[server] = healthy ? HEALTHY : UNHEALTHY;
  if (!healthy || before !== UNHEALTHY) return false;
  startRamp(state, rules, server, nowMs, draw);
  return true;
}

/** For what is no verdict: the end of an ejection, or a server that joins a pool at work. */
export function startRamp(
  state: SlowStartState,
  rules: SlowStartRules,
  server: number,
  nowMs: number,
  draw: number,
): void {
  state.startMs[server] = nowMs + draw * rules.jitterMs;
}

/** What its weight is multiplied with, minFactor..1. */
export function slowStartFactor(
  { startMs }: SlowStartState,
  { aggression, minFactor, windowMs }: SlowStartRules,
  server: number,
  nowMs: number,
): number {
  const start = startMs[server]!;
  if (start === 0 || windowMs === 0 || nowMs >= start + windowMs) return 1;
  const part = Math.max(0, nowMs - start) / windowMs;
  return Math.max(minFactor, part ** (1 / aggression));
}

const HEALTHY = 1;
const UNHEALTHY = 2;
