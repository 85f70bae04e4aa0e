import { z } from 'zod';
import { apiSchemas, list, timestampMs } from './schema.ts';

/** What several answers tell of capacity. */

export const plannedSchema = z.object({
  generation: z.number().int(),
  madeAtMs: timestampMs,
  classes: z.number().int(),
  demand: z.number().describe('Requests per second'),
  addedMs: z.number(),
  regions: list(
    z.object({
      name: z.string(),
      capacity: z.number().describe('Requests per second; 0 = not stated'),
      room: z.number().describe('The same, less what comes without being sent'),
      target: z.number(),
      load: z.number(),
      priceMs: z.number().describe('What room for one more request would save; 0 = there is room'),
    }),
  ),
});

/** Of a region, by somebody else. */
export const reported = {
  requestsPerSecond: z.number().optional(),
  capacity: z.number().optional().describe('Requests per second; 0 = as many as come'),
  by: z.string(),
  atMs: timestampMs,
  expiresAtMs: timestampMs,
};
export const reportedSchema = z.object(reported).register(apiSchemas, { id: 'ReportedLoad' });
