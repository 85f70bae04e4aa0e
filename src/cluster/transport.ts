import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { formatAddress, parseAddress } from '../ip/address.ts';
import type { Log } from '../telemetry/log.ts';

/** Datagrams out and in, as peers.ts needs them; addresses are `host:port`, IPv6 in brackets. */
export type Transport = {
  /** @param via which of the sockets that can reach it, as a datagram from there told */
  send(bytes: Uint8Array, address: string, via?: number): void;
  onDatagram(listener: (bytes: Uint8Array, address: string, via?: number) => void): void;
  /** Where it listens, with the ports that were given. */
  readonly addresses: readonly string[];
  /** The addresses behind one with a host name; rejects when there are none. Absent: names will do. */
  resolve?(address: string): Promise<readonly string[]>;
  close(): Promise<void>;
};

/** A burst of a whole region's news waits here while the thread is busy. */
const RECEIVE_BUFFER_BYTES = 1024 * 1024;

/**
 * Opens one UDP socket per address. Errors of single datagrams (nobody there, no route) are the
 * network's business: whoever is not reached is asked again.
 */
export async function openTransport(
  listeners: readonly { readonly address: string; readonly port: number }[],
  log: Pick<Log, 'warn'>,
): Promise<Transport> {
  const sockets: Opened[] = [];
  const hasV4 = listeners.some(({ address }) => !address.includes(':'));
  const complain = createComplaints(log);
  let hear: Parameters<Transport['onDatagram']>[0] = () => {};
  try {
    for (const { address, port } of listeners) {
      const family = address.includes(':') ? 6 : 4;
      // Beside an IPv4 socket on the same port, one on `::` must leave IPv4 alone.
      const socket = createSocket({
        type: `udp${family}`,
        ipv6Only: family === 6 && hasV4,
        recvBufferSize: RECEIVE_BUFFER_BYTES,
      });
      const via = sockets.filter((each) => each.family === family).length;
      sockets.push({ socket, family, isDual: family === 6 && !hasV4 });
      socket.bind(port, address);
      await once(socket, 'listening');
      socket.on('error', complain);
      socket.on('message', (bytes, { address: from, port: fromPort }) =>
        hear(bytes, joinHostPort(unmapped(from), fromPort), via),
      );
    }
  } catch (error) {
    for (const { socket } of sockets) socket.close();
    throw error;
  }
  return {
    addresses: sockets.map(({ socket }) => {
      const { address, port } = socket.address();
      return joinHostPort(address, port);
    }),
    send(bytes, address, via = 0) {
      const { host, port } = splitHostPort(address);
      const way = wayTo(sockets, host, via);
      // What cannot be sent is as good as lost on the way. A name would be looked up every time.
      if (way !== undefined) way.socket.send(bytes, port, way.host, () => {});
    },
    onDatagram(listener) {
      hear = listener;
    },
    resolve: resolveHostPort,
    async close() {
      hear = () => {};
      await Promise.all(
        sockets.map(({ socket }) => new Promise<void>((resolve) => socket.close(() => resolve()))),
      );
    },
  };
}

/** A socket; `isDual` when it reaches IPv4 too. */
type Opened = { readonly socket: Socket; readonly family: 4 | 6; readonly isDual: boolean };

function wayTo(
  sockets: readonly Opened[],
  host: string,
  via: number,
): { readonly socket: Socket; readonly host: string } | undefined {
  const family = parseAddress(host.replace(/%.*$/, ''))?.family;
  if (family === undefined) return undefined;
  const able = sockets.filter((each) => each.family === family || (family === 4 && each.isDual));
  const opened = able[via % able.length];
  if (opened === undefined) return undefined;
  return { socket: opened.socket, host: opened.family === family ? host : `::ffff:${host}` };
}

/** An IPv4 address that a socket for both families heard from, as everybody else writes it. */
const unmapped = (host: string): string => host.replace(/^::ffff:(?=\d+\.)/i, '');

/** Every address of the host, in the one form that datagrams come from. */
async function resolveHostPort(address: string): Promise<readonly string[]> {
  const { host, port } = splitHostPort(address);
  const literal = parseAddress(host);
  if (literal !== undefined) return [joinHostPort(unmapped(formatAddress(literal)), port)];
  const found = await lookup(host, { all: true });
  return found.map((each) => joinHostPort(unmapped(each.address), port));
}

export function joinHostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

export function splitHostPort(address: string): { readonly host: string; readonly port: number } {
  const at = address.lastIndexOf(':');
  const host = address.slice(0, at).replace(/^\[|\]$/g, '');
  return { host, port: Number(address.slice(at + 1)) };
}

/** Each kind of error once. */
function createComplaints(log: Pick<Log, 'warn'>): (error: NodeJS.ErrnoException) => void {
  const complained = new Set<string>();
  return ({ code = 'ERROR', message }) => {
    if (complained.has(code)) return;
    complained.add(code);
    log.warn('peers.socket', `Telling other nodes: ${message}.`);
  };
}
