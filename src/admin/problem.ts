import { z } from 'zod';
import type { ConfigIssue, Problem } from '../control/control-plane.ts';
import { apiSchemas, list } from './schema.ts';

/**
 * Every error that leaves the admin API has one form, RFC 9457 `application/problem+json`: `detail` is
 * a sentence for people, `hint` says what to do, `code` is stable for programs. Handlers throw an
 * HttpProblem; everything else that fastify or a plugin throws is translated here, in one place.
 */
export type ProblemDocument = {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly instance?: string | undefined;
  readonly hint?: string | undefined;
  /** What is wrong with the request, one entry a field. */
  readonly errors?: readonly FieldError[] | undefined;
  /** What is wrong with the configuration, of a refused reload. */
  readonly issues?: readonly ConfigIssue[] | undefined;
  /** What is not ready, of `/readyz?verbose`. */
  readonly checks?: readonly ReadyCheck[] | undefined;
};
/** `at` is a JSON pointer into the body, or the parameter's name. */
export type FieldError = { readonly at: string; readonly message: string };
export type ReadyCheck = { readonly name: string; readonly ok: boolean; readonly detail: string };

export const PROBLEM_CONTENT_TYPE = 'application/problem+json; charset=utf-8';

/** Thrown by a handler, sent as a problem document; never leaves the room. */
export class HttpProblem extends Error {
  readonly document: ProblemDocument;
  readonly headers: Readonly<Record<string, string>>;
  constructor(fields: ProblemFields, headers: Readonly<Record<string, string>> = {}) {
    super(fields.detail);
    this.name = 'HttpProblem';
    this.document = problemDocument(fields);
    this.headers = headers;
  }
}

export type ProblemFields = Omit<ProblemDocument, 'type' | 'title'>;

/** Completes a problem with its type URI and its status's title. */
export function problemDocument(fields: ProblemFields): ProblemDocument {
  const title = TITLES[fields.status] ?? 'Error';
  return { type: `urn:meridian:problem:${fields.code}`, title, ...fields };
}

/** The control plane's answer, or its Problem thrown as the HTTP error that it means. */
export function orProblem<Answer>(result: Answer | Problem): Answer {
  if (!isProblem(result)) return result;
  const { problem, code, message, hint } = result;
  throw new HttpProblem({ status: STATUS_OF[problem], code, detail: message, hint });
}

/** Translates whatever was thrown while a request was served. Unknown errors are bugs: 500, no detail. */
export function problemOf(error: unknown): {
  readonly document: ProblemDocument;
  readonly headers: Readonly<Record<string, string>>;
} {
  if (error instanceof HttpProblem) return error;
  const { statusCode, code, message } = error as {
    statusCode?: number;
    code?: string;
    message?: string;
  };
  const known = code === undefined ? undefined : FASTIFY_PROBLEMS[code];
  if (known !== undefined) return { document: problemDocument(known), headers: {} };
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    const detail = `${message ?? 'The request was not understood'}.`.replace(/\.\.$/, '.');
    return {
      document: problemDocument({ status: statusCode, code: 'bad-request', detail }),
      headers: {},
    };
  }
  return {
    document: problemDocument({
      status: 500,
      code: 'internal-error',
      detail:
        'The node failed to answer this request. This is a bug of Meridian, not of the request.',
      hint: "The node's log has the details; please report them.",
    }),
    headers: {},
  };
}

const STATUS_OF = {
  'not-found': 404,
  invalid: 400,
  conflict: 409,
  refused: 409,
  unavailable: 503,
} as const;

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

/** The largest request body; see fastify's `bodyLimit`. Most are a few hundred bytes. */
export const BODY_BYTES_MAX = 64 * 1024;
/** The largest one that carries a configuration: the longest text as JSON, with room for escapes. */
export const CONFIG_BODY_BYTES_MAX = 16 * 1024 * 1024;

/** A configuration with problems, refused as a whole. */
export function invalidConfig(issues: readonly ConfigIssue[], hint: string): HttpProblem {
  const count = `${issues.length} ${issues.length === 1 ? 'problem' : 'problems'}`;
  const detail = `The configuration has ${count}; nothing was changed.`;
  return new HttpProblem({ status: 422, code: 'invalid-config', detail, hint, issues });
}

const FASTIFY_PROBLEMS: Readonly<Record<string, ProblemFields>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: {
    status: 413,
    code: 'body-too-large',
    detail: `The request body is larger than ${BODY_BYTES_MAX / 1024} KiB, or for a configuration than ${CONFIG_BODY_BYTES_MAX / 1024 / 1024} MiB.`,
    hint: 'No request of this API needs more; check what is being sent.',
  },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    status: 415,
    code: 'not-json',
    detail: 'The request body has a content type that this API does not read.',
    hint: 'Send JSON with the header "content-type: application/json".',
  },
  FST_ERR_CTP_INVALID_JSON_BODY: {
    status: 400,
    code: 'bad-json',
    detail: 'The request body is not valid JSON.',
    hint: 'Check quotes and commas; keys and texts need double quotes.',
  },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    status: 400,
    code: 'bad-content-length',
    detail: 'The content-length header does not match the body that was sent.',
  },
  FST_ERR_BAD_URL: {
    status: 400,
    code: 'bad-url',
    detail: 'The path of the request is not a valid URL path.',
    hint: 'Percent-encode special characters, for instance a slash in a name as %2F.',
  },
};

function isProblem(result: unknown): result is Problem {
  return typeof result === 'object' && result !== null && 'problem' in result && 'code' in result;
}

export const configIssueSchema = z
  .object({
    file: z.string(),
    line: z.number().int(),
    column: z.number().int(),
    path: z.string().describe('Dotted path of the setting, for instance zones.gslb.example.ttl'),
    message: z.string(),
    hint: z.string().optional(),
  })
  .register(apiSchemas, { id: 'ConfigIssue' });

const problemSchema = z
  .object({
    type: z.string().describe('URI that names the kind of problem (RFC 9457)'),
    title: z.string(),
    status: z.number().int(),
    detail: z.string().describe('What went wrong, as a sentence'),
    code: z.string().describe('Stable, machine-readable'),
    instance: z.string().optional().describe('Path of the request'),
    hint: z.string().optional().describe('What to do about it'),
    errors: list(z.object({ at: z.string(), message: z.string() })).optional(),
    issues: list(configIssueSchema).optional(),
    checks: list(z.object({ name: z.string(), ok: z.boolean(), detail: z.string() })).optional(),
  })
  .register(apiSchemas, { id: 'Problem' });

/** To be spread into a route's responses: every error has this one form. */
export const problemResponses = {
  default: {
    description: 'What went wrong and what to do about it (RFC 9457)',
    content: { 'application/problem+json': { schema: problemSchema } },
  },
} as const;
