import net from 'node:net';

/** A server of raw sockets that may finish one direction only; `onSocket` does the talking. */
export async function startServer(onSocket: (socket: net.Socket) => void) {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    onSocket(socket);
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  return {
    port: (server.address() as net.AddressInfo).port,
    sockets,
    close(): void {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
