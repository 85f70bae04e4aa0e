import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Log } from '../telemetry/log.ts';

/** Datagrams out and in, as peers.ts needs them; addresses are `host:port`, IPv6 in brackets. */
export type Transport = {
  send(bytes: Uint8Array, address: string): void;
  onDatagram(listener: (bytes: Uint8Array, address: string) => void): void;
  /** Where it listens, with the ports that were given. */
  readonly addresses: readonly string[];
  close(): Promise<void>;
};

/**
 * Opens one UDP socket per address. Errors of single datagrams (nobody there, no route) are the
 * network's business: whoever is not reached is asked again.
 */
export async function openTransport(
  listeners: readonly { readonly address: string; readonly port: number }[],
  log: Pick<Log, 'warn'>,
): Promise<Transport> {
  const sockets: Socket[] = [];
  let hear: (bytes: Uint8Array, address: string) => void = () => {};
  const complained = new Set<string>();
  try {
    for (const { address, port } of listeners) {
      const socket = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4' });
      sockets.push(socket);
      socket.bind(port, address);
      await once(socket, 'listening');
      socket.on('error', (error) => complain(error, complained, log));
      socket.on('message', (bytes, { address: from, port: fromPort }) =>
        hear(bytes, joinHostPort(from, fromPort)),
      );
    }
  } catch (error) {
    for (const socket of sockets) socket.close();
    throw error;
  }
  const socketFor = (host: string): Socket | undefined =>
    sockets.find((socket) => socket.address().family === (host.includes(':') ? 'IPv6' : 'IPv4')) ??
    sockets[0];
  return {
    addresses: sockets.map((socket) =>
      joinHostPort(socket.address().address, socket.address().port),
    ),
    send(bytes, address) {
      const { host, port } = splitHostPort(address);
      // A name is looked up by the system; what cannot be sent is as good as lost on the way.
      socketFor(host)?.send(bytes, port, host, () => {});
    },
    onDatagram(listener) {
      hear = listener;
    },
    async close() {
      hear = () => {};
      await Promise.all(
        sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))),
      );
    },
  };
}

export function joinHostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

export function splitHostPort(address: string): { readonly host: string; readonly port: number } {
  const at = address.lastIndexOf(':');
  const host = address.slice(0, at).replace(/^\[|\]$/g, '');
  return { host, port: Number(address.slice(at + 1)) };
}

function complain(error: Error, complained: Set<string>, log: Pick<Log, 'warn'>): void {
  if (complained.has(error.message)) return;
  complained.add(error.message);
  log.warn('peers.socket', `Telling other nodes: ${error.message}.`);
}
