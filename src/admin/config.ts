import { z } from 'zod';
import { CONFIG_LENGTH_MAX } from '../config/document.ts';
import type { ControlPlane } from '../control/control-plane.ts';
import {
  CONFIG_BODY_BYTES_MAX,
  configIssueSchema,
  invalidConfig,
  orProblem,
  problemResponses,
} from './problem.ts';
import { apiSchemas, list, requestReason, sharingSchema, timestampMs } from './schema.ts';
import { type AdminServer, WRITE_ROUTE } from './server.ts';

/** The configuration as validated, and the one that the nodes share. */
export function addConfigRoutes(server: AdminServer, plane: ControlPlane): void {
  const tags = ['config'];
  server.get(
    '/api/v1/config',
    {
      schema: {
        tags,
        summary: 'The configuration in force, with defaults filled in and secrets redacted',
        response: {
          200: z.unknown().describe('The configuration and its JSON Schema'),
          ...problemResponses,
        },
      },
    },
    async () => plane.config(),
  );
  server.get(
    '/api/v1/config/revisions',
    {
      schema: {
        tags,
        summary: 'Revisions of the configuration that the nodes share, newest first',
        response: { 200: list(revisionSchema), ...problemResponses },
      },
    },
    async () => plane.configRevisions(),
  );
  server.get(
    '/api/v1/config/revisions/:revision',
    {
      schema: {
        tags,
        summary: 'One revision with its text, as it was published',
        params: z.object({ revision: z.coerce.number().int().min(1) }),
        response: { 200: textSchema, ...problemResponses },
      },
    },
    async ({ params }) => orProblem(await plane.configText(params.revision)),
  );
  server.post(
    '/api/v1/config/revisions',
    {
      config: { ...WRITE_ROUTE, auditBody: withoutText },
      bodyLimit: CONFIG_BODY_BYTES_MAX,
      schema: {
        tags,
        summary: 'Share a configuration with all nodes; 422 with all issues when it is invalid',
        body: publishSchema,
        response: { 200: publicationSchema, ...problemResponses },
      },
    },
    async ({ body, caller }) => {
      const outcome = await plane.publishConfig({ ...given(body), by: caller });
      if (!('issues' in outcome)) return orProblem(outcome);
      throw invalidConfig(
        outcome.issues,
        'Mend the lines that "issues" names; the shared configuration is as it was.',
      );
    },
  );
}

/** What was not given stays out. */
function given({ dryRun, force, replaces, ...rest }: z.output<typeof publishSchema>) {
  return {
    ...rest,
    ...(replaces === undefined ? {} : { replaces }),
    ...(force === undefined ? {} : { force }),
    ...(dryRun === undefined ? {} : { dryRun }),
  };
}

/** The audit trail says what was published by its length: the text is in the history. */
function withoutText(body: unknown): unknown {
  const { text, ...rest } = (body ?? {}) as { readonly text?: unknown };
  return { ...rest, textLength: typeof text === 'string' ? text.length : 0 };
}

const publishSchema = z
  .strictObject({
    text: z.string().max(CONFIG_LENGTH_MAX).describe('YAML or JSON, as in a file'),
    name: z.string().max(255).default('configuration').describe('How issues call it'),
    note: requestReason,
    replaces: z
      .number()
      .int()
      .min(0)
      .optional()
      .describe('Refused unless this revision is the current one; 0 = there is none'),
    force: z.boolean().optional().describe('Needed when it takes answers away'),
    dryRun: z.boolean().optional().describe('Only say what it would change'),
  })
  .register(apiSchemas, { id: 'PublishRequest' });

const publicationSchema = z
  .object({
    published: z.boolean(),
    revision: z.number().int(),
    changes: list(z.string()),
    warnings: list(configIssueSchema),
    shrinks: list(z.string()).describe('What it takes away'),
    sharing: sharingSchema.optional(),
    isServed: z.boolean().optional().describe('False when this node could not serve it after all'),
  })
  .register(apiSchemas, { id: 'ConfigPublication' });

const revision = {
  revision: z.number().int(),
  sha256: z.string(),
  by: z.string(),
  atMs: timestampMs,
  note: z.string(),
  isCurrent: z.boolean(),
};
const revisionSchema = z.object(revision).register(apiSchemas, { id: 'ConfigRevision' });
const textSchema = z
  .object({ ...revision, text: z.string() })
  .register(apiSchemas, { id: 'ConfigText' });
