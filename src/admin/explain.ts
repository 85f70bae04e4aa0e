import { z } from 'zod';
import type { ControlPlane, Question } from '../control/control-plane.ts';
import { orProblem, problemResponses } from './problem.ts';
import { apiSchemas, list, locationSchema, requestName, share, timestampMs } from './schema.ts';
import type { AdminServer } from './server.ts';

/** Why a client gets the answer that it gets, step by step, from the same code that answers. */
export function addExplainRoutes(server: AdminServer, plane: ControlPlane): void {
  const response = { 200: explanationSchema, ...problemResponses };
  server.get(
    '/api/v1/explain',
    {
      schema: {
        tags: ['explain'],
        summary: 'Why a client gets its answer',
        querystring: questionSchema,
        response,
      },
    },
    async (request) => orProblem(plane.explain(question(request.query))),
  );
  server.post(
    '/api/v1/explain',
    {
      schema: {
        tags: ['explain'],
        summary: 'Why a client gets its answer; the question as a body',
        body: questionSchema,
        response,
      },
    },
    async (request) => orProblem(plane.explain(question(request.body))),
  );
}

const questionSchema = z.strictObject({
  name: requestName.describe('The name asked for, for instance www.gslb.example'),
  type: z.string().max(16).optional().describe('A (the default) or AAAA'),
  client: z
    .string()
    .max(64)
    .optional()
    .describe("The client's address or network (as ECS carries it)"),
  resolver: z.string().max(64).optional().describe("The resolver's address, when there is no ECS"),
});

/** Leaves out what was not asked. */
function question(asked: z.output<typeof questionSchema>): Question {
  const { name, type, client, resolver } = asked;
  return {
    name,
    ...(type === undefined || type === '' ? {} : { type }),
    ...(client === undefined || client === '' ? {} : { client }),
    ...(resolver === undefined || resolver === '' ? {} : { resolver }),
  };
}

const stepSchema = z.object({
  step: z.string(),
  kept: list(z.string()),
  dropped: list(z.object({ name: z.string(), reason: z.string() })),
  note: z.string(),
});

const explanationSchema = z
  .object({
    name: z.string(),
    type: z.string(),
    atMs: timestampMs,
    client: z.object({
      network: z.string(),
      from: z.enum(['client-subnet', 'resolver']),
      location: locationSchema.optional(),
      place: z.string(),
      near: z.string().optional().describe('The region whose vantage points count for this client'),
    }),
    outcome: z.string(),
    policy: z.string().optional(),
    pool: z.string().optional(),
    classId: z.number().int().optional(),
    steps: list(stepSchema),
    rung: z.string().optional().describe('healthy, degraded, panic, all-down or sorry'),
    outcomes: list(z.object({ share, endpoints: list(z.string()), addresses: list(z.string()) })),
    answer: list(z.string()),
    region: z.string().optional(),
    ttl: z.object({ seconds: z.number(), why: z.string() }),
    scope: z.object({ prefixLength: z.number().int(), why: z.string() }),
  })
  .register(apiSchemas, { id: 'Explanation' });
