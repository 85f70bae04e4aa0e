import type { Socket } from 'node:net';
import type { ByteSink } from '../http/byte-sink.ts';
import type { ProxyOptions } from '../ip/proxy-options.ts';

/**
 * The contract of a stream engine: the part that moves bytes over TCP and knows no protocol.
 * HTTP (balancer) and DNS over TCP run on it unchanged, whichever engine serves.
 *
 * Rules that every engine keeps, and `test/io/stream-conformance.ts` checks:
 *   - handlers are never called from within a call into the engine, always later;
 *   - `onOpen` comes once, first, on connections made by `connect`; `onClose` once, last, always,
 *     unless `destroy` or `reset` was called: then no handler is called any more;
 *   - the bytes given to `onData` are valid only during the call; those given to `write` may be
 *     reused by the caller as soon as it returns, but for those of an outbox;
 *   - after `pause` no `onData` comes until `resume`; bytes and the end wait in the kernel;
 *   - after `write` gave false `onDrain` comes once all is sent, also when `end` was called since;
 *   - both directions close separately: `onEnd` says that the peer has finished, `end` finishes ours;
 *     once both have, and all is sent, the engine closes.
 * Time-outs belong to the caller, who has a coarse clock of its own for all its connections.
 *
 * A layer between bytes and engine (TLS, PROXY protocol) wraps a `Connection` and its handlers
 * into another pair of the same types; nothing above notices.
 */
export type StreamEngine = {
  /** As shown by status: which engine serves. */
  readonly name: string;
  /**
   * Where what one event writes may be gathered, one for each direction; shared by all who use the engine, and empty
   * between events. Written from there it is not copied, and `bytes` is other memory then. Absent where nothing is gained.
   */
  readonly outboxes?: readonly [ByteSink, ByteSink];
  /**
   * Listens on a bound descriptor (which the engine then owns and closes) or on an address.
   * @returns rejects with the system's error when that fails
   */
  listen(where: ListenAt, onConnection: OnConnection): Promise<Listener>;
  /** Begins to connect; `onOpen` or `onClose` tells how it went. */
  connect(target: ConnectTarget, handlers: ConnectionHandlers): Connection;
};

export type ListenAt =
  | { readonly fd: number }
  | {
      readonly address: string;
      readonly port: number;
      /** Several workers listen on this address (SO_REUSEPORT). */
      readonly shared?: boolean;
    };

export type ConnectTarget = {
  readonly address: string;
  readonly port: number;
  /** Local address to connect from. */
  readonly localAddress?: string;
};

/** Takes a new connection and gives back its handlers. */
export type OnConnection = (connection: Connection) => ConnectionHandlers;

export type Listener = {
  readonly address: string;
  readonly port: number;
  /** Stops accepting; connections already accepted go on. Settles when the socket is closed. */
  close(): Promise<void>;
};

export type Connection = {
  /** Unique within the engine, never reused. */
  readonly id: number;
  /** Of the peer and of this end; empty and 0 until open. IPv4 is never shown in IPv6 form. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** What a proxy in front has told beside the client's address; absent where there is none. */
  readonly told?: ProxyOptions;
  /**
   * @param length only so many octets, not all of `bytes`
   * @returns false when the caller should stop until `onDrain`; the bytes are taken either way
   */
  write(bytes: Uint8Array, length?: number): boolean;
  /** Sends what was written, then our end of stream. */
  end(): void;
  /** Gives the connection up at once, unsent bytes included. */
  destroy(): void;
  /** Destroys, and lets the peer see a reset instead of an orderly end. */
  reset(): void;
  pause(): void;
  resume(): void;
  /**
   * Changes when the peer's side has taken some of what was written, though `onDrain` has nothing to say yet. Costs a
   * call into the kernel, so it is for those who have long waited.
   */
  taken(): number;
  /**
   * The least round-trip time to the peer that the kernel has seen lately, from the handshake on, in milliseconds; 0 =
   * not known, or there is somebody in between who has told the address. Costs a call into the kernel.
   */
  roundTripMs(): number;
  /**
   * Gives away the socket itself, for a layer of Node's that reads and writes it without the engine: of this
   * connection only onClose is heard then. Only while the connection is handed over, before anything is read;
   * undefined later, and where there is no such socket.
   */
  takeSocket?(): Socket | undefined;
};

/** `nowMs` is when the engine heard of it, by a clock that never goes back: once for all that it hears at once. */
export type ConnectionHandlers = {
  onOpen?(nowMs: number): void;
  onData(bytes: Uint8Array, nowMs: number): void;
  onEnd(nowMs: number): void;
  onDrain(nowMs: number): void;
  /** @param problem the system's error code, for instance `ECONNRESET`; empty when it ended in order */
  onClose(problem: string, nowMs: number): void;
};

/** Hears nothing: of a connection that nobody owns yet, or that was destroyed as it came. */
export const SILENT_HANDLERS: ConnectionHandlers = {
  onData() {},
  onEnd() {},
  onDrain() {},
  onClose() {},
};
