import { z } from 'zod';
import type { ControlPlane } from '../control/control-plane.ts';
import { problemResponses } from './problem.ts';
import type { AdminServer } from './server.ts';

/** `/metrics` in the Prometheus text format, as the control plane composes it. */
export function addMetricsRoutes(server: AdminServer, plane: ControlPlane): void {
  server.get(
    '/metrics',
    {
      schema: {
        tags: ['health'],
        summary: 'Metrics in the Prometheus text format',
        response: {
          200: { description: 'Metrics', content: { 'text/plain': { schema: z.string() } } },
          ...problemResponses,
        },
      },
    },
    async (_request, reply) => {
      const { contentType, body } = await plane.metrics();
      return reply.header('content-type', contentType).send(body);
    },
  );
}
