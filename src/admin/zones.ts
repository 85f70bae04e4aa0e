import { z } from 'zod';
import type { ControlPlane } from '../control/control-plane.ts';
import { problemResponses } from './problem.ts';
import { apiSchemas, list } from './schema.ts';
import type { AdminServer } from './server.ts';

/** Zones: what the nameserver is authoritative for. */
export function addZoneRoutes(server: AdminServer, plane: ControlPlane): void {
  server.get(
    '/api/v1/zones',
    {
      schema: {
        tags: ['zones'],
        summary: 'Every zone with its serial and its steered names',
        response: { 200: list(zoneSchema), ...problemResponses },
      },
    },
    async () => plane.zones(),
  );
}

const steeredSchema = z.object({
  name: z.string(),
  pool: z.string(),
  policy: z.string(),
  classes: z.number().int().describe('Groups of client networks that are answered alike'),
});

const zoneSchema = z
  .object({
    name: z.string(),
    serial: z.number().int(),
    rrsets: z.number().int(),
    steered: list(steeredSchema),
  })
  .register(apiSchemas, { id: 'Zone' });
