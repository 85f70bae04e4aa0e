import { z } from 'zod';
import type { ControlPlane } from '../control/control-plane.ts';
import { RECORD_EXPIRES_SECONDS_MAX, RECORD_TTL_SECONDS } from '../control/record-writer.ts';
import { TTL_SECONDS_MAX } from '../dns/ttl.ts';
import { orProblem, problemResponses } from './problem.ts';
import {
  apiSchemas,
  fromPath,
  list,
  nameInPath,
  requestName,
  timestampMs,
  zoneInPath,
} from './schema.ts';
import { type AdminServer, WRITE_ROUTE } from './server.ts';
import { visibility } from './visibility.ts';

/** Records that zones have besides the configuration: those of updates, of challenges, of people. */
export function addRecordRoutes(server: AdminServer, plane: ControlPlane): void {
  const tags = ['zones'];
  const zoneParams = z.object({ zone: zoneInPath });
  server.get(
    '/api/v1/zones/:zone/added-records',
    {
      schema: {
        tags,
        summary: 'Every record that the zone has besides its configuration, whoever added it',
        params: zoneParams,
        response: { 200: list(recordSchema), ...problemResponses },
      },
    },
    async ({ params }) => orProblem(plane.addedRecords(fromPath(params.zone))),
  );
  server.post(
    '/api/v1/zones/:zone/added-records',
    {
      config: WRITE_ROUTE,
      schema: {
        tags,
        summary: 'Add a record, on all nodes before this is answered',
        params: zoneParams,
        body: requestSchema,
        response: { 200: changeSchema, ...problemResponses },
      },
    },
    async ({ body, caller, params }) => {
      const { expiresInSeconds, ttlSeconds, ...record } = body;
      return orProblem(
        await plane.addRecord({
          ...record,
          zone: fromPath(params.zone),
          by: caller,
          ...(ttlSeconds === undefined ? {} : { ttlSeconds }),
          ...(expiresInSeconds === undefined ? {} : { expiresInSeconds }),
        }),
      );
    },
  );
  server.delete(
    '/api/v1/zones/:zone/added-records/:name/:type',
    {
      config: WRITE_ROUTE,
      schema: {
        tags,
        summary: 'Remove records that were added',
        params: zoneParams.extend({ name: nameInPath, type: recordType }),
        querystring: z.object({
          data: recordData.optional().describe('Only this one; absent = all of the name and type'),
        }),
        response: { 200: changeSchema, ...problemResponses },
      },
    },
    async ({ caller, params, query }) =>
      orProblem(
        await plane.removeRecords({
          zone: fromPath(params.zone),
          name: fromPath(params.name),
          type: params.type,
          by: caller,
          ...(query.data === undefined ? {} : { data: query.data }),
        }),
      ),
  );
}

const DATA_LENGTH_MAX = 16_384;
const recordType = z.string().regex(/^[A-Za-z0-9-]{1,32}$/, 'is not a type of records');
const recordData = z.string().min(1).max(DATA_LENGTH_MAX);

const requestSchema = z
  .strictObject({
    name: requestName.describe('In full, for instance `blue.example.com`'),
    type: recordType.describe('`A`, `TXT`, … or `TYPE65280`'),
    data: recordData.describe('As in a master file; names in full, with a final dot'),
    ttlSeconds: z
      .number()
      .int()
      .min(0)
      .max(TTL_SECONDS_MAX)
      .optional()
      .describe(`Default: ${RECORD_TTL_SECONDS}`),
    expiresInSeconds: z
      .number()
      .int()
      .min(1)
      .max(RECORD_EXPIRES_SECONDS_MAX)
      .optional()
      .describe('It goes by itself after this time. Default: it stays'),
  })
  .register(apiSchemas, { id: 'AddRecordRequest' });

const recordSchema = z
  .object({
    zone: z.string(),
    name: z.string(),
    type: z.string(),
    ttlSeconds: z.number().int(),
    data: z.string(),
    expiresAtMs: timestampMs.optional().describe('Absent: it stays until it is removed'),
  })
  .register(apiSchemas, { id: 'AddedRecord' });

const changeSchema = z
  .object({ records: list(recordSchema).describe('What was added or removed'), ...visibility })
  .register(apiSchemas, { id: 'RecordChange' });
