import { z } from 'zod';
import { END_REASONS } from '../balancer/access-line.ts';
import { FAILURE_KINDS } from '../balancer/counters.ts';
import type { ControlPlane } from '../control/control-plane.ts';
import { LATENCY_BOUNDS_MS } from '../telemetry/latencies.ts';
import { problemResponses } from './problem.ts';
import { apiSchemas, list, timestampMs } from './schema.ts';
import type { AdminServer } from './server.ts';

/** What this node's balancers have counted: the same as in `/metrics`, for programs that show it. */
export function addTrafficRoute(server: AdminServer, plane: ControlPlane): void {
  server.get(
    '/api/v1/traffic',
    {
      schema: {
        tags: ['balancers'],
        summary: 'What listeners, routes, upstreams and servers of the balancer have counted',
        response: { 200: trafficSchema, ...problemResponses },
      },
    },
    async () => ({ boundsMs: [...LATENCY_BOUNDS_MS], ...plane.traffic() }),
  );
}

const count = z.number().int();
const latencies = z
  .object({
    count,
    sumMs: z.number(),
    buckets: list(count).describe(
      'How many took at most as long as the bound in the same place, and longer than the one before; zeros at the end are left off',
    ),
  })
  .register(apiSchemas, { id: 'Latencies' });
const statusClasses = list(count).describe('Answers of 1xx, 2xx, 3xx, 4xx and 5xx');
const ends = z.record(z.enum(END_REASONS), count).describe('By why they ended');
const bytes = { bytesIn: count, bytesOut: count };

const listener = z.object({
  listener: z.string(),
  connections: count,
  connectionsActive: count,
  requests: count,
  requestsActive: count,
  statusClasses,
  ends,
  ...bytes,
  mirrored: count,
  mirrorsDropped: count,
  connectFailures: count,
  dropped: count,
});

const route = z.object({
  listener: z.string(),
  route: z.string().describe('Its first host and its path, as in the access log'),
  when: z.string().describe('What else it asks for, by name'),
  requests: count,
  active: count,
  retries: count,
  statusClasses,
  ends,
  ...bytes,
  duration: latencies,
});

const upstream = z.object({
  upstream: z.string(),
  queued: count.describe('Requests that wait for room now'),
  queueFull: count,
  queueTimeouts: count,
  retriesOverLimit: count,
  retriesOverBudget: count,
  shed: count,
  sessions: z
    .object({ hits: count, misses: count, inserted: count, evicted: count, spared: count })
    .describe(
      'Of its table of sessions; and requests that were answered elsewhere, as the server of their session had more than its share',
    ),
  wait: latencies,
});

const server = z.object({
  upstream: z.string(),
  server: z.string(),
  requests: count,
  failures: count,
  failed: z.record(z.enum(FAILURE_KINDS), count),
  statusClasses,
  active: count,
  connections: count,
  retries: count,
  hedges: count.describe('Requests that it was slow with, so that another was asked too'),
  hedgesWon: count.describe('Of these, answered first by the other'),
  ejected: count.describe('Workers that have it out now'),
  ejections: count,
  ...bytes,
  firstByte: latencies.optional(),
  connect: latencies.optional(),
});

const trafficSchema = z
  .object({
    atMs: timestampMs,
    boundsMs: list(z.number()).describe('Upper bounds of all buckets'),
    listeners: list(listener),
    routes: list(route),
    upstreams: list(upstream),
    servers: list(server),
    accessLog: z.object({ lines: count, dropped: count, bytes: count }),
    sharedSessions: z
      .object({
        asked: count,
        found: count,
        late: count,
        skipped: count,
        written: count,
        dropped: count,
        linked: count.describe('Workers that have it just now'),
      })
      .describe('Of the table of sessions that nodes share'),
  })
  .register(apiSchemas, { id: 'Traffic' });
