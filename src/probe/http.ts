import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { Client, type Dispatcher } from 'undici';
import { z } from 'zod';
import { formatSocketAddress } from '../ip/socket-address.ts';
import { type CertificateFinding, tlsSettings } from './certificate.ts';
import { openConnection, openTls } from './connection.ts';
import { type Course, runCourse } from './course.ts';
import { type Finding, shorten } from './failure.ts';
import type { ProbeKind } from './probe.ts';

/** Bytes of a response body that are read; more is neither read nor searched. */
export const BODY_BYTES_MAX = 65_536;
/** Bytes of response headers that are accepted. */
export const HEADER_BYTES_MAX = 16_384;
/** Redirections that a probe follows at most; more is not a health check but a maze. */
export const REDIRECTS_MAX = 5;

const STATUS_RANGE = /^[1-5][0-9]{2}(-[1-5][0-9]{2})?$/;
const status = z.union([
  z.int().min(100).max(599),
  z.string().regex(STATUS_RANGE, 'a status like 200 or a range like 200-299'),
]);
const statuses = z.union([status, z.array(status).min(1)]);
/** What the connection and the framing need is not the operator's (RFC 9112 6, RFC 9110 7.6.1). */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
// RFC 9110 5.1 and 5.5: a field name is a token, a value has no control characters.
const anyFieldName = z.string().regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, 'a header field name');
const fieldName = anyFieldName
  .refine((name) => name.toLowerCase() !== 'host', 'the header Host has a key of its own: host')
  .refine((name) => !OWN_HEADERS.has(name.toLowerCase()), 'a header that the probe sets itself');
const fieldValue = z.string().regex(/^[\t\x20-\x7e\x80-\xff]*$/, 'a header field value');

const bodyJson = z.strictObject({
  pointer: z
    .string()
    .max(1024)
    .regex(/^(\/([^~/]|~[01])*)*$/, 'a JSON pointer like /status/ready (RFC 6901)')
    .describe('Where to look, as a JSON pointer (RFC 6901).'),
  equals: z
    .union([z.string().max(1024), z.number(), z.boolean(), z.null()])
    .describe('What must be there.'),
});

const shape = {
  path: z
    .string()
    .regex(/^\/[\x21-\x7e]*$/, 'a path that begins with / and has no spaces')
    .default('/')
    .describe('Path and query that are asked for.'),
  method: z
    .enum(['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'])
    .default('GET')
    .describe('Request method.'),
  host: fieldValue.optional().describe('Host header; the default is address and port.'),
  headers: z.record(fieldName, fieldValue).default({}).describe('Further request headers.'),
  send: z
    .string()
    .max(BODY_BYTES_MAX)
    .optional()
    .describe('Body of the request, for POST and PUT.'),
  status: statuses
    .default('200-299')
    .describe('Accepted statuses: a number, a range, or a list of them.'),
  degraded: z
    .strictObject({
      status: statuses
        .optional()
        .describe('Statuses that say so: a number, a range, or a list. They are accepted, too.'),
      header: anyFieldName
        .optional()
        .describe('A response header that says so by being there, whatever its value.'),
    })
    .optional()
    .describe(
      'How an answer says that the target is up but wants less: a server keeps its share `degradedWeight`, an endpoint is answered only when nothing better is left. Default: none does.',
    ),
  body: z.string().min(1).optional().describe('Text that the first 64 KiB of the body contain.'),
  bodyJson: bodyJson.optional().describe('A value that the body has, which is JSON of 64 KiB.'),
  redirects: z
    .int()
    .min(0)
    .max(REDIRECTS_MAX)
    .default(0)
    .describe(
      'Redirections that are followed, to other paths of the same host only. Default: none; a 3xx is judged as it stands.',
    ),
  http2: z.boolean().default(false).describe('HTTP/2 instead of HTTP/1.1; over TLS only.'),
};

/** A response to HEAD has none. */
const READING = { path: ['method'], error: 'HEAD has no body to look into' };
function readsOnlyWhatComes({ body, bodyJson, method }: z.infer<z.ZodObject<typeof shape>>) {
  return method !== 'HEAD' || (body === undefined && bodyJson === undefined);
}

const SENDING = { path: ['send'], error: 'needs the method POST or PUT' };
function sendsOnlyWhatItMay({ method, send }: { method: string; send?: string | undefined }) {
  return send === undefined || method === 'POST' || method === 'PUT';
}

const httpOptions = z
  .strictObject({
    ...shape,
    tls: z
      .union([z.boolean(), tlsSettings])
      .default(false)
      .describe('TLS: true, or a map of what is asked of the certificate.'),
  })
  .refine(({ http2, tls }) => !http2 || tls !== false, {
    path: ['http2'],
    error: 'needs tls',
  })
  .refine(sendsOnlyWhatItMay, SENDING)
  .refine(readsOnlyWhatComes, READING);
const httpsOptions = z
  .strictObject({
    ...shape,
    tls: tlsSettings.prefault({}).describe('What is asked of the certificate.'),
  })
  .refine(sendsOnlyWhatItMay, SENDING)
  .refine(readsOnlyWhatComes, READING);
export type HttpProbeOptions = z.infer<typeof httpOptions>;
export type HttpsProbeOptions = z.infer<typeof httpsOptions>;

/**
 * Asks a web server. Every attempt has a connection of its own, closed after it: a connection kept
 * alive would miss a listener that no longer accepts, and must not outlive the monitor. Once the
 * answer is known to be good or not the rest of it is not read.
 */
export const http: ProbeKind<HttpProbeOptions> = {
  kind: 'http',
  summary: 'HTTP request; checks the status and, if wanted, the body, the certificate',
  options: httpOptions,
  run: (target, options, signal) => runCourse(target, signal, (course) => ask(course, options)),
};

export const https: ProbeKind<HttpsProbeOptions> = {
  kind: 'https',
  summary: 'HTTP request over TLS: as http, with tls on',
  options: httpsOptions,
  run: http.run,
};

/** What is asked next: the first question, or what a redirection makes of it. */
type Question = Pick<HttpProbeOptions, 'method' | 'path' | 'send'>;

async function ask(course: Course, options: HttpProbeOptions): Promise<Finding> {
  let question: Question = options;
  for (let left = options.redirects; ; left -= 1) {
    const { certificate, response } = await exchange(course, options, question);
    if (response === undefined) return certificate;
    const next = left > 0 ? redirection(course, options, question, response) : undefined;
    if (next === undefined) return { ...(await judgeResponse(response, options)), ...certificate };
    if (typeof next === 'string') return { ok: false, reason: shorten(next), ...certificate };
    question = next;
  }
}

type Exchange =
  | { readonly certificate: Finding; readonly response?: undefined }
  | {
      readonly certificate: Omit<CertificateFinding, 'problem'>;
      readonly response: Dispatcher.ResponseData;
    };

/** One request on one connection, unless the certificate says that nothing should be asked. */
async function exchange(
  course: Course,
  options: HttpProbeOptions,
  question: Question,
): Promise<Exchange> {
  const { certificate, socket } = await connectFor(course, options);
  const { problem, ...seen } = certificate;
  if (problem !== undefined)
    return { certificate: { ok: false, reason: shorten(problem), ...seen } };
  let isUsed = false;
  let body: Dispatcher.ResponseData['body'] | undefined;
  const client = new Client(originOf(course, options), {
    // The monitor's signal is the only timeout.
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: HEADER_BYTES_MAX,
    allowH2: options.http2,
    pipelining: 1,
    connect(_options, done) {
      const isOpen = !isUsed && !socket.destroyed;
      isUsed = true;
      // Later, as a connection would be: undici is in the midst of something now.
      queueMicrotask(() => {
        if (isOpen) done(null, socket);
        else done(new Error('connection closed without an answer'), null);
      });
    },
  });
  // Not awaited: destroying only forgets the socket, there is nothing to learn from it.
  course.onEnd(() => {
    body?.destroy(OVER);
    void client.destroy(OVER).catch(() => undefined);
  });
  const sentMs = course.nowMs();
  const response = await client.request(requestOf(course, options, question));
  course.note('firstByteMs', sentMs);
  body = response.body;
  // It is destroyed without being read to its end, which is not news.
  body.on('error', () => undefined);
  return { certificate: seen, response };
}

/** One for all: an error of its own, with its stack, would cost more than the request. */
const OVER = new Error('the probe is over');

type Connected = { readonly socket: Socket; readonly certificate: CertificateFinding };

async function connectFor(
  course: Course,
  { host, http2, tls }: HttpProbeOptions,
): Promise<Connected> {
  if (tls === false) return { socket: await openConnection(course), certificate: {} };
  const alpn = [http2 ? 'h2' : 'http/1.1'];
  const settings = tls === true ? tlsSettings.parse({}) : tls;
  const { certificate, socket } = await openTls(course, { settings, host, alpn });
  if (http2 && socket.alpnProtocol !== 'h2' && certificate.problem === undefined) {
    return { socket, certificate: { ...certificate, problem: 'the server does not speak HTTP/2' } };
  }
  return { socket, certificate };
}

function hostOf({ target }: Course, { host }: HttpProbeOptions): string {
  return host ?? formatSocketAddress(target);
}

function originOf({ target }: Course, { tls }: HttpProbeOptions): string {
  return `${tls === false ? 'http' : 'https'}://${formatSocketAddress(target)}`;
}

function requestOf(
  course: Course,
  options: HttpProbeOptions,
  { method, path, send }: Question,
): Dispatcher.RequestOptions {
  return {
    path,
    method,
    ...(send === undefined ? {} : { body: send }),
    headers: {
      'user-agent': 'meridian-probe',
      accept: '*/*',
      ...Object.fromEntries(
        Object.entries(options.headers).map(([name, value]) => [name.toLowerCase(), value]),
      ),
      host: hostOf(course, options),
    },
    // Says `connection: close`, so that the server lets go as well.
    reset: !options.http2,
  };
}

const REDIRECTING: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** They repeat the request as it was (RFC 9110 15.4.8 and 15.4.9). */
const REPEATING: ReadonlySet<number> = new Set([307, 308]);

/** Where the response leads; text = why the probe does not go there; undefined = nowhere. */
function redirection(
  course: Course,
  options: HttpProbeOptions,
  question: Question,
  { headers, statusCode }: Dispatcher.ResponseData,
): Question | string | undefined {
  const { location } = headers;
  if (!REDIRECTING.has(statusCode) || typeof location !== 'string') return undefined;
  const scheme = options.tls === false ? 'http' : 'https';
  const base = `${scheme}://${hostOf(course, options)}${question.path}`;
  if (!URL.canParse(location, base)) return `redirected to nowhere: ${location}`;
  const url = new URL(location, base);
  if (url.origin !== new URL(base).origin) return `redirected elsewhere: ${url.origin}`;
  const path = `${url.pathname}${url.search}`;
  if (REPEATING.has(statusCode)) return { ...question, path };
  return { path, method: question.method === 'HEAD' ? 'HEAD' : 'GET', send: undefined };
}

async function judgeResponse(
  { body, headers, statusCode }: Dispatcher.ResponseData,
  options: HttpProbeOptions,
): Promise<Finding> {
  const { header, status: signs = [] } = options.degraded ?? {};
  const saysSo = [signs].flat().some((range) => includesStatus(range, statusCode));
  const wanted = [options.status].flat();
  if (!saysSo && !wanted.some((range) => includesStatus(range, statusCode))) {
    return { ok: false, reason: `status ${statusCode}, wanted ${wanted.join(', ')}` };
  }
  if (options.body !== undefined || options.bodyJson !== undefined) {
    const problem = bodyProblem(await readBody(body), options);
    if (problem !== undefined) return { ok: false, reason: shorten(problem) };
  }
  const reason = shorten(`${statusCode} ${STATUS_CODES[statusCode] ?? ''}`);
  const degraded = saysSo || (header !== undefined && headers[header.toLowerCase()] !== undefined);
  return degraded ? { ok: true, reason: `${reason}, degraded`, degraded } : { ok: true, reason };
}

function includesStatus(range: number | string, statusCode: number): boolean {
  if (typeof range === 'number') return range === statusCode;
  const [from, to = from] = range.split('-').map(Number);
  return from !== undefined && to !== undefined && statusCode >= from && statusCode <= to;
}

function bodyProblem(bytes: Buffer, { body, bodyJson }: HttpProbeOptions): string | undefined {
  if (body !== undefined && !bytes.includes(Buffer.from(body))) {
    return `body does not contain ${JSON.stringify(body)}`;
  }
  if (bodyJson === undefined) return undefined;
  const { equals, pointer } = bodyJson;
  let found: unknown;
  try {
    found = valueAt(JSON.parse(bytes.toString('utf8')), pointer);
  } catch {
    return bytes.length >= BODY_BYTES_MAX
      ? 'body is too long to be read as JSON'
      : 'body is no JSON';
  }
  if (found === equals) return undefined;
  const shown = found === undefined ? 'nothing' : JSON.stringify(found);
  return `body has ${shorten(shown)} at ${pointer || 'its top'}, wanted ${JSON.stringify(equals)}`;
}

/** RFC 6901 section 4. */
function valueAt(document: unknown, pointer: string): unknown {
  let value = document;
  for (const step of pointer.split('/').slice(1)) {
    const key = step.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[key];
  }
  return value;
}

async function readBody(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= BODY_BYTES_MAX) break;
  }
  return Buffer.concat(chunks).subarray(0, BODY_BYTES_MAX);
}
