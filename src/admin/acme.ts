import { z } from 'zod';
import {
  CHALLENGE_EXPIRES_SECONDS,
  CHALLENGE_EXPIRES_SECONDS_MAX,
  CHALLENGE_TTL_SECONDS,
} from '../control/acme-challenges.ts';
import type { ControlPlane } from '../control/control-plane.ts';
import { orProblem, problemResponses } from './problem.ts';
import { apiSchemas, fromPath, list, requestName, timestampMs, zoneInPath } from './schema.ts';
import { type AdminServer, WRITE_ROUTE } from './server.ts';
import { visibility } from './visibility.ts';

/** ACME challenges: TXT records that prove names to a certificate authority, and go by themselves. */
export function addAcmeRoutes(server: AdminServer, plane: ControlPlane): void {
  const tags = ['zones'];
  const zoneParams = z.object({ zone: zoneInPath });
  server.get(
    '/api/v1/zones/:zone/acme-challenges',
    {
      schema: {
        tags,
        summary: 'Every ACME challenge that the zone answers with',
        params: zoneParams,
        response: { 200: list(challengeSchema), ...problemResponses },
      },
    },
    async ({ params }) => orProblem(plane.acmeChallenges(fromPath(params.zone))),
  );
  server.post(
    '/api/v1/zones/:zone/acme-challenges',
    {
      config: WRITE_ROUTE,
      schema: {
        tags,
        summary: 'Answer with an ACME challenge, on all nodes before this is answered',
        params: zoneParams,
        body: requestSchema,
        response: { 200: changeSchema, ...problemResponses },
      },
    },
    async ({ body, caller, params }) => {
      const { expiresInSeconds, name, ttlSeconds, value } = body;
      return orProblem(
        await plane.setAcmeChallenge({
          zone: fromPath(params.zone),
          name,
          value,
          by: caller,
          ...(ttlSeconds === undefined ? {} : { ttlSeconds }),
          ...(expiresInSeconds === undefined ? {} : { expiresInSeconds }),
        }),
      );
    },
  );
  server.delete(
    '/api/v1/zones/:zone/acme-challenges/:name',
    {
      config: WRITE_ROUTE,
      schema: {
        tags,
        summary: 'Answer with an ACME challenge no more',
        params: zoneParams.extend({ name: challengeName }),
        querystring: z.object({
          value: challengeValue.optional().describe('Only this one; absent = all of the name'),
        }),
        response: { 200: changeSchema, ...problemResponses },
      },
    },
    async ({ caller, params, query }) =>
      orProblem(
        await plane.clearAcmeChallenge({
          zone: fromPath(params.zone),
          name: params.name,
          by: caller,
          ...(query.value === undefined ? {} : { value: query.value }),
        }),
      ),
  );
}

const challengeName = requestName.describe(
  'The name that is proved, in full, with or without `_acme-challenge.` before it',
);
/** Base 64 as URLs have it (RFC 8555 8.4); nothing that would have to be quoted in a zone. */
const challengeValue = z.string().regex(/^[A-Za-z0-9_-]{1,255}$/, 'is not base64url');

const requestSchema = z
  .strictObject({
    name: challengeName,
    value: challengeValue.describe('What the certificate authority wants to see'),
    ttlSeconds: z
      .number()
      .int()
      .min(0)
      .max(3600)
      .optional()
      .describe(`Default: ${CHALLENGE_TTL_SECONDS}`),
    expiresInSeconds: z
      .number()
      .int()
      .min(1)
      .max(CHALLENGE_EXPIRES_SECONDS_MAX)
      .optional()
      .describe(`It goes by itself after this time. Default: ${CHALLENGE_EXPIRES_SECONDS}`),
  })
  .register(apiSchemas, { id: 'AcmeChallengeRequest' });

const challengeSchema = z
  .object({
    zone: z.string(),
    name: z.string(),
    value: z.string(),
    ttlSeconds: z.number().int(),
    expiresAtMs: timestampMs.optional().describe('Absent: it stays until it is cleared'),
  })
  .register(apiSchemas, { id: 'AcmeChallenge' });

const changeSchema = z
  .object({
    challenges: list(challengeSchema).describe('What was set or cleared'),
    ...visibility,
  })
  .register(apiSchemas, { id: 'AcmeChallengeChange' });
