import { observeLatency } from '../telemetry/latencies.ts';
import { END_REASONS, type EndReason } from './access-line.ts';
import { endEntry } from './access-log.ts';
import {
  COUNTER_SCRATCH,
  type CounterPlace,
  FAILURE_KINDS,
  type FailureKind,
  LISTENER_COUNTER,
  NOT_MEASURED,
  placeKey,
  ROUTE_COUNTER,
  type RoutePlace,
  SERVER_COUNTER,
  SERVER_LATENCY,
} from './counters.ts';
import type { Exchange, Session } from './session.ts';
import type { UpstreamServer } from './upstream.ts';

/** What a request counts on its way, beside what its server does (`upstream.ts`): additions to the row, and no object. */

/** Places of routes by name, for as long as a snapshot has them: a request keeps its own over reloads. */
export type RouteCounters = Map<string, CounterPlace>;

/** The places of a listener's routes in a new row; a request that goes on is counted there as under way. */
export function placeRoutes(
  known: RouteCounters,
  places: readonly RoutePlace[],
  counters: Float64Array,
): readonly CounterPlace[] {
  return places.map(({ base, listener, route, when }) => {
    const key = placeKey(listener, route, when);
    const place = known.get(key) ?? { base, active: 0 };
    known.set(key, place);
    place.base = base;
    counters[base + ROUTE_COUNTER.active] = place.active;
    return place;
  });
}

/** Routes that left: what is under way on them is counted nowhere. */
export function retireRoutes(known: RouteCounters, kept: ReadonlySet<CounterPlace>): void {
  for (const [key, place] of known) {
    if (kept.has(place)) continue;
    place.base = COUNTER_SCRATCH;
    known.delete(key);
  }
}

/** The head was read. */
export function beginCounting(session: Session, exchange: Exchange, headBytes: number): void {
  const { listener, runtime } = session;
  exchange.bytesIn = headBytes;
  exchange.bytesOutBefore = session.bytesOut + runtime.toClient.length;
  runtime.counters[listener.counterBase + LISTENER_COUNTER.requests]!++;
  runtime.counters[listener.counterBase + LISTENER_COUNTER.requestsActive]!++;
}

/** @param route place in the listener's list */
export function countRoute(
  { listener, runtime }: Session,
  exchange: Exchange,
  route: number,
): void {
  // None, where routes are not counted.
  const place = listener.routeCounters[route];
  if (place === undefined) return;
  exchange.place = place;
  place.active++;
  runtime.counters[place.base + ROUTE_COUNTER.requests]!++;
  runtime.counters[place.base + ROUTE_COUNTER.active] = place.active;
}

/** Another attempt follows. */
export function countRetry(
  { runtime }: Session,
  { place }: Exchange,
  server: UpstreamServer,
): void {
  runtime.counters[server.counterBase + SERVER_COUNTER.retries]!++;
  if (place) runtime.counters[place.base + ROUTE_COUNTER.retries]!++;
}

/** The server has answered, for the client or for another attempt. @param answerMs since when it could */
export function countAnswer(
  { runtime }: Session,
  server: UpstreamServer,
  status: number,
  answerMs: number,
): void {
  const { counters } = runtime;
  counters[server.counterBase + SERVER_COUNTER.status + statusClass(status)]!++;
  if (server.latencyBase === NOT_MEASURED) return;
  observeLatency(counters, server.latencyBase + SERVER_LATENCY.firstByte, answerMs);
}

/** The connection is there. */
export function countConnect(counters: Float64Array, server: UpstreamServer, ms: number): void {
  if (server.latencyBase === NOT_MEASURED) return;
  observeLatency(counters, server.latencyBase + SERVER_LATENCY.connect, ms);
}

/** Of a failure that the server's own count has already. */
export function countFailure(
  counters: Float64Array,
  server: UpstreamServer,
  kind: FailureKind,
): void {
  counters[server.counterBase + SERVER_COUNTER.failed + FAILURE_KINDS.indexOf(kind)]!++;
}

/** Of what was no request, and of flows. */
export function countEnd(
  counters: Float64Array,
  { counterBase }: { readonly counterBase: number },
  reason: EndReason,
): void {
  counters[counterBase + LISTENER_COUNTER.ends + END_REASONS.indexOf(reason)]!++;
}

/** The request or tunnel is over; `reason` if nobody has said a better one. */
export function endExchange(
  session: Session,
  exchange: Exchange,
  reason: EndReason,
  nowMs: number,
): void {
  const { listener, runtime } = session;
  const { counters } = runtime;
  const why = exchange.end ?? reason;
  const end = END_REASONS.indexOf(why);
  const bytesOut = session.bytesOut + runtime.toClient.length - exchange.bytesOutBefore;
  counters[listener.counterBase + LISTENER_COUNTER.requestsActive]!--;
  counters[listener.counterBase + LISTENER_COUNTER.ends + end]!++;
  const { place } = exchange;
  if (place) {
    const { base } = place;
    place.active--;
    counters[base + ROUTE_COUNTER.active] = place.active;
    counters[base + ROUTE_COUNTER.ends + end]!++;
    counters[base + ROUTE_COUNTER.bytesIn]! += exchange.bytesIn;
    counters[base + ROUTE_COUNTER.bytesOut]! += bytesOut;
    if (exchange.status > 0) {
      counters[base + ROUTE_COUNTER.status + statusClass(exchange.status)]!++;
      // How long people talk is no latency.
      if (!exchange.isTunnel)
        observeLatency(counters, base + ROUTE_COUNTER.duration, nowMs - exchange.startedMs);
    }
  }
  if (session.entry) endEntry(session, session.entry, exchange, why, bytesOut, nowMs);
}

const statusClass = (status: number): number => Math.min(5, Math.floor(status / 100));
