import { createServer, type ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';

/** HealthCheckResponse with a status, in gRPC's frame. */
export function healthFrame(status: number): Buffer {
  const message = status === 0 ? [] : [0x08, status];
  return Buffer.from([0, 0, 0, 0, message.length, ...message]);
}

/** Speaks HTTP/2 on a connection and answers every call as `answer` says. */
export function speakingHttp2(
  answer: (stream: ServerHttp2Stream, body: Buffer) => void,
): (socket: Duplex) => void {
  const server = createServer();
  server.on('session', (session) => session.on('error', () => undefined));
  server.on('stream', (stream: ServerHttp2Stream) => {
    const chunks: Buffer[] = [];
    stream.on('error', () => undefined);
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => answer(stream, Buffer.concat(chunks)));
  });
  return (socket) => server.emit('connection', socket);
}

/** A gRPC answer: what it carries, then the status in trailers. */
export function answerGrpc(
  stream: ServerHttp2Stream,
  body: Buffer,
  trailers: Readonly<Record<string, string>> = { 'grpc-status': '0' },
): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  stream.end(body);
}
