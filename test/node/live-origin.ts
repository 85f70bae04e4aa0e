import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

/** A server that says its name, counts what is uploaded, and echoes in a tunnel. */
export type LiveOrigin = {
  readonly name: string;
  /** `address:port`. */
  readonly at: string;
  /** Connections that it has taken so far. */
  connections(): number;
};

const HOST = '127.0.0.1';

export async function startLiveOrigin(t: TestContext, name: string): Promise<LiveOrigin> {
  let connections = 0;
  const server: Server = createServer((request, response) => {
    let octets = 0;
    request.on('data', (bytes: Buffer) => {
      octets += bytes.length;
    });
    request.on('end', () => response.end(`${name} ${octets}`));
  });
  server.on('connection', () => {
    connections += 1;
  });
  server.on('upgrade', (_request, socket) => {
    socket.on('error', () => {});
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n${name}\n`,
    );
    socket.pipe(socket);
  });
  server.listen(0, HOST);
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { name, at: `${HOST}:${port}`, connections: () => connections };
}
