import { z } from 'zod';
import type { ControlPlane } from '../control/control-plane.ts';
import { problemResponses } from './problem.ts';
import { apiSchemas, list } from './schema.ts';
import type { AdminServer } from './server.ts';

/** Upstreams of this node's balancer, with the state of each server. */
export function addBalancerRoutes(server: AdminServer, plane: ControlPlane): void {
  server.get(
    '/api/v1/balancers',
    {
      schema: {
        tags: ['balancers'],
        summary: 'Every upstream of the balancer with its servers',
        response: { 200: list(upstreamSchema), ...problemResponses },
      },
    },
    async () => plane.balancers(),
  );
}

const serverSchema = z.object({
  name: z.string(),
  state: z.enum(['up', 'down', 'unknown']),
  reason: z.string(),
  active: z.number().int().describe('Requests in flight'),
  requestsTotal: z.number().int(),
  failuresTotal: z.number().int(),
});

const upstreamSchema = z
  .object({ name: z.string(), algorithm: z.string(), servers: list(serverSchema) })
  .register(apiSchemas, { id: 'Upstream' });
