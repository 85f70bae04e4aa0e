import type { RouteCounts, ServerCounts } from '../balancer/counts.ts';
import type { TrafficStatus, UpstreamStatus } from '../control/control-plane.ts';
import { type Latencies, latenciesSince, quantileMs } from '../telemetry/latencies.ts';

/** What happened between two readings of a node's balancers: numbers, which programs get as they are. */
export type TopView = {
  readonly atMs: number;
  /** Undefined of a first reading: then rates and durations are too. */
  readonly seconds: number | undefined;
  readonly total: TopTotal;
  readonly routes: readonly TopRoute[];
  readonly upstreams: readonly TopUpstream[];
  readonly servers: readonly TopServer[];
};
/** What every line has, and is sorted by. */
export type TopLine = {
  readonly name: string;
  /** A second. */
  readonly rate: number | undefined;
  /** Share of what was answered, or of the attempts, that failed. */
  readonly errors: number | undefined;
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  readonly active: number;
};
export type TopTotal = {
  readonly connections: number;
  readonly rate: number | undefined;
  readonly errors: number | undefined;
  readonly active: number;
  readonly bytesPerSecond: number | undefined;
};
export type TopRoute = TopLine & {
  readonly listener: string;
  readonly when: string;
  readonly bytesPerSecond: number | undefined;
};
/** Durations until the first octet. */
export type TopUpstream = TopLine & {
  readonly retryRate: number | undefined;
  readonly queued: number;
  readonly serversUp: number;
  readonly serversTotal: number;
};
export type TopServer = TopLine & { readonly upstream: string; readonly state: string };

export const TOP_SORTS = ['rate', 'errors', 'p50', 'p99', 'active', 'name'] as const;
export type TopSort = (typeof TOP_SORTS)[number];

/** @param upstreams as the node sees them now: those that left have counts, but no line */
export function topView(
  before: TrafficStatus | undefined,
  now: TrafficStatus,
  upstreams: readonly UpstreamStatus[],
  sort: TopSort,
): TopView {
  const seconds = before && Math.max(0.001, (now.atMs - before.atMs) / 1000);
  const servers = serverLines(before, now, upstreams, seconds);
  return {
    atMs: now.atMs,
    seconds,
    total: totalOf(before, now, seconds),
    routes: sorted(routeLines(before, now, seconds), sort),
    upstreams: sorted(upstreamLines(before, now, upstreams, seconds), sort),
    servers: sorted(servers, sort),
  };
}

/** The same again in another order. */
export const sortedView = (view: TopView, sort: TopSort): TopView => ({
  ...view,
  routes: sorted(view.routes, sort),
  upstreams: sorted(view.upstreams, sort),
  servers: sorted(view.servers, sort),
});

function totalOf(
  before: TrafficStatus | undefined,
  { listeners }: TrafficStatus,
  seconds: number | undefined,
): TopTotal {
  const former = before?.listeners ?? [];
  const classes = (of: typeof listeners) =>
    [0, 1, 2, 3, 4].map((at) => sum(of.map(({ statusClasses }) => statusClasses[at] ?? 0)));
  const total = (of: typeof listeners, key: 'requests' | 'bytesOut'): number =>
    sum(of.map((listener) => listener[key]));
  const isKnown = seconds !== undefined;
  return {
    connections: sum(listeners.map(({ connectionsActive }) => connectionsActive)),
    active: sum(listeners.map(({ requestsActive }) => requestsActive)),
    rate: rateOf(total(former, 'requests'), total(listeners, 'requests'), seconds),
    errors: isKnown ? errorShare(classes(former), classes(listeners)) : undefined,
    bytesPerSecond: rateOf(total(former, 'bytesOut'), total(listeners, 'bytesOut'), seconds),
  };
}

function routeLines(
  before: TrafficStatus | undefined,
  now: TrafficStatus,
  seconds: number | undefined,
): readonly TopRoute[] {
  const keyOf = ({ listener, route, when }: RouteCounts) => `${listener}\n${route}\n${when}`;
  const former = new Map(before?.routes.map((route) => [keyOf(route), route]));
  return now.routes.map((route) => {
    const then = former.get(keyOf(route));
    const isKnown = seconds !== undefined;
    const durations = isKnown ? latenciesSince(then?.duration, route.duration) : NONE;
    return {
      name: route.route,
      ...{ listener: route.listener, when: route.when, active: route.active },
      rate: rateOf(then?.requests ?? 0, route.requests, seconds),
      errors: isKnown ? errorShare(then?.statusClasses ?? [], route.statusClasses) : undefined,
      bytesPerSecond: rateOf(then?.bytesOut ?? 0, route.bytesOut, seconds),
      ...quantiles(durations),
    };
  });
}

function serverLines(
  before: TrafficStatus | undefined,
  now: TrafficStatus,
  upstreams: readonly UpstreamStatus[],
  seconds: number | undefined,
): readonly TopServer[] {
  const [former, present] = [serversBy(before), serversBy(now)];
  return upstreams.flatMap(({ name: upstream, servers }) =>
    servers.map(({ mode, name, state }) => {
      const key = `${upstream}\n${name}`;
      const counted = present.get(key);
      const isOut = (counted?.ejected ?? 0) > 0 && mode === 'ready' && takesNew(state);
      return {
        ...{ name, upstream, active: counted?.active ?? 0 },
        state: mode === 'ready' ? (isOut ? 'ejected' : state) : mode,
        ...attempts([[former.get(key), counted]], seconds),
      };
    }),
  );
}

const takesNew = (state: string): boolean => state !== 'down' && state !== 'unready';

function upstreamLines(
  before: TrafficStatus | undefined,
  now: TrafficStatus,
  upstreams: readonly UpstreamStatus[],
  seconds: number | undefined,
): readonly TopUpstream[] {
  const [former, present] = [serversBy(before), serversBy(now)];
  const queues = new Map(now.upstreams.map(({ queued, upstream }) => [upstream, queued]));
  return upstreams.map(({ name: upstream, servers }) => {
    const pairs = servers.map(({ name }): Pair => {
      const key = `${upstream}\n${name}`;
      return [former.get(key), present.get(key)];
    });
    const retries = sum(pairs.map(([then, counted]) => since(then?.retries, counted?.retries)));
    return {
      name: upstream,
      active: sum(pairs.map(([, counted]) => counted?.active ?? 0)),
      queued: queues.get(upstream) ?? 0,
      retryRate: seconds && retries / seconds,
      serversUp: servers.filter(({ mode, state }) => mode === 'ready' && takesNew(state)).length,
      serversTotal: servers.length,
      ...attempts(pairs, seconds),
    };
  });
}

type Pair = readonly [then: ServerCounts | undefined, now: ServerCounts | undefined];

/** What was asked of servers, all together. */
function attempts(pairs: readonly Pair[], seconds: number | undefined) {
  if (seconds === undefined) return { rate: undefined, errors: undefined, ...quantiles(NONE) };
  const requests = sum(pairs.map(([then, now]) => since(then?.requests, now?.requests)));
  const failures = sum(pairs.map(([then, now]) => since(then?.failures, now?.failures)));
  const durations = pairs.flatMap(([then, now]) =>
    now?.firstByte ? [latenciesSince(then?.firstByte, now.firstByte)] : [],
  );
  return {
    rate: requests / seconds,
    errors: requests === 0 ? undefined : Math.min(1, failures / requests),
    ...quantiles(together(durations)),
  };
}

function serversBy(traffic: TrafficStatus | undefined): ReadonlyMap<string, ServerCounts> {
  return new Map(traffic?.servers.map((each) => [`${each.upstream}\n${each.server}`, each]));
}

const NONE: Latencies = { count: 0, sumMs: 0, buckets: [] };

function together(all: readonly Latencies[]): Latencies {
  const length = Math.max(0, ...all.map(({ buckets }) => buckets.length));
  return {
    count: sum(all.map(({ count }) => count)),
    sumMs: sum(all.map(({ sumMs }) => sumMs)),
    buckets: Array.from({ length }, (_, at) => sum(all.map(({ buckets }) => buckets[at] ?? 0))),
  };
}

const quantiles = (latencies: Latencies) => ({
  p50Ms: quantileMs(latencies, 0.5),
  p99Ms: quantileMs(latencies, 0.99),
});

/** What came to a counter; one that is smaller than before has begun anew. */
const since = (then = 0, now = 0): number => (now < then ? now : now - then);

const rateOf = (then: number, now: number, seconds: number | undefined): number | undefined =>
  seconds && since(then, now) / seconds;

/** Answers of 5xx; undefined when there was none. */
function errorShare(then: readonly number[], now: readonly number[]): number | undefined {
  const classes = now.map((count, at) => since(then[at], count));
  const answers = sum(classes);
  return answers === 0 ? undefined : classes[4]! / answers;
}

const sum = (values: readonly number[]): number => values.reduce((total, each) => total + each, 0);

/** The largest first, names by the alphabet; what is not known comes last. */
function sorted<Line extends TopLine>(lines: readonly Line[], sort: TopSort): readonly Line[] {
  const weightOf = (line: Line): number => {
    if (sort === 'p50') return line.p50Ms ?? -1;
    if (sort === 'p99') return line.p99Ms ?? -1;
    return sort === 'name' ? 0 : (line[sort] ?? -1);
  };
  return lines.toSorted((a, b) => weightOf(b) - weightOf(a) || a.name.localeCompare(b.name));
}
