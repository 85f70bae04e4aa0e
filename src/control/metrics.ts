import { type Counter, collectDefaultMetrics, Registry } from 'prom-client';
import type { BalancerCounts } from '../balancer/counts.ts';
import { formatSocketAddress } from '../ip/socket-address.ts';
import { counterSlots, durationSlots } from '../nameserver/counters.ts';
import { readDurations } from '../nameserver/durations.ts';
import { addBalancer } from './balancer-metrics.ts';
import type { CapacityStatus, PlannedShares } from './capacity-status.ts';
import type { RegionStatus, UpstreamStatus } from './control-plane.ts';
import type { LatencyStatus } from './latency-status.ts';
import { counter, gauge, histogram } from './metric-kinds.ts';
import { isUsable } from './status.ts';

/**
 * Prometheus exposition. Workers count in shared memory; here the rows are read when somebody
 * scrapes, so that nothing on the query or request path knows of Prometheus. Labels are names from
 * the configuration, never from clients: cardinality is bounded by what the operator wrote.
 */
export type MetricsSource = {
  readonly version: string;
  readonly generation: number;
  readonly geoBuiltAtMs: number;
  readonly latency: LatencyStatus | undefined;
  readonly capacity: CapacityStatus | undefined;
  /** By fixed slot (nameserver/counters.ts). */
  slotTotal(slot: number): number;
  /** Whether a collector takes dnstap events; undefined = dnstap is off. */
  hasCollector(): boolean | undefined;
  /** Of the UDP sockets of DNS. */
  socketQueues(): readonly SocketQueue[];
  regions(): readonly RegionStatus[];
  upstreams(): readonly UpstreamStatus[];
  counts(): BalancerCounts;
  workerRestarts(): ReadonlyMap<string, number>;
  readonly lastReload: { readonly ok: boolean; readonly atMs: number } | undefined;
  readonly overrides: number;
};

/** What waits in the kernel for a worker at most, and what was thrown away because there was more. */
export type SocketQueue = {
  readonly address: string;
  readonly port: number;
  readonly worker: string;
  readonly bytesMax: number;
  readonly drops: number;
};

export function createMetrics(): {
  render(source: MetricsSource): Promise<{ contentType: string; body: string }>;
} {
  const process = new Registry();
  collectDefaultMetrics({ register: process });
  return {
    async render(source) {
      const registry = new Registry();
      addDns(registry, source);
      addDurations(registry, source);
      addCollector(registry, source);
      addSockets(registry, source);
      addHealth(registry, source);
      addBalancer(registry, source.counts(), source.upstreams());
      addNode(registry, source);
      const merged = Registry.merge([registry, process]);
      return { contentType: merged.contentType, body: await merged.metrics() };
    },
  };
}

function addDns(registry: Registry, source: MetricsSource): void {
  const counters = new Map<string, Counter<string>>();
  for (const { slot, metric, label, value } of counterSlots) {
    const known =
      counters.get(metric) ??
      counter(
        registry,
        metric,
        `Counted by the DNS workers: ${metric}.`,
        label === '' ? [] : [label],
      );
    counters.set(metric, known);
    known.inc(label === '' ? {} : { [label]: value }, source.slotTotal(slot));
  }
  const answers = counter(registry, 'dns_steered_answers_total', 'Steered answers by endpoint.', [
    'pool',
    'region',
  ]);
  for (const region of source.regions()) {
    for (const endpoint of region.endpoints) {
      answers.inc({ pool: endpoint.pool, region: endpoint.region }, endpoint.answersTotal);
    }
  }
}

function addDurations(registry: Registry, { slotTotal }: MetricsSource): void {
  const help = 'How long queries take inside of the nameserver, of a sample.';
  const series = durationSlots.map(({ slot, transport }) => {
    return { labels: { transport }, ...readDurations(slotTotal, slot) };
  });
  histogram(registry, 'dns_query_duration_seconds', help, series);
}

function addCollector(registry: Registry, { hasCollector }: MetricsSource): void {
  const isConnected = hasCollector();
  if (isConnected === undefined) return;
  const help = 'A collector takes dnstap events: 1, else 0; absent while dnstap is off.';
  gauge(registry, 'dns_dnstap_connected', help).set(Number(isConnected));
}

function addSockets(registry: Registry, source: MetricsSource): void {
  const labels = ['address', 'worker'];
  const drops = counter(
    registry,
    'dns_socket_drops_total',
    'Datagrams that the kernel threw away because a worker did not keep up.',
    labels,
  );
  const size = gauge(
    registry,
    'dns_socket_receive_buffer_bytes',
    'What the kernel keeps for a worker at most.',
    labels,
  );
  for (const { bytesMax, drops: count, worker, ...at } of source.socketQueues()) {
    const which = { address: formatSocketAddress(at), worker };
    drops.inc(which, count);
    size.set(which, bytesMax);
  }
}

function addHealth(registry: Registry, source: MetricsSource): void {
  const labels = ['pool', 'region'];
  const up = gauge(registry, 'endpoint_up', 'Endpoint may be answered: 1, else 0.', labels);
  const judged = gauge(registry, 'endpoint_judged_up', 'The same without overrides.', labels);
  const share = gauge(
    registry,
    'region_address_share',
    'Share of the located IPv4 space answered with the region now.',
    ['region'],
  );
  const vantage = gauge(registry, 'vantage_up', 'Verdict of one vantage point: 1 up, 0 down.', [
    ...labels,
    'vantage',
  ]);
  for (const region of source.regions()) {
    share.set({ region: region.name }, region.addressShare);
    for (const endpoint of region.endpoints) {
      const at = { pool: endpoint.pool, region: endpoint.region };
      up.set(at, Number(isUsable(endpoint.state)));
      judged.set(at, Number(endpoint.judged !== 'down'));
      for (const { vantage: name, verdict } of endpoint.vantages) {
        if (verdict === 'up' || verdict === 'down') {
          vantage.set({ ...at, vantage: name }, Number(verdict === 'up'));
        }
      }
    }
  }
}

/** Of the map that is steered by, and of the last window on the node that makes it. */
function addLatency(registry: Registry, { map, pages, planning, probes }: LatencyStatus): void {
  const told: readonly (readonly [string, string, number | undefined])[] = [
    ['map_generation', 'Number of the latency map that is steered by.', map?.generation],
    [
      'map_timestamp_seconds',
      'When the latency map was made.',
      map === undefined ? undefined : map.madeAtMs / 1000,
    ],
    ['map_networks', 'Networks that geography would send elsewhere.', map?.networks],
    ['known_networks', 'Networks that something is known of.', planning?.networks],
    ['known_octets', 'Memory that they take.', planning?.octets],
    ['moved_networks', 'Networks that moved in the last window.', planning?.moved],
    ['moved_share', 'Part of the demand that they are.', planning?.movedShare],
    ['waiting_networks', 'Networks that would move and must wait.', planning?.waiting],
    ['exploring_networks', 'Networks that try a region now.', planning?.exploring],
    ['probe_targets', 'Resolvers and beacons that are measured.', probes?.targets],
    ['probe_answering', 'Those that answered last time.', probes?.answering],
  ];
  for (const [name, help, value] of told) {
    if (value !== undefined) gauge(registry, `latency_${name}`, help).set(value);
  }
  if (pages !== undefined) {
    const help = 'Reports of pages on their ways to regions.';
    const reports = counter(registry, 'latency_page_reports_total', help, ['outcome']);
    reports.inc({ outcome: 'taken' }, pages.taken);
    reports.inc({ outcome: 'refused' }, pages.refused);
  }
  if (probes === undefined) return;
  const help = 'Round trips that probes of latency have tried.';
  const exchanges = counter(registry, 'latency_probe_exchanges_total', help, ['outcome']);
  exchanges.inc({ outcome: 'answered' }, probes.answered);
  exchanges.inc({ outcome: 'unanswered' }, probes.unanswered);
}

/** Of the plan that is steered by, and of the last window on the node that makes it. */
function addCapacity(registry: Registry, { plan, planning }: CapacityStatus): void {
  const told: readonly (readonly [string, string, number | undefined])[] = [
    ['plan_generation', 'Number of the capacity plan that is steered by.', plan?.generation],
    [
      'plan_timestamp_seconds',
      'When the capacity plan was made.',
      plan === undefined ? undefined : plan.madeAtMs / 1000,
    ],
    ['plan_classes', 'Classes of clients that the plan knows.', plan?.classes],
    ['demand_per_second', 'Requests a second that the plan expects.', plan?.demand],
    [
      'added_seconds',
      'What a request loses on average because not everybody is in the nearest region.',
      plan === undefined ? undefined : plan.addedMs / 1000,
    ],
    ['moved_share', 'Part of the demand that was moved in the last window.', planning?.movedShare],
    ['waiting_share', 'Part of the demand that is still to be moved.', planning?.waitingShare],
  ];
  for (const [name, help, value] of told) {
    if (value !== undefined) gauge(registry, `capacity_${name}`, help).set(value);
  }
  addShares(registry, planning?.shares ?? []);
  if (plan === undefined) return;
  const of = (name: string, help: string) => gauge(registry, `capacity_${name}`, help, ['region']);
  const load = of('planned_load_per_second', 'Requests a second that the plan sends to a region.');
  const price = of('price_seconds', 'What room for one more request in a region would save.');
  for (const region of plan.regions) {
    load.set({ region: region.name }, region.load);
    price.set({ region: region.name }, region.priceMs / 1000);
  }
}

/** Of pools whose clients are shared out by weight. */
function addShares(registry: Registry, shares: readonly PlannedShares[]): void {
  if (shares.length === 0) return;
  const of = (name: string, help: string) =>
    gauge(registry, `shares_${name}`, help, ['pool', 'endpoint']);
  const target = of('target', 'Part of the requests that an endpoint is to have by its weight.');
  const achieved = of('achieved', 'Part of the requests that comes to it, as balancers count.');
  const trim = of('trim', 'What its weight is multiplied by so that the two agree.');
  const caches = gauge(registry, 'shares_caches', 'As if so many equal caches asked.', ['pool']);
  for (const { caches: count, endpoints, pool } of shares) {
    caches.set({ pool }, count);
    for (const each of endpoints) {
      const at = { pool, endpoint: each.name.slice(pool.length + 1) };
      target.set(at, each.target);
      achieved.set(at, each.achieved);
      trim.set(at, each.trim);
    }
  }
}

function addNode(registry: Registry, source: MetricsSource): void {
  gauge(registry, 'build_info', 'Always 1; the version is the label.', ['version']).set(
    { version: source.version },
    1,
  );
  gauge(registry, 'generation', 'Number of the snapshot that is served.').set(source.generation);
  gauge(registry, 'overrides', 'Overrides in force.').set(source.overrides);
  gauge(registry, 'geoip_database_build_timestamp_seconds', 'When the geo database was built.').set(
    source.geoBuiltAtMs / 1000,
  );
  if (source.latency !== undefined) addLatency(registry, source.latency);
  if (source.capacity !== undefined) addCapacity(registry, source.capacity);
  if (source.lastReload) {
    gauge(registry, 'config_last_reload_successful', 'The last reload was taken: 1, else 0.').set(
      Number(source.lastReload.ok),
    );
  }
  const restarts = counter(registry, 'worker_restarts_total', 'Workers that were replaced.', [
    'worker',
  ]);
  for (const [worker, count] of source.workerRestarts()) restarts.inc({ worker }, count);
}
