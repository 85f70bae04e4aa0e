import { once } from 'node:events';
import { type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2';
import type { Socket } from 'node:net';
import { z } from 'zod';
import { formatSocketAddress } from '../ip/socket-address.ts';
import { tlsSettings } from './certificate.ts';
import { openConnection, openTls } from './connection.ts';
import { type Course, runCourse } from './course.ts';
import { type Finding, shorten } from './failure.ts';
import type { ProbeKind } from './probe.ts';

/** Bytes of the answer's messages; a health response has two. */
export const GRPC_BYTES_MAX = 4096;

const grpcOptions = z.strictObject({
  service: z
    .string()
    .max(255)
    .default('')
    .describe('Service whose health is asked for. Default: the server as a whole.'),
  host: z
    .string()
    .regex(/^[\x21-\x7e]*$/, 'a host, perhaps with a port')
    .optional()
    .describe('The `:authority`; the default is address and port.'),
  tls: z
    .union([z.boolean(), tlsSettings])
    .default(false)
    .describe('TLS: true, or a map of what is asked of the certificate.'),
});
export type GrpcProbeOptions = z.infer<typeof grpcOptions>;

/**
 * Calls `grpc.health.v1.Health/Check` (grpc/doc/health-checking.md): healthy is SERVING, nothing
 * else. The message has one field each way, so its protobuf is written and read here.
 */
export const grpc: ProbeKind<GrpcProbeOptions> = {
  kind: 'grpc',
  summary: 'Health check of gRPC (grpc.health.v1); wants the service to be SERVING',
  options: grpcOptions,
  run: (target, options, signal) =>
    runCourse(target, signal, async (course) => {
      const { host, tls } = options;
      if (tls === false) return call(course, await openConnection(course), options);
      const settings = tls === true ? tlsSettings.parse({}) : tls;
      const { certificate, socket } = await openTls(course, { settings, host, alpn: ['h2'] });
      const { problem, ...seen } = certificate;
      if (problem !== undefined) return { ok: false, reason: shorten(problem), ...seen };
      if (socket.alpnProtocol !== 'h2') {
        return { ok: false, reason: 'the server does not speak HTTP/2', ...seen };
      }
      return { ...(await call(course, socket, options)), ...seen };
    }),
};

async function call(course: Course, socket: Socket, options: GrpcProbeOptions): Promise<Finding> {
  const scheme = options.tls === false ? 'http' : 'https';
  const session = connect(`${scheme}://${formatSocketAddress(course.target)}`, {
    createConnection: () => socket,
    // A client has no use for pushed streams, many headers or much memory.
    settings: { enablePush: false },
    maxHeaderListPairs: 64,
    maxSessionMemory: 1,
  });
  course.onEnd(() => session.destroy());
  const broken = new Promise<never>((_, fail) => {
    session.on('error', fail);
    session.on('goaway', (code) => {
      // A graceful one: what was asked before is still answered (RFC 9113 6.8), or the session closes.
      if (code !== 0) fail(new Error(`the server ended the session, code ${code}`));
    });
    session.on('close', () => fail(new Error('connection closed without an answer')));
  });
  broken.catch(() => undefined);
  const stream = session.request({
    ':method': 'POST',
    ':path': '/grpc.health.v1.Health/Check',
    ':scheme': scheme,
    ':authority': options.host ?? formatSocketAddress(course.target),
    'content-type': 'application/grpc',
    te: 'trailers',
    'user-agent': 'meridian-probe',
  });
  stream.on('error', () => {});
  const sentMs = course.nowMs();
  stream.end(writeCheck(options.service));
  stream.once('response', () => course.note('firstByteMs', sentMs));
  return Promise.race([judgeStream(stream), broken]);
}

async function judgeStream(stream: ClientHttp2Stream): Promise<Finding> {
  let trailers: IncomingHttpHeaders = {};
  stream.on('trailers', (fields) => {
    trailers = fields;
  });
  const [head] = (await once(stream, 'response')) as [IncomingHttpHeaders];
  const status = head[':status'];
  if (Number(status) !== 200) return { ok: false, reason: `HTTP status ${String(status)}` };
  // An answer without a message has its status among the headers.
  if (head['grpc-status'] !== undefined) return judgeAnswer(head, Buffer.alloc(0));
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > GRPC_BYTES_MAX) return { ok: false, reason: 'the answer is too large' };
  }
  return judgeAnswer(trailers, Buffer.concat(chunks));
}

/** Names of google.rpc.Code. */
const CODES = (
  'OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED ' +
  'RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE ' +
  'DATA_LOSS UNAUTHENTICATED'
).split(' ');
/** Names of HealthCheckResponse.ServingStatus. */
const SERVING = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];

function judgeAnswer(fields: IncomingHttpHeaders, bytes: Buffer): Finding {
  const code = fields['grpc-status'];
  if (typeof code !== 'string') return { ok: false, reason: 'the answer has no gRPC status' };
  if (code !== '0') {
    const said = fields['grpc-message'];
    const words = typeof said === 'string' && said !== '' ? `: ${said}` : '';
    return { ok: false, reason: shorten(`gRPC status ${CODES[Number(code)] ?? code}${words}`) };
  }
  const status = readCheck(bytes);
  if (typeof status === 'string') return { ok: false, reason: status };
  const word = SERVING[status] ?? `status ${status}`;
  return { ok: status === 1, reason: word };
}

/** A message of HealthCheckRequest, `string service = 1`, in gRPC's frame of flag and length. */
function writeCheck(service: string): Buffer {
  const name = Buffer.from(service);
  const length =
    name.length < 0x80 ? [name.length] : [(name.length & 0x7f) | 0x80, name.length >> 7];
  // Proto3 leaves out what is empty.
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, ...length]), name]);
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(message.length, 1);
  return Buffer.concat([frame, message]);
}

/** The status in one framed HealthCheckResponse, `ServingStatus status = 1`; text = why there is none. */
export function readCheck(bytes: Uint8Array): number | string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 5) return 'the answer has no message';
  if (bytes[0] !== 0) return 'the answer is compressed, which was not asked for';
  if (view.getUint32(1) !== bytes.length - 5) return 'the answer is not one message';
  let status = 0;
  let position = 5;
  while (position < bytes.length) {
    const key = readVarint(bytes, position);
    const value = key && readField(bytes, key.next, key.value & 7);
    if (key === undefined || value === undefined) return 'the answer is malformed';
    if (key.value >> 3 === 1 && (key.value & 7) === 0) status = value.value;
    position = value.next;
  }
  return status;
}

type Varint = { readonly value: number; readonly next: number };

/** The value of a number, or where any other field ends (fields of later versions are passed over). */
function readField(bytes: Uint8Array, at: number, wireType: number): Varint | undefined {
  if (wireType === 0) return readVarint(bytes, at);
  const length = wireType === 2 ? readVarint(bytes, at) : { value: 0, next: at };
  const fixed = wireType === 1 ? 8 : wireType === 5 ? 4 : wireType === 2 ? 0 : -1;
  if (length === undefined || fixed < 0) return undefined;
  const next = length.next + length.value + fixed;
  return next <= bytes.length ? { value: 0, next } : undefined;
}

/** At most five octets: no number of the health protocol is longer. */
function readVarint(bytes: Uint8Array, at: number): Varint | undefined {
  let value = 0;
  for (let index = 0; index < 5; index += 1) {
    const octet = bytes[at + index];
    if (octet === undefined) return undefined;
    value += (octet & 0x7f) * 2 ** (7 * index);
    if (octet < 0x80) return { value, next: at + index + 1 };
  }
  return undefined;
}
