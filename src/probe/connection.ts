import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { checkServerIdentity, type TLSSocket, connect as tlsConnect } from 'node:tls';
import {
  type CertificateFinding,
  identityOf,
  judgeCertificate,
  type TlsSettings,
  trustOf,
} from './certificate.ts';
import type { Course } from './course.ts';

/**
 * The connection that a probe asks over: TCP, and TLS on it when wanted, from the vantage point's
 * address, with the time that each handshake took. It is closed when the attempt ends.
 */
export async function openConnection(course: Course): Promise<Socket> {
  const sinceMs = course.nowMs();
  const socket = connect({ ...routeOf(course), noDelay: true });
  hold(course, socket);
  await once(socket, 'connect');
  course.note('connectMs', sinceMs);
  return socket;
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
  const connectingMs = course.nowMs();
  // One socket for both: with TLS wrapped around a socket, destroying that one first would be the end
  // of the process (Node 26).
  const socket = tlsConnect({
    ...routeOf(course),
    secureContext,
    rejectUnauthorized: false,
    checkServerIdentity: (_, certificate) => checkServerIdentity(identity, certificate),
    ...(servername === undefined ? {} : { servername }),
    ...(alpn.length === 0 ? {} : { ALPNProtocols: [...alpn] }),
  });
  hold(course, socket);
  await once(socket, 'connect');
  course.note('connectMs', connectingMs);
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
