import { createSocket, type RemoteInfo } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { RECEIVE_BUFFER_BYTES } from './datagram.ts';
import type { Listener } from './stream.ts';

/**
 * Datagrams of any length between clients, one socket of ours and many to servers, by node:dgram. Workers that
 * listen on one address share it (SO_REUSEPORT): the kernel gives all of one client to one of them.
 */
export type RelayHandler = (
  bytes: Uint8Array,
  from: { readonly address: string; readonly port: number },
  /** Sends back from the address that the datagram came to. */
  reply: (bytes: Uint8Array) => void,
) => void;

/** Datagrams to one destination that wait until its socket is connected; what comes beyond is lost. */
const WAITING_MAX = 64;

/** Listens; rejects with the system's error. */
export async function openRelay(
  at: { readonly address: string; readonly port: number },
  onDatagram: RelayHandler,
): Promise<Listener> {
  const socket = open(at.address, process.platform === 'linux');
  const { promise, reject, resolve } = Promise.withResolvers<void>();
  socket.once('error', reject);
  socket.bind({ address: at.address, port: at.port, exclusive: true }, resolve);
  try {
    await promise;
  } catch (error) {
    socket.close();
    throw error;
  }
  socket.off('error', reject);
  // From here on an error is about one datagram: as with any, nobody is told.
  socket.on('error', () => {});
  try {
    socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
  } catch {
    // Linux gives what it may; other systems refuse a size above theirs, and the default remains.
  }
  let isOpen = true;
  socket.on('message', (bytes, { address, port }: RemoteInfo) => {
    // Nobody can answer port 0 (RFC 768).
    if (port === 0) return;
    onDatagram(bytes, { address, port }, (reply) => {
      if (isOpen) socket.send(reply, port, address, () => {});
    });
  });
  const { address, port } = socket.address();
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  return {
    address,
    port,
    close() {
      if (isOpen) socket.close(() => close());
      isOpen = false;
      return closed;
    },
  };
}

/** A socket of its own to one destination; only what comes from there is heard. */
export function connectRelay(
  to: { readonly address: string; readonly port: number },
  onDatagram: (bytes: Uint8Array) => void,
  onProblem: () => void,
) {
  const socket = open(to.address, false);
  let waiting: Uint8Array[] | undefined = [];
  let isOpen = true;
  const failed = (): void => {
    if (isOpen) onProblem();
  };
  socket.on('error', failed);
  socket.on('message', (bytes) => {
    if (isOpen) onDatagram(bytes);
  });
  // With a callback Node tells it of failures, and emits none.
  socket.connect(to.port, to.address, (error?: Error) => {
    if (error) return failed();
    if (!isOpen) return;
    const queued = waiting ?? [];
    waiting = undefined;
    for (const bytes of queued) socket.send(bytes, () => {});
  });
  return {
    send(bytes: Uint8Array): void {
      if (waiting === undefined) socket.send(bytes, () => {});
      else if (waiting.length < WAITING_MAX) waiting.push(bytes);
    },
    close(): void {
      isOpen = false;
      socket.close();
    },
  };
}

function open(address: string, reusePort: boolean) {
  const isIpv6 = isIPv6(address);
  return createSocket({
    type: isIpv6 ? 'udp6' : 'udp4',
    reusePort,
    ipv6Only: isIpv6,
    // Addresses are literals.
    lookup: (name, _options, done) => done(null, name, isIpv6 ? 6 : 4),
  });
}
