import { z } from 'zod';
import type { ControlPlane } from '../control/control-plane.ts';
import { SERVER_WEIGHT_MAX } from '../discovery/server-word.ts';
import { parseSocketAddress } from '../ip/socket-address.ts';
import { orProblem, problemResponses } from './problem.ts';
import { apiSchemas, list, requestName, requestReason, sharingSchema } from './schema.ts';
import { type AdminServer, WRITE_ROUTE } from './server.ts';

/** Upstreams of this node's balancer, with the state of each server, and what people say of them. */
export function addBalancerRoutes(server: AdminServer, plane: ControlPlane): void {
  const tags = ['balancers'];
  server.get(
    '/api/v1/balancers',
    {
      schema: {
        tags,
        summary: 'Every upstream of the balancer with its servers',
        response: { 200: list(upstreamSchema), ...problemResponses },
      },
    },
    async () => plane.balancers(),
  );
  server.post(
    '/api/v1/balancers/:upstream/servers',
    {
      config: WRITE_ROUTE,
      schema: {
        tags,
        summary: 'Add a server to an upstream',
        params: upstreamParams,
        body: addSchema,
        response: { 200: changeSchema, ...problemResponses },
      },
    },
    async ({ body, caller, params }) => {
      const { reason, server: where, weight } = body;
      const at = parseSocketAddress(where)!;
      const more = weight === undefined ? {} : { weight };
      return orProblem(await plane.addServer({ ...params, ...at, ...more, reason, by: caller }));
    },
  );
  server.patch(
    '/api/v1/balancers/:upstream/servers/:server',
    {
      config: WRITE_ROUTE,
      schema: {
        tags,
        summary: 'Give a server another weight, drain it, or bring it back',
        params: serverParams,
        body: patchSchema,
        response: { 200: changeSchema, ...problemResponses },
      },
    },
    async ({ body, caller, params }) => {
      const { force, mode, reason, weight } = body;
      return orProblem(
        await plane.changeServer({
          ...params,
          reason,
          by: caller,
          ...(mode === undefined ? {} : { mode }),
          ...(weight === undefined ? {} : { weight }),
          ...(force === undefined ? {} : { force }),
        }),
      );
    },
  );
  server.delete(
    '/api/v1/balancers/:upstream/servers/:server',
    {
      config: WRITE_ROUTE,
      schema: {
        tags,
        summary: 'Remove a server that was added; what is in flight on it goes on',
        params: serverParams,
        querystring: z.object({ force: z.stringbool().optional(), reason: requestReason }),
        response: { 200: changeSchema, ...problemResponses },
      },
    },
    async ({ caller, params, query }) => {
      const { force, reason } = query;
      const more = force === undefined ? {} : { force };
      return orProblem(await plane.removeServer({ ...params, ...more, reason, by: caller }));
    },
  );
}

const upstreamParams = z.object({ upstream: requestName });
const serverParams = upstreamParams.extend({ server: requestName });
const mode = z
  .enum(['ready', 'drain', 'maintenance'])
  .describe('`drain`: nobody new, and it keeps whom it has; `maintenance`: nobody');
const weight = z.number().min(0).max(SERVER_WEIGHT_MAX);
const force = z
  .boolean()
  .optional()
  .describe('Needed when it would leave the upstream without a server that takes requests');

const addSchema = z
  .strictObject({
    server: z
      .string()
      .refine((text) => parseSocketAddress(text) !== undefined, 'is not an address and port')
      .describe('`address:port`'),
    weight: weight.optional().describe('Default: 1'),
    reason: requestReason,
  })
  .register(apiSchemas, { id: 'AddServerRequest' });

const patchSchema = z
  .strictObject({
    weight: weight.optional().describe('Share of the requests; 0 = none'),
    mode: mode.optional(),
    reason: requestReason,
    force,
  })
  .refine((body) => body.weight !== undefined || body.mode !== undefined, 'needs weight or mode')
  .register(apiSchemas, { id: 'ChangeServerRequest' });

const changeSchema = z
  .object({
    upstream: z.string(),
    server: z.string(),
    isThere: z.boolean().describe('False once it is removed'),
    weight: z.number(),
    mode,
    sharing: sharingSchema,
  })
  .register(apiSchemas, { id: 'ServerChange' });

const serverSchema = z.object({
  name: z.string(),
  address: z.string(),
  port: z.number().int(),
  weight: z.number(),
  priority: z.number().int().describe('It takes requests while no server of a lower one can'),
  mode,
  origin: z.enum(['file', 'dns', 'api']).describe('Who said that it is there'),
  state: z
    .enum(['up', 'degraded', 'unready', 'down', 'unknown'])
    .describe(
      '`degraded`: up, with the share `degradedWeight` of its weight; `unready`: up, and takes nobody new',
    ),
  reason: z.string(),
  active: z.number().int().describe('Requests in flight'),
  requestsTotal: z.number().int(),
  failuresTotal: z.number().int(),
  outlier: z
    .object({
      level: z.enum(['reduced', 'ejected']).describe('`reduced`: it has part of its weight'),
      why: z.string().describe('The detector and what it saw'),
      untilMs: z.number().describe('Milliseconds since 1970'),
      workers: z.number().int().describe('Balancer workers that hold it against the server'),
      workersTotal: z.number().int().describe('Those that serve its upstream'),
    })
    .optional()
    .describe('What requests hold against it; absent = nothing'),
});

const upstreamSchema = z
  .object({ name: z.string(), algorithm: z.string(), servers: list(serverSchema) })
  .register(apiSchemas, { id: 'Upstream' });
