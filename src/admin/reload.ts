import { z } from 'zod';
import type { ControlPlane } from '../control/control-plane.ts';
import { configIssueSchema, HttpProblem, problemResponses } from './problem.ts';
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
        body: z.strictObject({}).default({}),
        response: { 200: reloadSchema, ...problemResponses },
      },
    },
    async ({ caller }) => {
      const result = await plane.reload(caller);
      if (result.ok) return result;
      const count = result.issues.length;
      throw new HttpProblem({
        status: 422,
        code: 'invalid-config',
        detail: `The configuration has ${count} ${count === 1 ? 'problem' : 'problems'}; nothing was changed.`,
        hint: 'Mend the lines that "issues" names and reload again; "meridian check FILE" shows the same list.',
        issues: result.issues,
      });
    },
  );
}

export const reloadSchema = z
  .object({
    ok: z.boolean(),
    atMs: timestampMs,
    revision: z.number().int(),
    changes: list(z.string()),
    issues: list(configIssueSchema),
  })
  .register(apiSchemas, { id: 'Reload' });
