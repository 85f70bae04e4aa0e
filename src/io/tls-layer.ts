import { Duplex } from 'node:stream';
import { type SecureContext, TLSSocket } from 'node:tls';
import type { Connection, ConnectionHandlers } from './stream.ts';
import { SILENT_HANDLERS } from './stream.ts';

/**
 * TLS as a layer over any stream engine: Node's TLS works on the socket itself where nothing stands between, for half
 * the price, else on a stream made of the connection, so that a PROXY header can come before it and an engine of our
 * own can be below it.
 */
export type TlsOptions = {
  /** Of new connections; those that are there keep what they began with. */
  context(): SecureContext;
  /** Protocols by ALPN, in the order of preference. */
  readonly protocols: readonly string[];
  /** Whoever speaks above ends its side itself when the peer has ended its own; else it ends with that. */
  readonly allowHalfOpen: boolean;
};

/**
 * Takes part in the handshake; calls back when it is done, and when the connection is gone, whoever ended
 * it and whether it was ever done. A peer that does not finish it is for the caller's time-outs.
 */
export function acceptTls(
  connection: Connection,
  { allowHalfOpen, context, protocols }: TlsOptions,
  onSecure: (socket: TLSSocket) => void,
  onGone: () => void,
): ConnectionHandlers {
  const { handlers, stream } = below(connection, allowHalfOpen);
  let isSecure = false;
  try {
    const socket = new TLSSocket(stream, {
      isServer: true,
      secureContext: context(),
      ALPNProtocols: [...protocols],
    });
    // Errors close the socket, and that is told. Those of records after the handshake come as an event
    // of their own here: it is Node's TLS server that would make errors of them, and set the mark below,
    // without which its HTTP/2 waits for a handshake that is over.
    socket.on('error', () => {});
    socket.on('_tlsError', () => connection.destroy());
    socket.once('secure', () => {
      isSecure = true;
      Object.assign(socket, { secureConnecting: false });
      onSecure(socket);
    });
    // Who has left cannot finish the handshake, and nothing above is there yet to see that it has left.
    socket.once('end', () => {
      if (!isSecure) stream.destroy();
    });
    socket.once('close', () => {
      connection.destroy();
      onGone();
    });
  } catch {
    connection.destroy();
    onGone();
    return SILENT_HANDLERS;
  }
  return {
    ...handlers,
    onEnd(nowMs) {
      handlers.onEnd(nowMs);
      if (!isSecure) stream.destroy();
    },
  };
}

/** What TLS is spoken on, with the handlers that it needs. */
function below(
  connection: Connection,
  allowHalfOpen: boolean,
): { readonly stream: Duplex; readonly handlers: ConnectionHandlers } {
  const socket = connection.takeSocket?.();
  if (socket === undefined) return asDuplex(connection, allowHalfOpen);
  socket.allowHalfOpen = allowHalfOpen;
  return {
    stream: socket,
    handlers: { ...SILENT_HANDLERS, onClose: () => void socket.destroy() },
  };
}

/** The connection as a stream, with the handlers that feed it. */
function asDuplex(
  connection: Connection,
  allowHalfOpen: boolean,
): {
  readonly stream: Duplex;
  readonly handlers: ConnectionHandlers;
} {
  let whenDrained: (() => void) | undefined;
  const stream = new Duplex({
    allowHalfOpen,
    read: () => connection.resume(),
    write(chunk: Buffer, _, done) {
      if (connection.write(chunk)) done();
      else whenDrained = done;
    },
    final(done) {
      connection.end();
      done();
    },
    destroy(error, done) {
      connection.destroy();
      done(error);
    },
  });
  stream.on('error', () => {});
  const handlers: ConnectionHandlers = {
    onData(bytes) {
      // A copy: the bytes are the engine's again when this returns.
      if (!stream.push(Buffer.from(bytes))) connection.pause();
    },
    onEnd: () => void stream.push(null),
    onDrain() {
      const done = whenDrained;
      whenDrained = undefined;
      done?.();
    },
    onClose: () => void stream.destroy(),
  };
  return { stream, handlers };
}
