import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { checkServerIdentity, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { encodeProxyHeader } from '../ip/proxy-encode.ts';
import {
  type CertificateFinding,
  identityOf,
  judgeCertificate,
  type TlsSettings,
  trustOf,
} from './certificate.ts';
import type { Course } from './course.ts';
import type { ProbeTarget } from './probe.ts';

/**
 * The connection that a probe asks over: TCP, and TLS on it when wanted, from the vantage point's
 * address, with the time that each handshake took. It is closed when the attempt ends.
 */
export async function openConnection(course: Course): Promise<Socket> {
  const socket = connect({ ...routeOf(course), noDelay: true });
  hold(course, socket);
  return connected(course, socket);
}

async function connected<Kind extends Socket>(course: Course, socket: Kind): Promise<Kind> {
  const sinceMs = course.nowMs();
  await once(socket, 'connect');
  course.note('connectMs', sinceMs);
  const { proxyProtocol } = course.target;
  if (proxyProtocol === undefined) return socket;
  const header = proxyHeader(proxyProtocol, socket, course.target);
  const { promise, reject, resolve } = Promise.withResolvers<void>();
  socket.write(header, (error) => (error ? reject(error) : resolve()));
  await promise;
  return socket;
}

/** Nobody is behind a probe. v2 has a word for that (LOCAL); where v1 is wanted the probe is its own client. */
function proxyHeader(version: 'v1' | 'v2', socket: Socket, target: ProbeTarget): Uint8Array {
  return encodeProxyHeader(version, {
    remoteAddress: version === 'v2' ? '' : (socket.localAddress ?? ''),
    remotePort: socket.localPort ?? 0,
    localAddress: target.address,
    localPort: target.port,
  });
}

function routeOf({ target: { address, port, sourceAddress } }: Course) {
  const source = sourceAddress === undefined ? {} : { localAddress: sourceAddress };
  return { host: address, port, ...source };
}

function hold(course: Course, socket: Socket): void {
  course.onEnd(() => socket.destroy());
  // What goes wrong once nobody waits any more is no news.
  socket.on('error', () => {});
}

export type TlsWish = {
  readonly settings: TlsSettings;
  /** The host that the probe speaks of, if it does: where the server's name comes from. */
  readonly host?: string | undefined;
  /** Protocols to offer (RFC 7301). */
  readonly alpn: readonly string[];
};
export type TlsConnection = {
  readonly socket: TLSSocket;
  readonly certificate: CertificateFinding;
};

/** Resolves when the handshake is done, whatever the certificate: see its finding. */
export async function openTls(course: Course, wish: TlsWish): Promise<TlsConnection> {
  const { alpn, host, settings } = wish;
  // Before anything is sent: a file of this host that cannot be read is not worth a connection.
  const secureContext = await trustOf(settings.ca);
  const { identity, servername } = identityOf(settings, host, course.target.address);
  const plain = await connectBelow(course);
  const socket = tlsConnect({
    ...(plain === undefined ? routeOf(course) : { socket: plain.socket }),
    secureContext,
    rejectUnauthorized: false,
    checkServerIdentity: (_, certificate) => checkServerIdentity(identity, certificate),
    ...(servername === undefined ? {} : { servername }),
    ...(alpn.length === 0 ? {} : { ALPNProtocols: [...alpn] }),
  });
  plain?.giveTo(socket);
  hold(course, socket);
  if (plain === undefined) await connected(course, socket);
  const sinceMs = course.nowMs();
  await once(socket, 'secureConnect').catch((error: Error) => {
    throw error.message.startsWith('Client network socket disconnected')
      ? new Error('connection closed during the TLS handshake')
      : error;
  });
  course.note('tlsMs', sinceMs);
  const certificate = judgeCertificate(socket, settings, identity, Date.now());
  return { socket, certificate };
}

/**
 * What TLS is spoken on, where something has to be said before it. Else one socket is both: with TLS wrapped around a
 * socket, destroying that one first would be the end of the process (Node 26). So it is given to the one above.
 */
async function connectBelow(course: Course) {
  if (course.target.proxyProtocol === undefined) return undefined;
  // It does not end by itself when the other side does.
  const socket = connect({ ...routeOf(course), noDelay: true, allowHalfOpen: true });
  let owner: Socket | undefined;
  course.onEnd(() => {
    if (owner === undefined) socket.destroy();
  });
  socket.on('error', () => {});
  await connected(course, socket);
  if (socket.destroyed) throw new Error('connection closed during the TLS handshake');
  return {
    socket,
    giveTo(above: Socket): void {
      owner = above;
    },
  };
}
