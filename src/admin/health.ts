import { z } from 'zod';
import type { ControlPlane } from '../control/control-plane.ts';
import type { NodeStatus } from '../control/node-status.ts';
import { isUsable } from '../control/status.ts';
import { plannedSchema } from './capacity-schema.ts';
import { HttpProblem, problemResponses, type ReadyCheck } from './problem.ts';
import { HEALTH_STATES } from './regions.ts';
import { reloadSchema } from './reload.ts';
import { apiSchemas, list, timestampMs } from './schema.ts';
import type { AdminServer } from './server.ts';

/** Alive, ready, status of the node, and the health of everything in one answer. */
export function addHealthRoutes(server: AdminServer, plane: ControlPlane): void {
  addProbeRoutes(server, plane);
  server.get(
    '/api/v1/status',
    {
      schema: {
        tags: ['health'],
        summary: 'This node: roles, generation, geo data, store, workers',
        response: { 200: nodeSchema, ...problemResponses },
      },
    },
    async () => plane.status(),
  );
  server.get(
    '/api/v1/health',
    {
      schema: {
        tags: ['health'],
        summary: 'The health of everything, worst first',
        response: { 200: healthSchema, ...problemResponses },
      },
    },
    async () => healthOf(plane),
  );
}

/** What orchestrators ask: `/healthz` (with the alias `/livez`) and `/readyz`. */
function addProbeRoutes(server: AdminServer, plane: ControlPlane): void {
  for (const url of ['/healthz', '/livez']) {
    server.get(
      url,
      {
        schema: {
          tags: ['health'],
          summary: 'The process is alive',
          response: { 200: z.object({ alive: z.literal(true) }), ...problemResponses },
        },
      },
      async () => ({ alive: true as const }),
    );
  }
  server.get(
    '/readyz',
    {
      schema: {
        tags: ['health'],
        summary: 'Sockets are bound and every worker serves a snapshot; else 503',
        querystring: z.object({ verbose: z.string().optional().describe('Lists each check') }),
        response: {
          200: z.object({ ready: z.literal(true), checks: list(checkSchema).optional() }),
          ...problemResponses,
        },
      },
    },
    async (request) => {
      const status = plane.status();
      const checks = request.query.verbose === undefined ? undefined : readyChecks(status);
      if (status.ready) return { ready: true as const, checks };
      throw new HttpProblem({
        status: 503,
        code: 'not-ready',
        detail: 'This node does not serve yet: sockets are not bound or a worker has no snapshot.',
        hint: 'Wait a moment; GET /readyz?verbose and the log say what is missing.',
        checks,
      });
    },
  );
}

function readyChecks(status: NodeStatus): readonly ReadyCheck[] {
  return [
    { name: 'snapshot', ok: status.ready, detail: `generation ${status.generation}` },
    {
      name: `store ${status.store.kind}`,
      ok: status.store.ok,
      detail: 'never waited for by answers',
    },
    ...status.workers.map(({ name, state, restarts }) => ({
      name: `worker ${name}`,
      ok: state === 'running',
      detail: `${state}, ${restarts} ${restarts === 1 ? 'restart' : 'restarts'}`,
    })),
  ];
}

/** One line a thing; `ok` is false as soon as something needs a person's eye. */
function healthOf(plane: ControlPlane): Health {
  const status = plane.status();
  const things: Thing[] = [];
  for (const { name, state, endpoints } of plane.regions()) {
    const usable = endpoints.filter((endpoint) => isUsable(endpoint.state)).length;
    const reason = `${usable} of ${endpoints.length} endpoints usable`;
    things.push({ kind: 'region', name, state, ok: isUsable(state), reason });
    for (const { name: endpoint, state: condition, reason: why } of endpoints) {
      things.push({
        kind: 'endpoint',
        name: endpoint,
        state: condition,
        ok: isUsable(condition),
        reason: why,
      });
    }
  }
  for (const { name: upstream, servers } of plane.balancers()) {
    for (const { name, state, reason } of servers) {
      things.push({
        kind: 'server',
        name: `${upstream}/${name}`,
        state,
        ok: state !== 'down' && state !== 'unready',
        reason,
      });
    }
  }
  for (const { name, state, restarts } of status.workers) {
    const ok = state === 'running';
    things.push({
      kind: 'worker',
      name,
      state: ok ? 'up' : 'down',
      ok,
      reason: `${state}, ${restarts} restarts`,
    });
  }
  const { kind, ok } = status.store;
  things.push({
    kind: 'store',
    name: kind,
    state: ok ? 'up' : 'down',
    ok,
    reason: ok ? 'reachable' : 'not reachable',
  });
  things.sort((left, right) => Number(left.ok) - Number(right.ok));
  return { ok: things.every((thing) => thing.ok), ready: status.ready, things };
}

type Thing = z.output<typeof thingSchema>;
type Health = { readonly ok: boolean; readonly ready: boolean; readonly things: readonly Thing[] };

const checkSchema = z.object({ name: z.string(), ok: z.boolean(), detail: z.string() });

const thingSchema = z.object({
  kind: z.enum(['region', 'endpoint', 'server', 'worker', 'store']),
  name: z.string(),
  state: z.enum([...HEALTH_STATES, 'unready']),
  ok: z.boolean(),
  reason: z.string(),
});

const healthSchema = z
  .object({ ok: z.boolean(), ready: z.boolean(), things: list(thingSchema) })
  .register(apiSchemas, { id: 'Health' });

const latencySchema = z.object({
  map: z
    .object({ generation: z.number().int(), madeAtMs: timestampMs, networks: z.number().int() })
    .optional(),
  planning: z
    .object({
      networks: z.number().int(),
      octets: z.number(),
      moved: z.number().int(),
      movedShare: z.number(),
      waiting: z.number().int(),
      exploring: z.number().int(),
    })
    .optional(),
  probes: z
    .object({
      targets: z.number().int(),
      answering: z.number().int(),
      answered: z.number().int(),
      unanswered: z.number().int(),
    })
    .optional(),
  pages: z.object({ taken: z.number().int(), refused: z.number().int() }).optional(),
});

const capacitySchema = z.object({
  plan: plannedSchema.optional(),
  planning: z
    .object({
      movedShare: z.number(),
      waitingShare: z.number(),
      measured: z.number().int(),
      shares: list(
        z.object({
          pool: z.string(),
          caches: z.number().describe('As if so many equal caches asked'),
          endpoints: list(
            z.object({
              name: z.string(),
              target: z.number(),
              achieved: z.number(),
              deviation: z.number().describe('What chance alone would make of it'),
              trim: z.number(),
            }),
          ),
        }),
      ),
    })
    .optional(),
});

const nodeSchema = z
  .object({
    name: z.string(),
    version: z.string(),
    roles: list(z.string()),
    startedAtMs: timestampMs,
    generation: z.number().int(),
    revision: z.number().int(),
    ready: z.boolean(),
    geo: z.object({
      description: z.string(),
      builtAtMs: timestampMs,
      networks: z.number().int(),
      attribution: z.string(),
    }),
    latency: latencySchema.optional(),
    capacity: capacitySchema.optional(),
    store: z.object({ kind: z.string(), ok: z.boolean() }),
    workers: list(
      z.object({
        name: z.string(),
        state: z.enum(['starting', 'running', 'dead']),
        restarts: z.number().int(),
        engine: z.string(),
      }),
    ),
    lastReload: reloadSchema.optional(),
    queriesTotal: z.number(),
  })
  .register(apiSchemas, { id: 'Node' });
