import type { Registry } from 'prom-client';
import type {
  AccessLogCounts,
  BalancerCounts,
  EndCounts,
  ListenerCounts,
  RouteCounts,
  ServerCounts,
  UpstreamCounts,
} from '../balancer/counts.ts';
import { type Latencies, latenciesUpTo } from '../telemetry/latencies.ts';
import type { UpstreamStatus } from './control-plane.ts';
import { counter, gauge, type HistogramSeries, histogram } from './metric-kinds.ts';

/** What balancers have counted, for Prometheus; docs/OPERATING.md says what each of them means. */
export function addBalancer(
  registry: Registry,
  counts: BalancerCounts,
  upstreams: readonly UpstreamStatus[],
): void {
  addListeners(registry, counts.listeners);
  addRoutes(registry, counts.routes);
  addUpstreams(registry, counts.upstreams);
  addServers(registry, counts.servers, upstreams);
  addServerFlows(registry, counts.servers);
  addAccessLog(registry, counts.accessLog);
  addSessions(registry, counts);
}

/** Tables of sessions, from the first session on, and the one that nodes share. */
function addSessions(registry: Registry, { sharedSessions, upstreams }: BalancerCounts): void {
  const tables = upstreams.filter(({ sessions }) => sessions.hits + sessions.misses > 0);
  const { asked, dropped, found, late, linked, skipped, written } = sharedSessions;
  if (tables.length + linked + asked + skipped === 0) return;
  const count = (name: string, help: string, labels: string[]) =>
    counter(registry, name, help, labels);
  const lookups = count('session_lookups_total', 'Requests with a session.', [
    ...UPSTREAM,
    'outcome',
  ]);
  const inserted = count('sessions_inserted_total', 'Sessions new in the table.', UPSTREAM);
  const evicted = count('sessions_evicted_total', 'Sessions that had to make room.', UPSTREAM);
  const spared = count(
    'session_requests_spared_total',
    'Requests answered elsewhere, as the server of their session had more than its share.',
    UPSTREAM,
  );
  for (const { sessions, upstream } of tables) {
    lookups.inc({ upstream, outcome: 'hit' }, sessions.hits);
    lookups.inc({ upstream, outcome: 'miss' }, sessions.misses);
    inserted.inc({ upstream }, sessions.inserted);
    evicted.inc({ upstream }, sessions.evicted);
    spared.inc({ upstream }, sessions.spared);
  }
  const questions = count('session_questions_total', 'For the table of all nodes.', ['event']);
  for (const [event, value] of Object.entries({ asked, found, late, skipped })) {
    questions.inc({ event }, value);
  }
  gauge(registry, 'session_store_workers', 'Workers that have the table of all nodes.').set(linked);
  const writes = count('session_writes_total', 'To the table of all nodes.', ['event']);
  for (const [event, value] of Object.entries({ written, dropped })) writes.inc({ event }, value);
}

type Labels = Record<string, string>;
type Adds = { inc(labels: Labels, value: number): void };
const CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'];
const UPSTREAM = ['upstream'];
const SERVER = ['upstream', 'server'];
const ROUTE = ['listener', 'route', 'when'];

function addListeners(registry: Registry, listeners: readonly ListenerCounts[]): void {
  const of = ['listener'];
  const count = (name: string, help: string, more: readonly string[] = []) =>
    counter(registry, `listener_${name}`, help, [...of, ...more]);
  const taken = count('connections_total', 'Connections and sessions of UDP.');
  const active = gauge(registry, 'listener_connections_active', 'Of these, open now.', of);
  const requests = count('requests_total', 'Requests; of UDP datagrams.');
  const underWay = gauge(registry, 'listener_requests_active', 'Requests, tunnels open now.', of);
  const responses = count('responses_total', 'Answers by class of their status.', ['class']);
  const ends = count('ends_total', 'Requests, tunnels and flows by why they ended.', ['reason']);
  const failures = count('connect_failures_total', 'Tries to reach a server.');
  const dropped = count('dropped_total', 'Connections, sessions not served.');
  const bytes = count('bytes_total', 'Octets of clients.', ['direction']);
  const mirrored = count('mirrored_total', 'Copies sent to a mirror.');
  const unmirrored = count('mirrors_dropped_total', 'Copies not sent.');
  for (const counts of listeners) {
    const at = { listener: counts.listener };
    taken.inc(at, counts.connections);
    active.set(at, counts.connectionsActive);
    requests.inc(at, counts.requests);
    underWay.set(at, counts.requestsActive);
    addClasses(responses, at, counts.statusClasses);
    addEnds(ends, at, counts.ends);
    failures.inc(at, counts.connectFailures);
    dropped.inc(at, counts.dropped);
    addDirections(bytes, at, counts.bytesIn, counts.bytesOut);
    mirrored.inc(at, counts.mirrored);
    unmirrored.inc(at, counts.mirrorsDropped);
  }
}

function addRoutes(registry: Registry, routes: readonly RouteCounts[]): void {
  const count = (name: string, help: string, more: readonly string[] = []) =>
    counter(registry, `route_${name}`, help, [...ROUTE, ...more]);
  const requests = count('requests_total', 'Requests that the route took.');
  const active = gauge(registry, 'route_requests_active', 'Of these, under way now.', ROUTE);
  const responses = count('responses_total', 'Answers by class of their status.', ['class']);
  const ends = count('ends_total', 'Requests and tunnels by why they ended.', ['reason']);
  const retries = count('retries_total', 'Further attempts.');
  const bytes = count('bytes_total', 'Octets of clients.', ['direction']);
  for (const counts of routes) {
    const at = routeLabels(counts);
    requests.inc(at, counts.requests);
    active.set(at, counts.active);
    // Of a thousand routes few are used, and each has fifty series.
    if (counts.requests === 0) continue;
    addClasses(responses, at, counts.statusClasses);
    addEnds(ends, at, counts.ends);
    retries.inc(at, counts.retries);
    addDirections(bytes, at, counts.bytesIn, counts.bytesOut);
  }
  const series = routes.flatMap((counts) => seriesOf(routeLabels(counts), counts.duration));
  histogram(registry, 'route_duration_seconds', 'From the head to the end of the answer.', series);
}

function addUpstreams(registry: Registry, upstreams: readonly UpstreamCounts[]): void {
  const queued = gauge(registry, 'upstream_requests_queued', 'Wait for room now.', UPSTREAM);
  const overflows = counter(registry, 'upstream_overflows_total', 'Beyond a limit.', [
    ...UPSTREAM,
    'limit',
  ]);
  const shed = counter(
    registry,
    'upstream_shed_total',
    'Refused to let servers recover.',
    UPSTREAM,
  );
  for (const { upstream, ...counts } of upstreams) {
    queued.set({ upstream }, counts.queued);
    overflows.inc({ upstream, limit: 'queue' }, counts.queueFull);
    overflows.inc({ upstream, limit: 'queue-timeout' }, counts.queueTimeouts);
    overflows.inc({ upstream, limit: 'retries' }, counts.retriesOverLimit);
    overflows.inc({ upstream, limit: 'retry-budget' }, counts.retriesOverBudget);
    shed.inc({ upstream }, counts.shed);
  }
  const series = upstreams.flatMap(({ upstream, wait }) => seriesOf({ upstream }, wait));
  histogram(registry, 'upstream_queue_wait_seconds', 'How long requests waited for room.', series);
}

function addServers(
  registry: Registry,
  all: readonly ServerCounts[],
  upstreams: readonly UpstreamStatus[],
): void {
  const up = gauge(registry, 'server_up', 'Server may be used: 1, else 0.', SERVER);
  const degraded = gauge(registry, 'server_degraded', 'It keeps part of its weight: 1.', SERVER);
  for (const { name: upstream, servers } of upstreams) {
    for (const { name: server, state } of servers) {
      up.set({ upstream, server }, Number(state !== 'down' && state !== 'unready'));
      degraded.set({ upstream, server }, Number(state === 'degraded'));
    }
  }
  const count = (name: string, help: string, more: readonly string[] = []) =>
    counter(registry, `server_${name}`, help, [...SERVER, ...more]);
  const requests = count('requests_total', 'Requests sent to a server.');
  const failures = count('failures_total', 'Of these, failed.');
  const kinds = count('failure_kinds_total', 'The failed ones by how.', ['kind']);
  const responses = count('responses_total', 'Answers by class of their status.', ['class']);
  const retries = count('retries_total', 'Sent on elsewhere.');
  const hedges = count('hedges_total', 'Slow: sent elsewhere too.');
  const won = count('hedges_won_total', 'Of these, first elsewhere.');
  const ejections = count('ejections_total', 'Times it was out.');
  const ejected = gauge(registry, 'server_ejected', 'Workers that have it out now.', SERVER);
  const active = gauge(registry, 'server_requests_active', 'Requests in flight.', SERVER);
  for (const { server, upstream, ...counts } of all) {
    const at = { upstream, server };
    requests.inc(at, counts.requests);
    failures.inc(at, counts.failures);
    for (const [kind, value] of Object.entries(counts.failed)) kinds.inc({ ...at, kind }, value);
    addClasses(responses, at, counts.statusClasses);
    retries.inc(at, counts.retries);
    hedges.inc(at, counts.hedges);
    won.inc(at, counts.hedgesWon);
    ejections.inc(at, counts.ejections);
    ejected.set(at, counts.ejected);
    active.set(at, counts.active);
  }
}

/** Of any protocol. */
function addServerFlows(registry: Registry, servers: readonly ServerCounts[]): void {
  const made = counter(
    registry,
    'server_connections_total',
    'Connections begun, sessions.',
    SERVER,
  );
  const moved = counter(registry, 'server_bytes_total', 'Octets of servers.', [
    ...SERVER,
    'direction',
  ]);
  for (const { bytesIn, bytesOut, connections, server, upstream } of servers) {
    made.inc({ upstream, server }, connections);
    addDirections(moved, { upstream, server }, bytesIn, bytesOut);
  }
  const series = (of: 'firstByte' | 'connect'): readonly HistogramSeries[] =>
    servers.flatMap(({ [of]: latencies, server, upstream }) =>
      latencies ? seriesOf({ upstream, server }, latencies) : [],
    );
  const first = 'From when the server could answer to the head of its answer.';
  histogram(registry, 'server_first_byte_seconds', first, series('firstByte'));
  histogram(registry, 'server_connect_seconds', 'Until it was connected.', series('connect'));
}

function addAccessLog(registry: Registry, { bytes, dropped, lines }: AccessLogCounts): void {
  const all = counter(registry, 'access_log_lines_total', 'Lines of the access log.', ['result']);
  all.inc({ result: 'written' }, lines);
  all.inc({ result: 'dropped' }, dropped);
  counter(registry, 'access_log_bytes_total', 'Octets that were written.').inc(bytes);
}

const routeLabels = ({ listener, route, when }: RouteCounts): Labels => ({ listener, route, when });

/** None of one that holds nothing. */
function seriesOf(labels: Labels, latencies: Latencies): readonly HistogramSeries[] {
  const { count, sumMs } = latencies;
  if (count === 0) return [];
  return [{ labels, upTo: latenciesUpTo(latencies), count, sumSeconds: sumMs / 1000 }];
}

function addClasses(into: Adds, at: Labels, classes: readonly number[]): void {
  for (const [index, value] of classes.entries())
    into.inc({ ...at, class: CLASSES[index]! }, value);
}

function addEnds(into: Adds, at: Labels, ends: EndCounts): void {
  for (const [reason, value] of Object.entries(ends)) {
    // Most never happen; `done` is there from the beginning, to divide by.
    if (value > 0 || reason === 'done') into.inc({ ...at, reason }, value);
  }
}

function addDirections(into: Adds, at: Labels, received: number, sent: number): void {
  into.inc({ ...at, direction: 'received' }, received);
  into.inc({ ...at, direction: 'sent' }, sent);
}
