import { z } from 'zod';
import type { ControlPlane } from '../control/control-plane.ts';
import { configIssueSchema, invalidConfig, problemResponses } from './problem.ts';
import { apiSchemas, list, timestampMs } from './schema.ts';
import { type AdminServer, WRITE_ROUTE } from './server.ts';

/** Reload: read the configuration again, validate, swap. An invalid file changes nothing. */
export function addReloadRoutes(server: AdminServer, plane: ControlPlane): void {
  server.post(
    '/api/v1/reload',
    {
      config: WRITE_ROUTE,
      schema: {
        tags: ['config'],
        summary: 'Reload the configuration; 422 with all issues when it is invalid',
        body: z
          .strictObject({
            zone: z
              .string()
              .max(1024)
              .optional()
              .describe('Reads only the file of this zone again, when nothing else has changed'),
          })
          .default({}),
        response: { 200: reloadSchema, ...problemResponses },
      },
    },
    async ({ body, caller }) => {
      const result = await plane.reload(caller, body.zone);
      if (result.ok) return result;
      throw invalidConfig(
        result.issues,
        'Mend the lines that "issues" names and reload again; "meridian check FILE" shows the same list.',
      );
    },
  );
}

export const reloadSchema = z
  .object({
    ok: z.boolean(),
    atMs: timestampMs,
    generation: z.number().int().describe('Counts what this node has served since it started'),
    revision: z.number().int().describe('Of the shared configuration; 0 = of its file'),
    changes: list(z.string()),
    issues: list(configIssueSchema),
  })
  .register(apiSchemas, { id: 'Reload' });
