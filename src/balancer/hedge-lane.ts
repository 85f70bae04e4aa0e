import type { HedgeRules } from '../resilience/hedging.ts';
import { hedgeDelayMs } from '../resilience/hedging.ts';
import { createLatencyQuantile, type LatencyQuantile } from '../resilience/latency-quantile.ts';
import { IDEMPOTENT_METHODS } from '../resilience/retry-rules.ts';
import type { BalancerRuntime, Exchange, Session } from './session.ts';

/**
 * When requests are to be hedged: each route to an upstream is a lane, which knows how long its answers
 * take and in which order its requests become slow. One timer per lane, however many wait in it.
 */
export type HedgeLane = {
  readonly rules: HedgeRules;
  readonly latency: LatencyQuantile;
  /** Whose answer has not begun: about in the order of `hedgeAtMs`. */
  readonly waiting: Set<Session>;
  /** When it is looked at next; infinite = a request has to come first. */
  wakeAtMs: number;
};

/** Of one upstream. */
export type Hedging = {
  readonly rules: HedgeRules;
  /** By the name of the route. */
  readonly lanes: Map<string, HedgeLane>;
  /** Those of the snapshot before: they come over when a request does. */
  readonly former: ReadonlyMap<string, HedgeLane> | undefined;
};

const NEVER_MS = Number.POSITIVE_INFINITY;
/** A timer may be early by this. */
const TIMER_SLACK_MS = 1;

/** @param rules undefined = nothing is hedged */
export function createHedging(
  rules: HedgeRules | undefined,
  former: Hedging | undefined,
): Hedging | undefined {
  if (rules === undefined) return undefined;
  const isSame =
    former?.rules.quantile === rules.quantile && former.rules.leastMs === rules.leastMs;
  return { rules, lanes: new Map(), former: isSame ? former.lanes : undefined };
}

/** The lane of a request; undefined when it may not be sent twice (RFC 9110 section 9.2.2). */
export function hedgeLaneOf(
  { former, lanes, rules }: Hedging,
  route: string,
  { method, upgrade }: Exchange,
): HedgeLane | undefined {
  if (upgrade.length > 0 || !IDEMPOTENT_METHODS.has(method)) return undefined;
  const known = lanes.get(route);
  if (known !== undefined) return known;
  const lane = former?.get(route) ?? {
    rules,
    latency: createLatencyQuantile(rules.quantile),
    waiting: new Set(),
    wakeAtMs: NEVER_MS,
  };
  lanes.set(route, lane);
  return lane;
}

/** The first attempt begins: it is hedged if it has no answer after the time of its lane. */
export function awaitHedge(session: Session, exchange: Exchange, nowMs: number): void {
  const { lane } = exchange;
  const delayMs = lane && hedgeDelayMs(lane.rules, lane.latency);
  if (delayMs === undefined || exchange.attempts > 1) return;
  enter(session, exchange, lane!, nowMs + delayMs);
  if (lane!.wakeAtMs !== NEVER_MS) return;
  session.runtime.hedgeLanes.push(lane!);
  wakeLane(session.runtime, lane!, nowMs + delayMs, nowMs);
}

function enter(session: Session, exchange: Exchange, lane: HedgeLane, atMs: number): void {
  exchange.hedgeAtMs = atMs;
  // To the end, if it was in it already.
  lane.waiting.delete(session);
  lane.waiting.add(session);
}

function wakeLane(runtime: BalancerRuntime, lane: HedgeLane, atMs: number, nowMs: number): void {
  lane.wakeAtMs = atMs;
  runtime.wakeAfter(Math.max(TIMER_SLACK_MS, atMs - nowMs));
}

/** Applies the clock. @param hedge hears of each request whose time has come */
export function tickLanes(
  runtime: BalancerRuntime,
  hedge: (session: Session, exchange: Exchange, nowMs: number) => void,
  nowMs: number,
): void {
  const { hedgeLanes } = runtime;
  // From the end, as some are taken out.
  for (let at = hedgeLanes.length - 1; at >= 0; at--) {
    const lane = hedgeLanes[at]!;
    if (nowMs + TIMER_SLACK_MS < lane.wakeAtMs) continue;
    const nextMs = tickLane(lane, hedge, nowMs);
    if (nextMs < NEVER_MS) wakeLane(runtime, lane, nextMs, nowMs);
    else {
      lane.wakeAtMs = NEVER_MS;
      hedgeLanes.splice(at, 1);
    }
  }
}

/** @returns when the next one is due */
function tickLane(
  lane: HedgeLane,
  hedge: (session: Session, exchange: Exchange, nowMs: number) => void,
  nowMs: number,
): number {
  for (const session of lane.waiting) {
    const { exchange } = session;
    if (exchange !== undefined && exchange.hedgeAtMs > nowMs + TIMER_SLACK_MS) {
      return exchange.hedgeAtMs;
    }
    lane.waiting.delete(session);
    if (exchange === undefined) continue;
    // While its body came, it was not the server that was slow.
    const startedMs = exchange.requestDone ? exchange.wholeMs : nowMs;
    const delayMs = hedgeDelayMs(lane.rules, lane.latency) ?? 0;
    if (startedMs + delayMs > nowMs + TIMER_SLACK_MS && startedMs > exchange.attemptMs) {
      enter(session, exchange, lane, startedMs + delayMs);
    } else hedge(session, exchange, nowMs);
  }
  return NEVER_MS;
}

/** An answer has begun, or none will be. */
export function leaveLane(session: Session, exchange: Exchange): void {
  exchange.lane?.waiting.delete(session);
  exchange.lane = undefined;
}
