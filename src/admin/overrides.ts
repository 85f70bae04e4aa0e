import { z } from 'zod';
import type { ControlPlane, OverrideRequest } from '../control/control-plane.ts';
import { OVERRIDE_SECONDS_MAX } from '../control/override-requests.ts';
import { orProblem, problemResponses } from './problem.ts';
import {
  apiSchemas,
  list,
  requestName,
  requestReason,
  sharingSchema,
  timestampMs,
} from './schema.ts';
import { type AdminServer, WRITE_ROUTE } from './server.ts';

/** Overrides: an operator's word over health, on a region, a pool or an endpoint. */
export function addOverrideRoutes(server: AdminServer, plane: ControlPlane): void {
  const tags = ['overrides'];
  server.get(
    '/api/v1/overrides',
    {
      schema: {
        tags,
        summary: 'Every override in force',
        response: { 200: list(overrideSchema), ...problemResponses },
      },
    },
    async () => plane.overrides(),
  );
  server.post(
    '/api/v1/overrides',
    {
      config: WRITE_ROUTE,
      schema: {
        tags,
        summary: 'Drain, or force up or down',
        body: overrideRequestSchema,
        response: { 200: overrideSchema, ...problemResponses },
      },
    },
    async ({ body, caller }) => orProblem(await plane.setOverride(requested(body, caller))),
  );
  server.delete(
    '/api/v1/overrides/:kind/*',
    {
      config: WRITE_ROUTE,
      schema: {
        tags,
        summary: 'Clear an override; the judged health decides again',
        params: z.object({
          kind: targetKind,
          '*': requestName.describe('The name; an endpoint is pool/region'),
        }),
        response: { 200: overrideSchema, ...problemResponses },
      },
    },
    async ({ params, caller }) =>
      orProblem(await plane.clearOverride({ kind: params.kind, name: params['*'] }, caller)),
  );
}

/** Shared by every request that sets an override. */
export const actionOptions = {
  forSeconds: z
    .number()
    .int()
    .min(1)
    .max(OVERRIDE_SECONDS_MAX)
    .optional()
    .describe('Lapses by itself after this time; absent = until cleared'),
  reason: requestReason,
  force: z
    .boolean()
    .optional()
    .describe('Needed when it would leave a pool without any usable endpoint'),
} as const;

function requested(body: z.output<typeof overrideRequestSchema>, by: string): OverrideRequest {
  const { target, action, reason, forSeconds, force } = body;
  return {
    target,
    action,
    reason,
    by,
    ...(forSeconds === undefined ? {} : { forSeconds }),
    ...(force === undefined ? {} : { force }),
  };
}

const targetKind = z.enum(['region', 'pool', 'endpoint']);

const overrideRequestSchema = z
  .strictObject({
    target: z.strictObject({ kind: targetKind, name: requestName }),
    action: z.enum(['drain', 'up', 'down']),
    ...actionOptions,
  })
  .register(apiSchemas, { id: 'OverrideRequest' });

export const overrideSchema = z
  .object({
    target: z.object({ kind: targetKind, name: z.string() }),
    action: z.enum(['drain', 'up', 'down', 'cleared']),
    reason: z.string(),
    by: z.string(),
    setAtMs: timestampMs,
    expiresAtMs: timestampMs.optional(),
    drill: z.string().optional().describe('The drill that set it'),
    sharing: sharingSchema.optional().describe('In the answer to whoever set or cleared it'),
  })
  .register(apiSchemas, { id: 'Override' });
