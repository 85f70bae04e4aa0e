import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

export type Fixture = {
  readonly port: number;
  /** Local addresses of the probes that connected. */
  readonly sources: readonly string[];
  /** What was received, of all connections. */
  received(): string;
  /** Resolves when no connection is open any more. */
  idle(): Promise<void>;
};

/** A TCP server on a port of its own that does `onConnection`; closed at the end of the test. */
export async function serve(
  t: TestContext,
  onConnection: (socket: Socket) => void,
  host = '127.0.0.1',
): Promise<Fixture> {
  const open = new Set<Socket>();
  const sources: string[] = [];
  let received = '';
  const server = createServer((socket) => {
    open.add(socket);
    sources.push(socket.remoteAddress ?? '');
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      open.delete(socket);
      server.emit('idle');
    });
    onConnection(socket);
  });
  server.listen(0, host);
  await once(server, 'listening');
  t.after(async () => {
    for (const socket of open) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    sources,
    received: () => received,
    idle: async () => {
      while (open.size > 0) await once(server, 'idle');
    },
  };
}

/** Answers the first bytes of every connection with `text`, then closes it. */
export const answering =
  (text: string) =>
  (socket: Socket): void => {
    socket.once('data', () => socket.end(text));
  };

export const HTTP_OK = 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nfit';
