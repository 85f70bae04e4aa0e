import net from 'node:net';
import { steadyNow } from './clock.ts';
import type {
  Connection,
  ConnectionHandlers,
  ListenAt,
  Listener,
  OnConnection,
  StreamEngine,
} from './stream.ts';

/**
 * The stream engine that runs everywhere, on node:net. Outgoing connections read into one buffer
 * that all share; node gives accepted ones no such choice, they read into buffers of their own.
 * Writes are copied, because the caller may reuse its bytes at once and node may keep them.
 */
export function createPortableEngine(): StreamEngine {
  const ids = { next: 1 };
  const shared = new Uint8Array(READ_BYTES_MAX);
  return {
    name: 'portable',
    listen: (where, onConnection) =>
      listen(where, (socket) => {
        const side = createSide(socket, ids.next++);
        side.handlers = onConnection(side.connection);
        side.begun = true;
        if (side.given) return;
        socket.on('data', (bytes: Buffer) => {
          if (!side.silent) side.handlers?.onData(bytes, steadyNow());
        });
      }),
    connect(target, handlers) {
      // Elsewhere the system reads ahead into the buffer, so there every connection has its own.
      const buffer = process.platform === 'win32' ? new Uint8Array(READ_BYTES_MAX) : shared;
      const socket = net.connect({
        host: target.address,
        port: target.port,
        ...(target.localAddress === undefined ? {} : { localAddress: target.localAddress }),
        allowHalfOpen: true,
        noDelay: true,
        onread: {
          buffer,
          callback: (length, bytes) => {
            if (!side.silent) side.handlers?.onData(bytes.subarray(0, length), steadyNow());
            return true;
          },
        },
      });
      const side = createSide(socket, ids.next++);
      side.handlers = handlers;
      socket.once('connect', () => {
        if (!side.silent) handlers.onOpen?.(steadyNow());
      });
      return side.connection;
    },
  };
}

/**
 * A socket that Node made (of TLS) as a connection of the contract. Its ends are those of the
 * connection below, which it is named by too.
 */
export function wrapSocket(
  socket: net.Socket,
  { id, localAddress, localPort, remoteAddress, remotePort }: Connection,
  onConnection: OnConnection,
): void {
  const side = createSide(socket, id);
  const ends = { id, localAddress, localPort, remoteAddress, remotePort };
  side.handlers = onConnection({ ...side.connection, ...ends });
  socket.on('data', (bytes: Buffer) => {
    if (!side.silent) side.handlers?.onData(bytes, steadyNow());
  });
}

type Side = {
  readonly connection: Connection;
  handlers: ConnectionHandlers | undefined;
  /** Destroyed by its owner, who wants to hear no more. */
  silent: boolean;
  /** A write was answered with false, and nothing was said since. */
  held: boolean;
  paused: boolean;
  /** The peer has finished, and nothing was said yet. */
  ended: boolean;
  /** Its handlers are there, and bytes may have come. */
  begun: boolean;
  /** Somebody else has the socket. */
  given: boolean;
};

function listen(where: ListenAt, onSocket: (socket: net.Socket) => void): Promise<Listener> {
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, onSocket);
  const { promise, resolve, reject } = Promise.withResolvers<Listener>();
  server.once('error', reject);
  const ready = (): void => {
    server.off('error', reject);
    // Accepting can fail while descriptors are short; the connection waits in the kernel.
    server.on('error', () => {});
    // Only a server on a pipe has a string here.
    const { address, port } = server.address() as net.AddressInfo;
    resolve({ address, port, close: () => closeServer(server) });
  };
  if ('fd' in where) server.listen({ fd: where.fd, backlog: BACKLOG }, ready);
  else {
    const { address, port, shared = false } = where;
    server.listen({ host: address, port, reusePort: shared, backlog: BACKLOG }, ready);
  }
  return promise;
}

function closeServer(server: net.Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  // node waits for every connection; the socket itself is closed at once.
  server.close();
  setImmediate(resolve);
  return promise;
}

function createSide(socket: net.Socket, id: number): Side {
  let problem = '';
  const side: Side = {
    connection: createConnection(socket, id, () => side),
    handlers: undefined,
    silent: false,
    held: false,
    paused: false,
    ended: false,
    begun: false,
    given: false,
  };
  socket.on('end', () => {
    side.ended = true;
    tellEnd(side);
  });
  const drained = (): void => {
    side.held = false;
    if (!side.silent) side.handlers?.onDrain(steadyNow());
  };
  socket.on('drain', drained);
  // node tells no drain once the end was asked for.
  socket.on('finish', () => {
    if (side.held) drained();
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    problem = error.code ?? 'UNKNOWN';
  });
  socket.on('close', () => {
    if (!side.silent) side.handlers?.onClose(problem, steadyNow());
    side.silent = true;
  });
  return side;
}

function createConnection(socket: net.Socket, id: number, side: () => Side): Connection {
  // An accepted socket forgets its peer when it closes, so both ends are read at once.
  const accepted = {
    remote: socket.remoteAddress,
    port: socket.remotePort,
    local: socket.localAddress,
    localPort: socket.localPort,
  };
  return {
    id,
    get remoteAddress() {
      return withoutMapping(accepted.remote ?? socket.remoteAddress ?? '');
    },
    get remotePort() {
      return accepted.port ?? socket.remotePort ?? 0;
    },
    get localAddress() {
      return withoutMapping(accepted.local ?? socket.localAddress ?? '');
    },
    get localPort() {
      return accepted.localPort ?? socket.localPort ?? 0;
    },
    write(bytes, length = bytes.length) {
      if (socket.destroyed || socket.writableEnded) return true;
      const goOn = socket.write(Buffer.from(bytes.subarray(0, length)));
      if (!goOn) side().held = true;
      return goOn;
    },
    end() {
      if (!socket.destroyed && !socket.writableEnded) socket.end();
    },
    destroy() {
      side().silent = true;
      socket.destroy();
    },
    reset() {
      side().silent = true;
      socket.resetAndDestroy();
    },
    pause() {
      side().paused = true;
      socket.pause();
    },
    resume() {
      side().paused = false;
      socket.resume();
      if (side().ended) setImmediate(() => tellEnd(side()));
    },
    takeSocket() {
      if (side().begun) return undefined;
      side().given = true;
      return socket;
    },
  };
}

/** node tells the end of a paused socket too when nothing else is left to read. */
function tellEnd(side: Side): void {
  if (!side.ended || side.paused || side.silent) return;
  side.ended = false;
  side.handlers?.onEnd(steadyNow());
}

const withoutMapping = (address: string): string =>
  address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;

const READ_BYTES_MAX = 64 * 1024;
const BACKLOG = 4096;
