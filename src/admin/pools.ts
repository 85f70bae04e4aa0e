import { z } from 'zod';
import type { ControlPlane } from '../control/control-plane.ts';
import { problemResponses } from './problem.ts';
import { endpointSchema } from './regions.ts';
import { apiSchemas, list } from './schema.ts';
import type { AdminServer } from './server.ts';

/** Pools: the endpoints that a steered name chooses among. */
export function addPoolRoutes(server: AdminServer, plane: ControlPlane): void {
  server.get(
    '/api/v1/pools',
    {
      schema: {
        tags: ['pools'],
        summary: 'Every pool with its monitor, the names that use it and its endpoints',
        response: { 200: list(poolSchema), ...problemResponses },
      },
    },
    async () => plane.pools(),
  );
}

const poolSchema = z
  .object({
    name: z.string(),
    monitor: z.string().optional(),
    names: list(z.string()),
    endpoints: list(endpointSchema),
  })
  .register(apiSchemas, { id: 'Pool' });
