import { z } from 'zod';
import type { ControlPlane } from '../control/control-plane.ts';
import { orProblem, problemResponses } from './problem.ts';
import { apiSchemas, fromPath, list, timestampMs, zoneInPath } from './schema.ts';
import { type AdminServer, WRITE_ROUTE } from './server.ts';

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
  server.post(
    '/api/v1/zones/:zone/refresh',
    {
      config: WRITE_ROUTE,
      schema: {
        tags: ['zones'],
        summary:
          'Look now whether the primary of a zone has a newer one; answers when that is known',
        params: z.object({ zone: zoneInPath }),
        body: z
          .strictObject({
            anew: z
              .boolean()
              .default(false)
              .describe('Take all of it, whatever its serial: also an older one, of a backup'),
          })
          .default({ anew: false }),
        response: { 200: zoneSchema, ...problemResponses },
      },
    },
    async ({ body, params }) =>
      orProblem(await plane.refreshZone(fromPath(params.zone), body.anew)),
  );
}

const steeredSchema = z.object({
  name: z.string(),
  pool: z.string(),
  policy: z.string(),
  classes: z.number().int().describe('Groups of client networks that are answered alike'),
});

const copySchema = z.object({
  standing: z
    .enum(['missing', 'current', 'expired'])
    .describe('missing: nothing has come yet; expired: no primary has confirmed it for too long'),
  serial: z.number().int().optional(),
  rrsets: z.number().int(),
  primary: z.string().optional().describe('Who gave or confirmed it last'),
  confirmedAtMs: timestampMs.optional(),
  nextLookAtMs: timestampMs,
  expiresAtMs: timestampMs.optional(),
  problem: z.string().optional().describe('Why the last look was in vain'),
});

const zoneSchema = z
  .object({
    name: z.string(),
    serial: z.number().int(),
    rrsets: z.number().int(),
    steered: list(steeredSchema),
    copy: copySchema.optional().describe('Of a zone that is copied from a primary'),
  })
  .register(apiSchemas, { id: 'Zone' });
