import { z } from 'zod';
import type { ControlPlane } from '../control/control-plane.ts';
import { REPORTED_RATE_MAX, REPORTED_SECONDS_MAX } from '../control/reported-loads.ts';
import { plannedSchema, reported } from './capacity-schema.ts';
import { orProblem, problemResponses } from './problem.ts';
import { apiSchemas, list, requestName, share, sharingSchema } from './schema.ts';
import { type AdminServer, WRITE_ROUTE } from './server.ts';

/** Capacity: what the plan makes of regions, and what somebody else knows of their load. */
export function addCapacityRoutes(server: AdminServer, plane: ControlPlane): void {
  const tags = ['capacity'];
  server.get(
    '/api/v1/capacity',
    {
      schema: {
        tags,
        summary: 'The capacity plan in force, and the classes of clients that it passes on',
        querystring: z.object({
          classes: z.coerce
            .number()
            .int()
            .min(0)
            .max(CLASSES_MAX)
            .default(CLASSES_DEFAULT)
            .describe('So many of them at most, those first of whom most are passed on'),
        }),
        response: { 200: capacityViewSchema, ...problemResponses },
      },
    },
    async ({ query }) => orProblem(plane.capacity(query.classes)),
  );
  server.put(
    '/api/v1/regions/:name/load',
    {
      config: WRITE_ROUTE,
      schema: {
        tags,
        summary: 'Report the load or the capacity of a region, for a while',
        description:
          'Stands in place of what balancers count and of what is configured, on all nodes, until its time is over.',
        params: regionParameters,
        body: loadSchema,
        response: { 200: loadChangeSchema, ...problemResponses },
      },
    },
    async ({ body, caller, params }) =>
      orProblem(await plane.reportLoad({ region: params.name, ...body, by: caller })),
  );
  server.delete(
    '/api/v1/regions/:name/load',
    {
      config: WRITE_ROUTE,
      schema: {
        tags,
        summary: 'Forget what was reported of a region',
        params: regionParameters,
        response: { 200: loadChangeSchema, ...problemResponses },
      },
    },
    async ({ params }) => orProblem(await plane.clearLoad(params.name)),
  );
}

const CLASSES_DEFAULT = 20;
const CLASSES_MAX = 2000;

const regionParameters = z.object({ name: requestName.describe('The name of the region') });
const rate = z.number().min(0).max(REPORTED_RATE_MAX);

const loadSchema = z.strictObject({
  requestsPerSecond: rate.optional().describe('In place of the balancers’ count'),
  capacity: rate
    .optional()
    .describe('Requests per second, in place of the configured capacity; 0 = as many as come'),
  forSeconds: z
    .number()
    .positive()
    .max(REPORTED_SECONDS_MAX)
    .optional()
    .describe('How long it holds; a minute when it is left out'),
});

const loadChangeSchema = z
  .object({ region: z.string(), ...reported, sharing: sharingSchema })
  .register(apiSchemas, { id: 'LoadChange' });

const capacityViewSchema = plannedSchema
  .extend({
    passedCount: z
      .number()
      .int()
      .describe('How many classes have clients that are not in the region nearest to them'),
    passed: list(
      z.object({
        key: z.string().describe('The square of the world, and the order of regions'),
        pool: z.string(),
        demand: z.number().describe('Requests per second'),
        passed: z.number().describe('Of these, those that are passed on'),
        nearest: z.string(),
        lostMs: z.number().describe('What a request that is passed on loses on average'),
        regions: list(z.object({ name: z.string(), share, wayMs: z.number() })),
      }),
    ),
  })
  .register(apiSchemas, { id: 'Capacity' });
