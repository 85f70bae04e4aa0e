import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

/** A piece of network that can be slow, silent or cut. */
export type TcpProxy = {
  readonly port: number;
  /** Every byte takes this much longer, in both directions. */
  delay(ms: number): void;
  /** Bytes are swallowed from now on; connections stay. */
  swallow(isSilent: boolean): void;
  /** Ends all connections; new ones are accepted again unless `isClosed`. */
  cut(isClosed?: boolean): void;
  open(): void;
  connections(): number;
};

export async function startProxy(
  t: Pick<TestContext, 'after'>,
  targetPort: number,
): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let delayMs = 0;
  let isSilent = false;
  let isClosed = false;
  const forward = (from: Socket, to: Socket): void => {
    sockets.add(from);
    from.on('error', () => {});
    from.on('close', () => {
      sockets.delete(from);
      to.destroy();
    });
    from.on('data', (chunk) => {
      const pass = (): void => {
        if (!isSilent && !to.destroyed) to.write(chunk);
      };
      if (delayMs === 0) pass();
      else setTimeout(pass, delayMs);
    });
  };
  const server = createServer((client) => {
    if (isClosed) {
      client.destroy();
      return;
    }
    const upstream = connect(targetPort, '127.0.0.1');
    forward(client, upstream);
    forward(upstream, client);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  t.after(() => {
    server.close();
    cut();
  });
  return {
    port: address.port,
    delay(ms) {
      delayMs = ms;
    },
    swallow(next) {
      isSilent = next;
    },
    cut(next = false) {
      isClosed = next;
      cut();
    },
    open() {
      isClosed = false;
    },
    connections: () => sockets.size / 2,
  };
}
