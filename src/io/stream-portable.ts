import { closeSync, fstatSync } from 'node:fs';
import net from 'node:net';
import { copyOctets } from '../http/copy-octets.ts';
import { steadyNow } from './clock.ts';
import type {
  Connection,
  ConnectionHandlers,
  ListenAt,
  Listener,
  OnConnection,
  StreamEngine,
} from './stream.ts';
import { SILENT_HANDLERS } from './stream.ts';
import { roundTripMs } from './tcp-info.ts';

/**
 * The stream engine that runs everywhere, on node:net. All connections read into one buffer that they
 * share. Writes are copied, because the caller may reuse its bytes at once and node may keep them.
 */
export function createPortableEngine(): StreamEngine {
  const ids = { next: 1 };
  const shared = new Uint8Array(READ_BYTES_MAX);
  return {
    name: 'portable',
    listen: (where, onConnection) =>
      listen(where, (source) => {
        const connection = new SocketConnection(ids.next++, source);
        connection.handlers = onConnection(connection);
        connection.begin(shared);
      }),
    connect(target, handlers) {
      // Elsewhere the system reads ahead into the buffer, so there every connection has its own.
      const buffer = IS_WINDOWS ? new Uint8Array(READ_BYTES_MAX) : shared;
      const socket = net.connect({
        host: target.address,
        port: target.port,
        ...(target.localAddress === undefined ? {} : { localAddress: target.localAddress }),
        allowHalfOpen: true,
        noDelay: true,
        onread: { buffer, callback: readIntoBuffer },
      });
      const connection = new SocketConnection(ids.next++, socket);
      connection.begun = true;
      connection.handlers = handlers;
      socket.once('connect', tellOpen);
      return connection;
    },
  };
}

/**
 * A socket that Node made (of TLS) as a connection of the contract. Its ends are those of the
 * connection below, which it is named by too.
 */
export function wrapSocket(
  socket: net.Socket,
  below: Connection,
  onConnection: OnConnection,
): void {
  const { id, localAddress, localPort, remoteAddress, remotePort } = below;
  const asked = {
    taken: (): number => below.taken(),
    roundTripMs: (): number => below.roundTripMs(),
  };
  const ends = { localAddress, localPort, remoteAddress, remotePort, ...asked };
  const connection = new SocketConnection(id, socket, ends);
  connection.handlers = onConnection(connection);
  socket.on('data', readOwn);
}

type Ends = Pick<Connection, 'localAddress' | 'localPort' | 'remoteAddress' | 'remotePort'> & {
  /** Of the connection below. */
  readonly taken?: () => number;
  readonly roundTripMs?: () => number;
};

/**
 * A class, and what sockets tell goes to functions that all share, by way of a property of the socket: closures of its
 * own would take an idle connection a third of its memory.
 */
class SocketConnection implements Connection {
  readonly id: number;
  handlers: ConnectionHandlers = SILENT_HANDLERS;
  /** What was accepted, as long as no socket is made of it. */
  private handle: Handle | undefined;
  private made: Owned | undefined;
  /** Where they are not those of the socket. */
  private ends: Ends | undefined;
  /** Of what was accepted: it forgets them when it closes. */
  private readonly peer: Peer;
  /** Destroyed by its owner, who wants to hear no more. */
  silent = false;
  /** A write was answered with false, and nothing was said since. */
  held = false;
  paused = false;
  /** The peer has finished, and nothing was said yet. */
  ended = false;
  /** Its handlers are there, and bytes may have come. */
  begun = false;
  /** Somebody else has the socket. */
  private given = false;
  problem = '';

  constructor(id: number, source: net.Socket | Handle, ends?: Ends) {
    this.id = id;
    this.ends = ends;
    if (source instanceof net.Socket) this.own(source);
    else this.handle = source;
    this.peer = ends === undefined ? peerOf(source) : NOBODY;
  }

  /** Its owner has given it handlers: from here on it reads, into `buffer` if nobody has used its socket yet. */
  begin(buffer: Uint8Array): void {
    this.begun = true;
    const { handle } = this;
    if (this.made === undefined && handle !== undefined) {
      this.own(
        socketOf({ handle, allowHalfOpen: true, onread: { buffer, callback: readIntoBuffer } }),
      );
    } else if (!this.given) this.socket.on('data', readOwn);
    if (this.paused) this.socket.pause();
    else this.socket.resume();
  }

  /** The socket; of what was accepted it is made when somebody wants it, or by `begin`. */
  private get socket(): Owned {
    if (this.made === undefined)
      this.own(socketOf({ handle: this.handle, allowHalfOpen: true, pauseOnCreate: true }));
    return this.made!;
  }

  private own(socket: net.Socket): void {
    const made = socket as Owned;
    made[OWNER] = this;
    this.made = made;
    this.handle = undefined;
    made.on('end', hearEnd).on('drain', hearDrain).on('finish', hearFinish);
    made.on('error', hearError).on('close', hearClose);
  }

  get remoteAddress(): string {
    const { ends, made, peer } = this;
    return ends?.remoteAddress ?? withoutMapping(peer.address ?? made?.remoteAddress ?? '');
  }
  get remotePort(): number {
    return this.ends?.remotePort ?? this.peer.port ?? this.made?.remotePort ?? 0;
  }
  get localAddress(): string {
    return this.ends?.localAddress ?? withoutMapping(this.local().address ?? '');
  }
  get localPort(): number {
    return this.ends?.localPort ?? this.local().port ?? 0;
  }
  /** Asked of the handle as long as there is no socket: to make one would decide how it reads. */
  private local(): Peer {
    const { handle, made } = this;
    if (made !== undefined) return { address: made.localAddress, port: made.localPort };
    const own: Peer = {};
    handle?.getsockname(own);
    return own;
  }

  write(bytes: Uint8Array, length = bytes.length): boolean {
    const { socket } = this;
    if (socket.destroyed || socket.writableEnded) return true;
    // What TLS is to encrypt is never written at once.
    const isLong = length >= COPIES_FROM && !(socket as { encrypted?: boolean }).encrypted;
    const kept = isLong ? takeCopy(length) : Buffer.allocUnsafe(length);
    copyOctets(kept, 0, bytes, 0, length);
    const goOn = socket.write(length < kept.length ? kept.subarray(0, length) : kept);
    // Written at once, all of it: node does not need it any more.
    if (isLong && socket.writableLength === 0) giveBackCopy(kept);
    if (!goOn) this.held = true;
    return goOn;
  }
  end(): void {
    const { socket } = this;
    if (!socket.destroyed && !socket.writableEnded) socket.end();
  }
  destroy(): void {
    this.silent = true;
    this.socket.destroy();
  }
  reset(): void {
    this.silent = true;
    this.socket.resetAndDestroy();
  }
  pause(): void {
    this.paused = true;
    this.made?.pause();
  }
  resume(): void {
    this.paused = false;
    this.made?.resume();
    if (this.ended) setImmediate(() => this.tellEnd());
  }
  /** Of the write under way, as node's own time-outs look at it: `writeQueueSize` is not documented. */
  taken(): number {
    const { writeQueueSize = 0 } =
      (this.made as { _handle?: Partial<Handle> | null })?._handle ?? {};
    return writeQueueSize + (this.ends?.taken?.() ?? 0);
  }
  roundTripMs(): number {
    // Of a layer on another one's socket there is none here.
    const handle = this.handle ?? (this.made as { _handle?: Handle | null } | undefined)?._handle;
    return this.ends?.roundTripMs?.() ?? roundTripMs(handle?.fd ?? -1);
  }
  takeSocket(): net.Socket | undefined {
    if (this.begun) return undefined;
    this.given = true;
    // Whoever has it may close it, and it is forgotten then.
    const { localAddress, localPort, remoteAddress, remotePort } = this;
    this.ends = { localAddress, localPort, remoteAddress, remotePort };
    return this.socket;
  }

  /** node tells the end of a paused socket too when nothing else is left to read. */
  tellEnd(): void {
    if (!this.ended || this.paused || this.silent) return;
    this.ended = false;
    this.handlers.onEnd(steadyNow());
  }
  tellDrained(): void {
    this.held = false;
    if (!this.silent) this.handlers.onDrain(steadyNow());
  }
}

/** A TCP handle of node's, below its sockets. */
type Handle = {
  /** Not documented; node's own on systems that have descriptors. */
  readonly fd?: number;
  readonly useUserBuffer?: unknown;
  /** What the kernel has not taken yet. */
  readonly writeQueueSize?: number;
  getpeername(out: Peer): number;
  getsockname(out: Peer): number;
  setNoDelay(on: boolean): void;
};
/** An end of a connection, as far as it is known. */
type Peer = { readonly address?: string | undefined; readonly port?: number | undefined };
const NOBODY: Peer = {};

const OWNER = Symbol('connection');
type Owned = net.Socket & { [OWNER]: SocketConnection };

// What sockets tell, each time with the socket as `this`.
function readIntoBuffer(this: unknown, length: number, { buffer, byteOffset }: Uint8Array): true {
  const connection = (this as Owned)[OWNER];
  if (connection.silent) return true;
  connection.handlers.onData(new Uint8Array(buffer, byteOffset, length), steadyNow());
  return true;
}
function readOwn(this: net.Socket, { buffer, byteOffset, length }: Buffer): void {
  const connection = (this as Owned)[OWNER];
  if (connection.silent) return;
  connection.handlers.onData(new Uint8Array(buffer, byteOffset, length), steadyNow());
}
function tellOpen(this: net.Socket): void {
  const connection = (this as Owned)[OWNER];
  if (!connection.silent) connection.handlers.onOpen?.(steadyNow());
}
function hearEnd(this: net.Socket): void {
  const connection = (this as Owned)[OWNER];
  connection.ended = true;
  connection.tellEnd();
}
function hearDrain(this: net.Socket): void {
  (this as Owned)[OWNER].tellDrained();
}
/** node tells no drain once the end was asked for. */
function hearFinish(this: net.Socket): void {
  const connection = (this as Owned)[OWNER];
  if (connection.held) connection.tellDrained();
}
function hearError(this: net.Socket, { code = 'UNKNOWN' }: NodeJS.ErrnoException): void {
  (this as Owned)[OWNER].problem = code;
}
function hearClose(this: net.Socket): void {
  const connection = (this as Owned)[OWNER];
  if (!connection.silent) connection.handlers.onClose(connection.problem, steadyNow());
  connection.silent = true;
}

/**
 * Memory for longer writes, by the power of two that it is large: mostly all is written at once, and the next write can
 * have it. What waits in node is its own, and at most half of it is not in use.
 */
const copies: (Buffer | undefined)[] = [];
function takeCopy(length: number): Buffer {
  const size = sizeClass(length);
  const copy = copies[size] ?? Buffer.allocUnsafeSlow(2 ** size);
  copies[size] = undefined;
  return copy;
}
function giveBackCopy(copy: Buffer): void {
  const size = sizeClass(copy.length);
  if (copy.length <= COPY_BYTES_MAX) copies[size] = copy;
}
const sizeClass = (length: number): number => 32 - Math.clz32(length - 1);

/** `handle` is an option of node's own, for what it accepts. */
const socketOf = (options: object): net.Socket =>
  new net.Socket(options as net.SocketConstructorOpts);

function peerOf(source: net.Socket | Handle): Peer {
  if (source instanceof net.Socket)
    return { address: source.remoteAddress, port: source.remotePort };
  const peer: Peer = {};
  source.getpeername(peer);
  return peer;
}

/**
 * node makes a socket of each handle that it accepts, and gives those no choice: each of their reads makes a buffer of
 * 64 KiB. So the handles are taken before that. `_handle` and `onconnection` are names of node's that are not
 * documented: where they are not what they were, sockets come as ever.
 */
function takeHandles(server: net.Server, onHandle: (handle: Handle) => void): void {
  const { _handle: listening } = server as unknown as { _handle?: { onconnection?: unknown } };
  // Elsewhere the system reads ahead into the buffer.
  if (typeof listening?.onconnection !== 'function' || IS_WINDOWS) return;
  const usual = listening.onconnection;
  listening.onconnection = function (this: unknown, status: number, handle: Handle): void {
    if (status !== 0 || handle.useUserBuffer === undefined) {
      Reflect.apply(usual, this, [status, handle]);
      return;
    }
    handle.setNoDelay(true);
    onHandle(handle);
  };
}

/** @param onSource is told of each that is accepted: as a handle where node's is what it was, else as its socket, paused */
function listen(
  where: ListenAt,
  onSource: (source: net.Socket | Handle) => void,
): Promise<Listener> {
  const server = net.createServer(LISTENING, onSource);
  const { promise, resolve, reject } = Promise.withResolvers<Listener>();
  server.once('error', reject);
  const ready = (): void => {
    server.off('error', reject);
    // Accepting can fail while descriptors are short; the connection waits in the kernel.
    server.on('error', () => {});
    // Only a server on a pipe has a string here.
    const { address, port } = server.address() as net.AddressInfo;
    takeHandles(server, onSource);
    resolve({ address, port, close: () => closeServer(server) });
  };
  // node closes what it cannot listen on, but not what it does not take for a socket.
  if ('fd' in where && !fstatSync(where.fd).isSocket()) {
    closeSync(where.fd);
    reject(Object.assign(new Error('not a socket'), { code: 'ENOTSOCK' }));
  } else if ('fd' in where) server.listen({ fd: where.fd, backlog: BACKLOG }, ready);
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

const withoutMapping = (address: string): string =>
  address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;

/** Nothing is read before it is known into what. */
const LISTENING = { allowHalfOpen: true, noDelay: true, pauseOnConnect: true };
const IS_WINDOWS = process.platform === 'win32';
/** Shorter ones are parts of a piece that node has made for many. */
const COPIES_FROM = 4096;
/** Nobody writes more at once, but for a while. */
const COPY_BYTES_MAX = 1024 * 1024;
const READ_BYTES_MAX = 64 * 1024;
const BACKLOG = 4096;
