import { z } from 'zod';
import type { ControlPlane, OverrideRequest } from '../control/control-plane.ts';
import { reportedSchema } from './capacity-schema.ts';
import { actionOptions, overrideSchema } from './overrides.ts';
import { HttpProblem, orProblem, problemResponses } from './problem.ts';
import { apiSchemas, list, locationSchema, requestName, share, timestampMs } from './schema.ts';
import { type AdminServer, WRITE_ROUTE } from './server.ts';

/** Regions: what DNS steers to, with health as every vantage point sees it; and what operators do to one. */
export function addRegionRoutes(server: AdminServer, plane: ControlPlane): void {
  server.get(
    '/api/v1/regions',
    {
      schema: {
        tags: ['regions'],
        summary: 'Every region with its endpoints and their health',
        response: { 200: list(regionSchema), ...problemResponses },
      },
    },
    async () => plane.regions(),
  );
  server.get(
    '/api/v1/regions/:name',
    {
      schema: {
        tags: ['regions'],
        summary: 'One region',
        params: regionParameters,
        response: { 200: regionSchema, ...problemResponses },
      },
    },
    async (request) => regionNamed(plane, request.params.name),
  );
  addRegionActions(server, plane);
}

/** Shortcuts for what `POST /overrides` does in general. */
function addRegionActions(server: AdminServer, plane: ControlPlane): void {
  const response = { 200: overrideSchema, ...problemResponses };
  const tags = ['regions'];
  const act = async (name: string, request: Omit<OverrideRequest, 'target'>) =>
    orProblem(await plane.setOverride({ target: { kind: 'region', name }, ...request }));

  server.post(
    '/api/v1/regions/:name/drain',
    {
      config: WRITE_ROUTE,
      schema: {
        tags,
        summary: 'Drain a region: new answers avoid it, requests in flight finish',
        params: regionParameters,
        body: z.strictObject(actionOptions),
        response,
      },
    },
    async ({ params, body, caller }) =>
      act(params.name, { ...present(body), action: 'drain', by: caller }),
  );
  server.post(
    '/api/v1/regions/:name/undrain',
    {
      config: WRITE_ROUTE,
      schema: {
        tags,
        summary: "Clear a region's drain or force: its judged health decides again",
        params: regionParameters,
        body: z.strictObject({}).default({}),
        response,
      },
    },
    async ({ params, caller }) =>
      orProblem(await plane.clearOverride({ kind: 'region', name: params.name }, caller)),
  );
  server.post(
    '/api/v1/regions/:name/force',
    {
      config: WRITE_ROUTE,
      schema: {
        tags,
        summary: 'Say that a region is up or down, whatever the probes say',
        params: regionParameters,
        body: z.strictObject({ state: z.enum(['up', 'down']), ...actionOptions }),
        response,
      },
    },
    async ({ params, body: { state, ...options }, caller }) =>
      act(params.name, { ...present(options), action: state, by: caller }),
  );
}

function regionNamed(plane: ControlPlane, name: string) {
  const regions = plane.regions();
  const region = regions.find((candidate) => candidate.name === name);
  if (region !== undefined) return region;
  throw new HttpProblem({
    status: 404,
    code: 'no-such-region',
    detail: `There is no region "${name}".`,
    hint: `The regions are ${regions.map((candidate) => candidate.name).join(', ')}.`,
  });
}

/** Leaves out what was not given: the contract knows absent, not undefined. */
function present(options: {
  readonly reason: string;
  readonly forSeconds?: number | undefined;
  readonly force?: boolean | undefined;
}): Pick<OverrideRequest, 'reason' | 'forSeconds' | 'force'> {
  const { reason, forSeconds, force } = options;
  return {
    reason,
    ...(forSeconds === undefined ? {} : { forSeconds }),
    ...(force === undefined ? {} : { force }),
  };
}

const regionParameters = z.object({ name: requestName.describe('The name of the region') });

export const HEALTH_STATES = [
  'up',
  'degraded',
  'unknown',
  'down',
  'frozen',
  'drained',
  'forced-up',
  'forced-down',
] as const;
export const healthStateSchema = z
  .enum(HEALTH_STATES)
  .describe(
    '"unknown" counts as up; "frozen" is down but kept in the answers by the withdrawal limit; "drained" and "forced-*" are an operator\'s word',
  )
  .register(apiSchemas, { id: 'HealthState' });

const vantageSchema = z
  .object({
    vantage: z.string(),
    verdict: z.enum(['up', 'down', 'unknown', 'abstains']),
    slow: z.boolean(),
    abstains: z.string().describe('Why it abstains; empty when it does not'),
    sinceMs: timestampMs,
    recent: list(
      z.object({
        atMs: timestampMs,
        ok: z.boolean(),
        rttMs: z.number(),
        reason: z.string(),
        timings: z
          .object({
            connectMs: z.number().optional(),
            tlsMs: z.number().optional(),
            firstByteMs: z.number().optional(),
          })
          .optional()
          .describe('Where the time went; on the node that probed'),
        expiresAtMs: timestampMs
          .optional()
          .describe('When the certificate expires; on the node that probed'),
        warning: z.string().optional().describe('What is well yet and will not stay so'),
      }),
    ),
  })
  .register(apiSchemas, { id: 'Vantage' });

export const endpointSchema = z
  .object({
    name: z.string().describe('pool/region'),
    pool: z.string(),
    region: z.string(),
    addresses: list(z.string()),
    cname: z
      .string()
      .optional()
      .describe('Answered as a CNAME; the addresses are then those that are probed'),
    weight: z.number(),
    state: healthStateSchema,
    judged: z.enum(['up', 'down', 'degraded', 'unknown']),
    reason: z.string(),
    ttlSeconds: z.number(),
    share: share.describe('The part of its share that it gets: below 1 while it returns slowly'),
    near: list(
      z.object({ region: z.string(), state: healthStateSchema, reason: z.string() }),
    ).describe('Clients near these regions are steered by another state'),
    answersTotal: z.number(),
    vantages: list(vantageSchema),
  })
  .register(apiSchemas, { id: 'Endpoint' });

const regionSchema = z
  .object({
    name: z.string(),
    location: locationSchema,
    vips: list(z.string()),
    capacity: z.number().describe('Requests per second; 0 = not stated'),
    reported: reportedSchema
      .optional()
      .describe('What somebody reports in place of what is counted and configured'),
    state: healthStateSchema,
    endpoints: list(endpointSchema),
    addressShare: share,
    answersTotal: z.number(),
    agents: list(
      z.object({
        node: z.string(),
        address: z.string(),
        port: z.number(),
        ready: z.boolean(),
        reason: z.string(),
        serversUsable: z.number(),
        serversTotal: z.number(),
        requestsPerSecond: z.number(),
        active: z.number().describe('In flight to the servers behind the listener'),
        heardAtMs: timestampMs,
      }),
    ).describe('What the balancers of the region report, one per listener'),
  })
  .register(apiSchemas, { id: 'Region' });
