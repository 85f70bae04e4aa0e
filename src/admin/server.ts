import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type RawReplyDefaultExpression,
  type RawRequestDefaultExpression,
  type RawServerDefault,
} from 'fastify';
import {
  hasZodFastifySchemaValidationErrors,
  isResponseSerializationError,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import type { Guard } from './auth.ts';
import {
  BODY_BYTES_MAX,
  type FieldError,
  HttpProblem,
  PROBLEM_CONTENT_TYPE,
  type ProblemDocument,
  problemDocument,
  problemOf,
} from './problem.ts';

/**
 * The fastify instance under the API: limits, security headers, the guard in front of every route,
 * and one form for all errors. What the routes do is not known here.
 */
export type AdminServer = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** What the room needs of a logger; a pino logger is one. */
export type AdminLogger = {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
};

/** Writes that one address may make in a minute; more are answered 429. */
export const WRITES_PER_MINUTE_MAX = 120;
/** A request must have arrived completely within this time. */
export const REQUEST_TIMEOUT_MS = 10_000;
/** Longest path parameter; names are at most 255. */
const PARAMETER_LENGTH_MAX = 512;

/** Route configuration of everything that changes state: counted per address, and audited. */
export const WRITE_ROUTE = {
  write: true,
  rateLimit: { max: WRITES_PER_MINUTE_MAX, timeWindow: 60_000 },
} as const;

declare module 'fastify' {
  interface FastifyContextConfig {
    write?: boolean;
    /** What the audit trail shows of a body; default: all of it. */
    auditBody?: (body: unknown) => unknown;
  }
  interface FastifyRequest {
    /** Who asks, for the audit trail and the control plane. */
    caller: string;
  }
}

/** Builds the instance, not yet listening and without routes. */
export async function createServer(
  guard: Guard,
  logger: AdminLogger | undefined,
): Promise<AdminServer> {
  const server = Fastify({
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: PARAMETER_LENGTH_MAX },
    clientErrorHandler(_error, socket) {
      if (socket.writable) socket.end(RAW_BAD_REQUEST);
    },
    frameworkErrors(error, request, reply) {
      sendProblem(request, reply, problemOf(error).document);
    },
  }).withTypeProvider<ZodTypeProvider>();
  server.setValidatorCompiler(validatorCompiler);
  server.setSerializerCompiler(serializerCompiler);
  acceptEmptyJson(server);
  server.decorateRequest('caller', '');
  server.addHook('onRequest', async (request) => {
    request.caller = guard.admit(request);
  });
  addAuditTrail(server, logger);
  await server.register(helmet, HELMET_OPTIONS);
  await server.register(rateLimit, { global: false, errorResponseBuilder: tooManyWrites });
  server.setErrorHandler((error, request, reply) => answerError(error, request, reply, logger));
  server.setNotFoundHandler((request, reply) => sendProblem(request, reply, notFound(request)));
  return server;
}

/** Sends a problem document, whatever schema the route has for its answers. */
function sendProblem(
  request: FastifyRequest,
  reply: FastifyReply,
  document: ProblemDocument,
): void {
  const instance = request.url.split('?')[0];
  reply
    .code(document.status)
    .header('content-type', PROBLEM_CONTENT_TYPE)
    .send(JSON.stringify({ ...document, instance }));
}

function answerError(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  logger: AdminLogger | undefined,
): void {
  if (hasZodFastifySchemaValidationErrors(error)) {
    sendProblem(request, reply, invalidRequest(error.validation));
    return;
  }
  const { document, headers } = problemOf(error);
  if (document.status >= 500 && !(error instanceof HttpProblem)) {
    const cause = isResponseSerializationError(error) ? error.cause : error;
    logger?.error({ err: cause, method: request.method, url: request.url }, 'admin request failed');
  }
  for (const [name, value] of Object.entries(headers)) reply.header(name, value);
  sendProblem(request, reply, document);
}

function invalidRequest(
  validation: readonly { readonly instancePath?: string; readonly message?: string }[],
): ProblemDocument {
  const errors: FieldError[] = validation.map(({ instancePath, message }) => ({
    at: instancePath === undefined || instancePath === '' ? '/' : instancePath,
    message: message ?? 'is not valid',
  }));
  const detail = errors.map(({ at, message }) => `${at}: ${message}`).join('; ');
  return problemDocument({
    status: 400,
    code: 'invalid-request',
    detail: `The request is not valid. ${detail}.`,
    hint: 'GET /openapi.json describes every request.',
    errors,
  });
}

function notFound(request: FastifyRequest): ProblemDocument {
  return problemDocument({
    status: 404,
    code: 'no-such-route',
    detail: `There is nothing at ${request.method} ${request.url.split('?')[0]}.`,
    hint: 'GET /openapi.json lists every route.',
  });
}

function tooManyWrites(_request: FastifyRequest, context: { readonly after: string }): HttpProblem {
  return new HttpProblem({
    status: 429,
    code: 'too-many-writes',
    detail: `More than ${WRITES_PER_MINUTE_MAX} changes a minute came from this address.`,
    hint: `Try again in ${context.after}.`,
  });
}

/** A POST that needs nothing may have an empty body; it then counts as `{}`. */
function acceptEmptyJson(server: AdminServer): void {
  const parse = server.getDefaultJsonParser('error', 'error');
  server.removeContentTypeParser(['application/json', 'text/plain']);
  server.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, {});
    else parse(request, body as string, done);
  });
}

/** One line for every state-changing request, refused ones too: who, what, with what outcome. */
function addAuditTrail(server: AdminServer, logger: AdminLogger | undefined): void {
  if (logger === undefined) return;
  server.addHook('onResponse', async (request, reply) => {
    if (request.routeOptions.config.write !== true) return;
    const { method, url } = request;
    const { auditBody = (body: unknown) => body } = request.routeOptions.config;
    const body = auditBody(request.body);
    const by = request.caller === '' ? request.ip : request.caller;
    const status = reply.statusCode;
    const message = `${method} ${url} by ${by}: ${status}`;
    logger.info({ event: 'audit', by, method, url, body, status }, message);
  });
}

/** The page is self-contained: nothing from elsewhere, no inline code, never in a frame. */
const HELMET_OPTIONS = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'"],
      imgSrc: ["'self'", 'data:'],
      fontSrc: ["'self'"],
      connectSrc: ["'self'"],
      manifestSrc: ["'self'"],
      baseUri: ["'none'"],
      formAction: ["'none'"],
      frameAncestors: ["'none'"],
    },
  },
  // The API speaks plain HTTP on loopback; a TLS proxy in front decides about HSTS.
  strictTransportSecurity: false,
  referrerPolicy: { policy: 'no-referrer' as const },
} as const;

const RAW_BAD_REQUEST_BODY = JSON.stringify(
  problemDocument({
    status: 400,
    code: 'bad-http',
    detail: 'What arrived is not a valid HTTP/1.1 request.',
  }),
);
const RAW_BAD_REQUEST = [
  'HTTP/1.1 400 Bad Request',
  `content-type: ${PROBLEM_CONTENT_TYPE}`,
  `content-length: ${Buffer.byteLength(RAW_BAD_REQUEST_BODY)}`,
  'connection: close',
  '',
  RAW_BAD_REQUEST_BODY,
].join('\r\n');
