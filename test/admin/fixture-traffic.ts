import { END_REASONS } from '../../src/balancer/access-line.ts';
import {
  counterBytes,
  LISTENER_COUNTER,
  layoutOf,
  listenerBase,
  ROUTE_COUNTER,
  SERVER_COUNTER,
  SERVER_LATENCY,
  UPSTREAM_COUNTER,
} from '../../src/balancer/counters.ts';
import { readCounters } from '../../src/balancer/counts.ts';
import { type BalancerSnapshot, DEFAULT_LIMITS } from '../../src/balancer/snapshot.ts';
import type { TrafficStatus } from '../../src/control/control-plane.ts';
import { DEFAULT_RESILIENCE } from '../../src/resilience/settings.ts';
import { LATENCY_BOUNDS_MS } from '../../src/telemetry/latencies.ts';

const route = (pathPrefix: string) => ({ hosts: [], pathPrefix, filters: [], upstream: 0 });
const SERVERS = [9001, 9002].map((port) => ({
  ...{ name: `127.0.2.1:${port}`, address: '127.0.2.1' },
  ...{ port, weight: 1 },
}));
const SNAPSHOT: BalancerSnapshot = {
  generation: 1,
  via: 'meridian-node-1',
  limits: DEFAULT_LIMITS,
  upstreams: [
    {
      name: 'web-frankfurt',
      algorithm: { kind: 'least-request', options: {} },
      servers: SERVERS,
      ...{ idleMax: 8, idleTimeoutMs: 60_000, connectTimeoutMs: 1000, responseTimeoutMs: 30_000 },
      ...DEFAULT_RESILIENCE,
    },
  ],
  listeners: [
    {
      ...{ name: 'public', region: 'frankfurt', address: '127.0.0.1', port: 80 },
      routes: [route('/'), { ...route('/api'), headers: { 'X-Beta': { present: true } } }],
    },
  ],
};

/** Requests a second of each route. */
const RATES = [100, 10];

/** A balancer whose counts grow evenly: by so many requests a second, of which one in ten fails. */
export function fixtureTraffic(atMs: number, seconds: number): TrafficStatus {
  const row = new SharedArrayBuffer(counterBytes(SNAPSHOT));
  const values = new Float64Array(row);
  const layout = layoutOf(SNAPSHOT);
  const fill = (base: number, counts: Readonly<Record<number, number>>): void => {
    for (const [counter, value] of Object.entries(counts)) values[base + Number(counter)] = value;
  };
  const histogram = (base: number, count: number, ms: number): void => {
    values[base + LATENCY_BOUNDS_MS.indexOf(ms)]! += count;
    values[base + LATENCY_BOUNDS_MS.length + 1]! += count * ms;
  };
  const all = seconds * (RATES[0]! + RATES[1]!);
  fill(listenerBase(0), {
    [LISTENER_COUNTER.connections]: 40 + seconds,
    [LISTENER_COUNTER.connectionsActive]: 40,
    [LISTENER_COUNTER.requests]: all,
    [LISTENER_COUNTER.requestsActive]: 3,
    [LISTENER_COUNTER.status + 2]: 0.9 * all,
    [LISTENER_COUNTER.status + 5]: 0.1 * all,
    [LISTENER_COUNTER.ends + END_REASONS.indexOf('done')]: all,
  });
  for (const [index, { base }] of layout.routes[0]!.entries()) {
    const count = seconds * RATES[index]!;
    fill(base, {
      [ROUTE_COUNTER.requests]: count,
      [ROUTE_COUNTER.active]: 2 - index,
      [ROUTE_COUNTER.retries]: 0.05 * count,
      [ROUTE_COUNTER.bytesOut]: 1000 * count,
      [ROUTE_COUNTER.status + 2]: 0.9 * count,
      [ROUTE_COUNTER.status + 5]: 0.1 * count,
      [ROUTE_COUNTER.ends + END_REASONS.indexOf('done')]: count,
    });
    histogram(base + ROUTE_COUNTER.duration, 0.9 * count, 5);
    histogram(base + ROUTE_COUNTER.duration, 0.1 * count, 100);
  }
  fill(layout.upstreams[0]!, {
    [UPSTREAM_COUNTER.queued]: 1,
    [UPSTREAM_COUNTER.queueFull]: 2,
    [UPSTREAM_COUNTER.retriesOverBudget]: 4,
  });
  for (const [index, base] of layout.servers[0]!.entries()) {
    // The second is down.
    const count = index === 0 ? all : 0;
    fill(base, {
      [SERVER_COUNTER.requests]: count,
      [SERVER_COUNTER.failures]: 0.1 * count,
      [SERVER_COUNTER.failed + 3]: 0.1 * count,
      [SERVER_COUNTER.status + 2]: 0.9 * count,
      [SERVER_COUNTER.status + 5]: 0.1 * count,
      [SERVER_COUNTER.active]: index === 0 ? 3 : 0,
    });
    histogram(layout.latencies[0]![index]! + SERVER_LATENCY.firstByte, count, 4);
  }
  return { atMs, ...readCounters(SNAPSHOT, row) };
}
