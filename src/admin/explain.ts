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
    async ({ query }) => orProblem(await plane.explain(question(query), instantOf(query.at))),
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
    async ({ body }) => orProblem(await plane.explain(question(body), instantOf(body.at))),
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
  at: z
    .union([z.string().max(64), z.number()])
    .optional()
    .refine((at) => at === undefined || at === '' || Number.isFinite(readInstant(at)), {
      message: 'is neither an ISO 8601 time nor milliseconds since 1970',
    })
    .describe(
      'The instant to explain, as ISO 8601 (UTC when it has no zone) or milliseconds since 1970; absent = now',
    ),
});

function instantOf(at: string | number | undefined): number | undefined {
  return at === undefined || at === '' ? undefined : readInstant(at);
}

/** Milliseconds since 1970; NaN for anything else. */
function readInstant(at: string | number): number {
  if (typeof at === 'number' || /^-?\d+(\.\d+)?$/.test(at)) {
    const ms = Number(at);
    return Math.abs(ms) <= INSTANT_MAX_MS ? ms : Number.NaN;
  }
  const hasZone = /(Z|[+-]\d{2}:?\d{2})$/i.test(at);
  const hasTime = /\d[T ]\d/.test(at);
  return Date.parse(hasTime && !hasZone ? `${at}Z` : at);
}

/** The last that a Date can hold. */
const INSTANT_MAX_MS = 8.64e15;

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

const candidateSchema = z
  .object({
    name: z.string().describe('pool/region'),
    region: z.string(),
    tier: z.number().int().describe('From 1, best first; 0 = left out for this client'),
    weight: z.number(),
    state: z.string(),
    reason: z.string().describe('Who judged, or who overrode'),
    seenFrom: z.string().optional().describe('The region whose view this is; absent = the world'),
    share: share.describe('The part of its share that it gets: below 1 while it returns slowly'),
    ttlSeconds: z.number().describe('Until its state could change'),
    distanceKm: z.number().optional(),
    answerShare: share.describe('Part of the clients of the class that are answered with it first'),
  })
  .register(apiSchemas, { id: 'ExplainedCandidate' });

const drawnSchema = z.object({
  number: z.number().int(),
  of: z.number().int(),
  draw: share,
  from: share,
  to: share,
});

const drawSchema = z.object({
  bucket: z.string().describe('Clients in it draw alike'),
  part: z
    .object({
      number: z.number().int(),
      of: z.number().int(),
      share,
      name: z.string(),
      slot: z.number().int(),
    })
    .describe('Which part of the clients it always belongs to, by its slot'),
  outcome: drawnSchema.describe('What it gets in this slot'),
  slot: z.object({ seconds: z.number(), endsAtMs: timestampMs }),
  why: z.string(),
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
    candidates: list(candidateSchema),
    steps: list(stepSchema),
    rung: z.string().optional().describe('healthy, degraded, panic, all-down or sorry'),
    outcomes: list(z.object({ share, endpoints: list(z.string()), addresses: list(z.string()) })),
    draw: drawSchema.optional(),
    answer: list(z.string()),
    region: z.string().optional(),
    ttl: z.object({
      seconds: z.number(),
      why: z.string(),
      endpoints: list(z.string()).describe('Whose change is the earliest that could come'),
    }),
    scope: z.object({
      prefixLength: z.number().int(),
      why: z.string(),
      network: z.string().optional(),
    }),
    served: z.object({
      node: z.string().optional(),
      generation: z.number().int(),
      revision: z.number().int(),
      config: z.string().optional().describe('SHA-256 of the steering part of the configuration'),
    }),
    notes: list(z.string()),
  })
  .register(apiSchemas, { id: 'Explanation' });
