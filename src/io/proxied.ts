import { formatAddress } from '../ip/address.ts';
import { type ProxyOptions, readProxyOptions } from '../ip/proxy-options.ts';
import {
  createProxiedClient,
  PROXY_HEADER_LENGTH_MAX,
  PROXY_INCOMPLETE,
  type ProxiedClient,
  readProxyHeader,
} from '../ip/proxy-protocol.ts';
import {
  type Connection,
  type ConnectionHandlers,
  type OnConnection,
  SILENT_HANDLERS,
} from './stream.ts';

/** Reads the versions that are spoken here; readProxyHeader, or one that keeps its rules. */
export type HeaderReader = typeof readProxyHeader;

/** Where connections wait until their header has come: whoever has a clock and limits bounds time and number. */
export type Hall = {
  enter(connection: Connection): void;
  /** Its header has come, or it has gone. */
  leave(connection: Connection): void;
  /** Ends one that is of no proxy, or begins with no header. */
  refuse(connection: Connection): void;
};

/**
 * The layer that takes a PROXY header off the front of each connection; what is above sees the client's
 * address. Connections from anybody but the proxies, and without a header, are closed: else anybody
 * could say who he is.
 */
export function proxied(
  isProxy: (address: string) => boolean,
  onConnection: OnConnection,
  hall: Hall,
  read: HeaderReader = readProxyHeader,
): OnConnection {
  return (connection) => {
    if (!isProxy(connection.remoteAddress)) {
      hall.refuse(connection);
      return SILENT_HANDLERS;
    }
    hall.enter(connection);
    return behindHeader(connection, onConnection, hall, read);
  };
}

function behindHeader(
  connection: Connection,
  onConnection: OnConnection,
  hall: Hall,
  read: HeaderReader,
): ConnectionHandlers {
  const client = createProxiedClient();
  let head = new Uint8Array();
  let inner: ConnectionHandlers | undefined;
  const begin = (bytes: Uint8Array, nowMs: number): void => {
    const before = head.length;
    head = Uint8Array.from([...head, ...bytes.subarray(0, PROXY_HEADER_LENGTH_MAX - before)]);
    const length = read(client, head, head.length);
    if (length === PROXY_INCOMPLETE && head.length < PROXY_HEADER_LENGTH_MAX) return;
    hall.leave(connection);
    if (length <= 0) {
      hall.refuse(connection);
      return;
    }
    const told = readProxyOptions(head, client.optionsAt, length);
    inner = onConnection(client.isTold ? spokenFor(connection, client, told) : connection);
    head = new Uint8Array();
    if (bytes.length > length - before) inner.onData(bytes.subarray(length - before), nowMs);
  };
  return {
    onData: (bytes, nowMs) => (inner ? inner.onData(bytes, nowMs) : begin(bytes, nowMs)),
    onEnd(nowMs) {
      if (inner) return inner.onEnd(nowMs);
      hall.leave(connection);
      connection.destroy();
    },
    onDrain: (nowMs) => inner?.onDrain(nowMs),
    onClose(problem, nowMs) {
      if (inner) inner.onClose(problem, nowMs);
      else hall.leave(connection);
    },
  };
}

/** The connection with the address of its client. An engine's may be of a class, so nothing can be copied. */
function spokenFor(
  connection: Connection,
  { address, family, port }: ProxiedClient,
  told: ProxyOptions,
): Connection {
  const bytes = address.slice(0, family === 4 ? 4 : 16);
  return {
    id: connection.id,
    remoteAddress: formatAddress({ family, bytes }),
    remotePort: port,
    localAddress: connection.localAddress,
    localPort: connection.localPort,
    told,
    write: (more, length) => connection.write(more, length),
    end: () => connection.end(),
    destroy: () => connection.destroy(),
    reset: () => connection.reset(),
    pause: () => connection.pause(),
    resume: () => connection.resume(),
    taken: () => connection.taken(),
    // That of the proxy says nothing of its client.
    roundTripMs: () => 0,
  };
}
