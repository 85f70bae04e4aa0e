import { z } from 'zod';
import type { ControlPlane } from '../control/control-plane.ts';
import { problemResponses } from './problem.ts';
import { apiSchemas, list, timestampMs } from './schema.ts';
import type { AdminServer } from './server.ts';

/** The nodes of the cluster, as this one knows them. */
export function addNodeRoutes(server: AdminServer, plane: ControlPlane): void {
  server.get(
    '/api/v1/nodes',
    {
      schema: {
        tags: ['nodes'],
        summary:
          'The nodes of the cluster as this one knows them: versions, lag, who is heard directly',
        response: { 200: clusterSchema, ...problemResponses },
      },
    },
    async () => plane.cluster(),
  );
}

const nodeSchema = z
  .object({
    name: z.string(),
    isSelf: z.boolean(),
    state: z.enum(['here', 'silent', 'gone']),
    direct: z
      .enum(['self', 'connected', 'silent', 'never'])
      .describe('Whether its own datagrams reach this node'),
    version: z.string(),
    roles: list(z.string()),
    region: z.string().optional(),
    peerAddress: z.string().optional(),
    adminUrl: z.string().optional(),
    generation: z.number(),
    revision: z.number().describe('Of the shared configuration; 0 = of its file'),
    revisionsBehind: z.number().describe('How far it is behind the furthest node'),
    configSha: z.string().describe('Differs where the configurations do'),
    startedAtMs: timestampMs,
    lastHeardMs: timestampMs,
  })
  .register(apiSchemas, { id: 'ClusterNode' });

const clusterSchema = z
  .object({
    nodes: list(nodeSchema),
    store: z.object({ kind: z.string(), state: z.string(), reason: z.string().optional() }),
    clock: z
      .object({ source: z.string(), offsetMs: z.number(), isSkewed: z.boolean() })
      .describe('The time that nodes agree on, less the machine’s own'),
  })
  .register(apiSchemas, { id: 'Cluster' });
