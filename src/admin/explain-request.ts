import { z } from 'zod';
import type { ControlPlane } from '../control/control-plane.ts';
import { orProblem, problemResponses } from './problem.ts';
import { apiSchemas, list, requestName, share } from './schema.ts';
import type { AdminServer } from './server.ts';

/** What becomes of a request at the balancer, from the same code that serves it. */
export function addExplainRequestRoute(server: AdminServer, plane: ControlPlane): void {
  server.post(
    '/api/v1/explain/request',
    {
      schema: {
        tags: ['explain'],
        summary: 'What the balancer does with a request: route, filters, server; nothing is sent',
        body: questionSchema,
        response: { 200: explanationSchema, ...problemResponses },
      },
    },
    async ({ body }) => orProblem(plane.explainRequest(body)),
  );
}

const URL_LENGTH_MAX = 8192;
const BODY_LENGTH_MAX = 16_384;
const HEADERS_MAX = 100;
const HEADER_LENGTH_MAX = 8192;

const questionSchema = z.strictObject({
  method: z.string().min(1).max(32).default('GET'),
  url: z.string().max(URL_LENGTH_MAX).describe('For instance http://www.example.com/path'),
  headers: list(z.string().max(HEADER_LENGTH_MAX))
    .refine((all) => all.length <= HEADERS_MAX, { message: `are more than ${HEADERS_MAX}` })
    .default([])
    .describe('Each "Name: value"'),
  body: z.string().max(BODY_LENGTH_MAX).optional().describe('Without a length among the headers'),
  from: z.string().max(64).optional().describe("The client's address; absent = 127.0.0.1"),
  listener: requestName.optional().describe("Absent = the one on the URL's port"),
});

const routeSchema = z
  .object({
    index: z.number().int().describe('Place in the listener, from 0'),
    hosts: list(z.string()).describe('Empty = any'),
    path: z.string().describe('"= /exact", "/prefix" or "~ pattern"'),
    verdict: z.enum(['taken', 'no', 'later']),
    why: z.string(),
  })
  .register(apiSchemas, { id: 'ExplainedRoute' });

const explanationSchema = z
  .object({
    request: z.object({
      method: z.string(),
      host: z.string(),
      target: z.string(),
      path: z.string().describe('In normal form, which routes look at'),
      from: z.string(),
    }),
    listener: z.object({ name: z.string(), region: z.string(), why: z.string() }),
    routes: list(routeSchema).describe('In the order in which this request meets them'),
    routesTotal: z.number().int(),
    filters: list(z.object({ kind: z.string(), effects: list(z.string()) })),
    answer: z
      .object({ status: z.number().int(), why: z.string() })
      .optional()
      .describe('What the balancer itself answers'),
    split: z
      .object({
        why: z.string(),
        arms: list(z.object({ upstream: z.string(), share, isTaken: z.boolean() })),
      })
      .optional(),
    mirror: z
      .object({ upstream: z.string(), percent: z.number() })
      .optional()
      .describe('Who gets copies'),
    asked: z
      .object({ host: z.string(), target: z.string() })
      .optional()
      .describe('What the server is asked for'),
    upstream: z
      .object({
        name: z.string(),
        algorithm: z.string(),
        why: z.string(),
        tableVersion: z.string().optional(),
        session: z
          .object({
            by: z.string(),
            key: z.string().optional().describe('16 hexadecimal digits, of a table of sessions'),
            server: z.string().optional().describe('Who has it'),
            why: z.string(),
          })
          .optional()
          .describe('What keeps the request on a server beside the algorithm'),
        hedging: z.string().optional().describe('Whether and when a second server is asked too'),
        servers: list(
          z.object({
            name: z.string(),
            weight: z.number(),
            state: z.string(),
            reason: z.string(),
            isPicked: z.boolean(),
          }),
        ),
      })
      .optional(),
  })
  .register(apiSchemas, { id: 'RequestExplanation' });
