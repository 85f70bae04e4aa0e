import { z } from 'zod';
import type { ControlPlane } from '../control/control-plane.ts';
import { TTL_SECONDS_MAX } from '../dns/ttl.ts';
import { orProblem, problemResponses } from './problem.ts';
import { apiSchemas, fromPath, list, sharingSchema, timestampMs, zoneInPath } from './schema.ts';
import { type AdminServer, WRITE_ROUTE } from './server.ts';

/** Keys of signed zones: which there are, what the parent is to know of them, and how one follows another. */
export function addDnssecRoutes(server: AdminServer, plane: ControlPlane): void {
  const tags = ['zones'];
  const params = z.object({ zone: zoneInPath });
  const response = { 200: dnssecSchema, ...problemResponses };
  server.get(
    '/api/v1/zones/:zone/dnssec',
    { schema: { tags, summary: 'How a zone is signed, without its secrets', params, response } },
    async ({ params: { zone } }) => orProblem(plane.zoneDnssec(fromPath(zone))),
  );
  server.post(
    '/api/v1/zones/:zone/dnssec/roll',
    {
      config: WRITE_ROUTE,
      schema: {
        tags,
        summary: 'Begin to replace a key of a zone',
        params,
        body: rollSchema,
        response,
      },
    },
    async ({ body: { key }, caller, params: { zone } }) =>
      orProblem(await plane.startKeyRoll({ zone: fromPath(zone), key, by: caller })),
  );
  server.post(
    '/api/v1/zones/:zone/dnssec/roll/next',
    {
      config: WRITE_ROUTE,
      schema: {
        tags,
        summary: 'The next step of replacing a key; refused while it would be too early',
        params,
        body: stepSchema,
        response,
      },
    },
    async ({ body: { dsSeen, dsTtlSeconds }, caller, params: { zone } }) =>
      orProblem(
        await plane.advanceKeyRoll({
          ...{ zone: fromPath(zone), by: caller },
          ...(dsSeen === undefined ? {} : { dsSeen }),
          ...(dsTtlSeconds === undefined ? {} : { dsTtlSeconds }),
        }),
      ),
  );
}

const keyRole = z.enum(['csk', 'ksk', 'zsk']);

const rollSchema = z
  .strictObject({
    key: keyRole.describe('Which; `csk` is all keys, by those that the configuration asks for'),
  })
  .register(apiSchemas, { id: 'KeyRollRequest' });

const stepSchema = z
  .strictObject({
    dsSeen: z
      .boolean()
      .optional()
      .describe('All servers of the parent show the DS records that it is to have'),
    dsTtlSeconds: z.int().min(0).max(TTL_SECONDS_MAX).optional().describe('TTL of those'),
  })
  .register(apiSchemas, { id: 'KeyStepRequest' });

const keySchema = z
  .object({
    tag: z.number().int(),
    role: keyRole,
    algorithm: z.enum(['ecdsap256', 'ed25519']),
    stage: z.enum(['announced', 'published', 'active', 'retired', 'leaving', 'gone']),
    sinceMs: timestampMs,
  })
  .register(apiSchemas, { id: 'ZoneKey' });

const keyRollSchema = z
  .object({
    key: keyRole,
    step: z.enum(['introduced', 'switched', 'withdrawn']),
    sinceMs: timestampMs,
    waitsFor: z.enum(['time', 'parent', 'nothing']),
    untilMs: timestampMs.optional(),
    detail: z.string(),
  })
  .register(apiSchemas, { id: 'KeyRoll' });

const dnssecSchema = z
  .object({
    zone: z.string(),
    kept: z.enum(['shared', 'file', 'folder']).describe('Where the keys are'),
    problem: z
      .string()
      .optional()
      .describe('Why the zone is not signed, or keys are not read anew'),
    keys: list(keySchema),
    ds: list(z.string()).describe('Data of DS records that the parent is to have'),
    cds: list(z.string()),
    cdnskey: list(z.string()),
    dsFromMs: timestampMs
      .optional()
      .describe('Before this the parent is to have no DS: caches may hold unsigned answers'),
    roll: keyRollSchema.optional(),
    warnings: list(z.string()),
    sharing: sharingSchema.optional().describe('In the answer to whoever changed something'),
  })
  .register(apiSchemas, { id: 'ZoneDnssec' });
