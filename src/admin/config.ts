import { z } from 'zod';
import type { ControlPlane } from '../control/control-plane.ts';
import { problemResponses } from './problem.ts';
import type { AdminServer } from './server.ts';

/** The configuration as validated, secrets redacted. */
export function addConfigRoutes(server: AdminServer, plane: ControlPlane): void {
  server.get(
    '/api/v1/config',
    {
      schema: {
        tags: ['config'],
        summary: 'The configuration in force, with defaults filled in and secrets redacted',
        response: {
          200: z.unknown().describe('The configuration and its JSON Schema'),
          ...problemResponses,
        },
      },
    },
    async () => plane.config(),
  );
}
