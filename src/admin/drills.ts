import { z } from 'zod';
import type { ControlPlane, DrillRequest } from '../control/control-plane.ts';
import { DRILL_SECONDS_MAX, DRILL_SECONDS_MIN } from '../drill/guard.ts';
import { orProblem, problemResponses } from './problem.ts';
import { apiSchemas, list, requestName, requestReason, share, timestampMs } from './schema.ts';
import { type AdminServer, WRITE_ROUTE } from './server.ts';

/** Drills: a rehearsed failure of a region, predicted first, ended by a deadline that the node keeps. */
export function addDrillRoutes(server: AdminServer, plane: ControlPlane): void {
  const tags = ['drills'];
  server.get(
    '/api/v1/drills',
    {
      schema: {
        tags,
        summary: 'Every drill that this node remembers',
        response: { 200: list(drillSchema), ...problemResponses },
      },
    },
    async () => plane.drills(),
  );
  server.post(
    '/api/v1/drills/predict',
    {
      schema: {
        tags,
        summary: 'What a drill would do: shares by region before and during; changes nothing',
        body: drillRequestSchema,
        response: { 200: predictionSchema, ...problemResponses },
      },
    },
    async ({ body, caller }) => orProblem(plane.predictDrill(requested(body, caller))),
  );
  server.post(
    '/api/v1/drills',
    {
      config: WRITE_ROUTE,
      schema: {
        tags,
        summary: 'Start a drill; it ends by itself at its deadline',
        body: drillRequestSchema,
        response: { 201: drillSchema, ...problemResponses },
      },
    },
    async ({ body, caller }, reply) => {
      const drill = orProblem(await plane.startDrill(requested(body, caller)));
      return reply.code(201).send(drill);
    },
  );
  server.post(
    '/api/v1/drills/:id/stop',
    {
      config: WRITE_ROUTE,
      schema: {
        tags,
        summary: 'Stop a drill and revert now',
        params: z.object({ id: requestName.describe('The id of the drill') }),
        body: z.strictObject({}).default({}),
        response: { 200: drillSchema, ...problemResponses },
      },
    },
    async ({ params, caller }) => orProblem(await plane.stopDrill(params.id, caller)),
  );
}

function requested(body: z.output<typeof drillRequestSchema>, by: string): DrillRequest {
  const { region, durationSeconds, reason, force } = body;
  return { region, durationSeconds, reason, by, ...(force === undefined ? {} : { force }) };
}

const drillRequestSchema = z
  .strictObject({
    region: requestName,
    durationSeconds: z.number().int().min(DRILL_SECONDS_MIN).max(DRILL_SECONDS_MAX).default(60),
    reason: requestReason,
    force: z.boolean().optional().describe('Start although the prediction has grave warnings'),
  })
  .register(apiSchemas, { id: 'DrillRequest' });

const shares = list(z.object({ region: z.string(), share }));

const predictionSchema = z
  .object({
    region: z.string(),
    names: list(z.object({ name: z.string(), before: shares, during: shares })),
    warnings: list(z.string()),
  })
  .register(apiSchemas, { id: 'DrillPrediction' });

const counts = list(z.object({ region: z.string(), answers: z.number().int() }));

const drillSchema = z
  .object({
    id: z.string(),
    region: z.string(),
    state: z.enum(['running', 'finished', 'stopped', 'aborted']),
    startedAtMs: timestampMs,
    endsAtMs: timestampMs,
    by: z.string(),
    prediction: predictionSchema,
    observed: z.object({ before: counts, during: counts, after: counts }),
    note: z.string(),
  })
  .register(apiSchemas, { id: 'Drill' });
