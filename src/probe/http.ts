import { STATUS_CODES } from 'node:http';
import { Client, type Dispatcher } from 'undici';
import { z } from 'zod';
import { formatSocketAddress } from '../ip/socket-address.ts';
import { abortReason, failure, shorten } from './failure.ts';
import type { ProbeKind, ProbeResult, ProbeTarget } from './probe.ts';

/** Bytes of a response body that are read; more is neither read nor searched. */
export const BODY_BYTES_MAX = 65_536;
/** Bytes of response headers that are accepted. */
export const HEADER_BYTES_MAX = 16_384;

const STATUS_RANGE = /^[1-5][0-9]{2}(-[1-5][0-9]{2})?$/;
const status = z.union([
  z.int().min(100).max(599),
  z.string().regex(STATUS_RANGE, 'a status like 200 or a range like 200-299'),
]);
// RFC 9110 5.1 and 5.5: a field name is a token, a value has no control characters.
const fieldName = z.string().regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, 'a header field name');
const fieldValue = z.string().regex(/^[\t\x20-\x7e\x80-\xff]*$/, 'a header field value');

const httpOptions = z.strictObject({
  path: z
    .string()
    .regex(/^\/[\x21-\x7e]*$/, 'a path that begins with / and has no spaces')
    .default('/')
    .describe('Path and query that are asked for.'),
  method: z.enum(['GET', 'HEAD']).default('GET').describe('Request method.'),
  host: fieldValue.optional().describe('Host header; the default is address and port.'),
  headers: z.record(fieldName, fieldValue).default({}).describe('Further request headers.'),
  status: z
    .union([status, z.array(status).min(1)])
    .default('200-299')
    .describe('Accepted statuses: a number, a range, or a list of them.'),
  body: z.string().min(1).optional().describe('Text that the first 64 KiB of the body contain.'),
});
export type HttpProbeOptions = z.infer<typeof httpOptions>;

/**
 * Asks a web server. Every attempt has a connection of its own, closed after it: a connection kept
 * alive would miss a listener that no longer accepts, and must not outlive the monitor.
 */
export const http: ProbeKind<HttpProbeOptions> = {
  kind: 'http',
  summary: 'HTTP/1.1 request; checks the status and, if wanted, a text in the body',
  options: httpOptions,
  async run(target, options, signal) {
    const startMs = performance.now();
    const elapsedMs = (): number => performance.now() - startMs;
    if (signal.aborted) return { ok: false, rttMs: 0, reason: abortReason(signal) };
    let client: Client | undefined;
    try {
      client = openClient(target);
      const response = await client.request(requestOf(options, target, signal));
      const verdict = await judgeResponse(response, options);
      return { ...verdict, rttMs: elapsedMs() };
    } catch (error) {
      if (signal.aborted) return { ok: false, rttMs: elapsedMs(), reason: abortReason(signal) };
      return failure(error, elapsedMs(), target.address);
    } finally {
      // Not awaited: destroying only forgets the socket, there is nothing to learn from it.
      client?.destroy().catch(() => undefined);
    }
  },
};

function openClient({ address, port, sourceAddress }: ProbeTarget): Client {
  const origin = `http://${formatSocketAddress({ address, port })}`;
  return new Client(origin, {
    // The monitor's signal is the only timeout.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: 0 },
    ...(sourceAddress === undefined ? {} : { localAddress: sourceAddress }),
    maxHeaderSize: HEADER_BYTES_MAX,
    allowH2: false,
    pipelining: 1,
  });
}

function requestOf(
  options: HttpProbeOptions,
  target: ProbeTarget,
  signal: AbortSignal,
): Dispatcher.RequestOptions {
  return {
    path: options.path,
    method: options.method,
    headers: {
      'user-agent': 'meridian-probe',
      accept: '*/*',
      ...options.headers,
      host: options.host ?? formatSocketAddress(target),
    },
    // Says `connection: close`, so that the server lets go as well.
    reset: true,
    signal,
  };
}

async function judgeResponse(
  { statusCode, body }: Dispatcher.ResponseData,
  options: HttpProbeOptions,
): Promise<Pick<ProbeResult, 'ok' | 'reason'>> {
  // The client is destroyed under a body that is not read to its end, which is not news.
  body.on('error', () => undefined);
  const wanted = Array.isArray(options.status) ? options.status : [options.status];
  if (!wanted.some((range) => includesStatus(range, statusCode))) {
    return { ok: false, reason: `status ${statusCode}, wanted ${wanted.join(', ')}` };
  }
  const reason = shorten(`${statusCode} ${STATUS_CODES[statusCode] ?? ''}`);
  const text = await readBody(body);
  if (options.body === undefined || text.includes(Buffer.from(options.body))) {
    return { ok: true, reason };
  }
  return { ok: false, reason: shorten(`body does not contain ${JSON.stringify(options.body)}`) };
}

function includesStatus(range: number | string, statusCode: number): boolean {
  if (typeof range === 'number') return range === statusCode;
  const [from, to = from] = range.split('-').map(Number);
  return from !== undefined && to !== undefined && statusCode >= from && statusCode <= to;
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
