import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { proxied } from '../io/proxied.ts';
import type { Connection, ListenAt, Listener, OnConnection, StreamEngine } from '../io/stream.ts';
import { parseAddress } from '../ip/address.ts';
import { containsAddress, type Prefix } from '../ip/prefix.ts';
import type { Desk } from './desk.ts';
import { createDohServer } from './dns-https.ts';
import { serveDnsStream, serveDnsTls } from './dns-stream.ts';
import type { Sessions } from './sessions.ts';

/** What is spoken on a listener of streams, and to whom. Plain data: it travels to the worker. */
export type StreamService = {
  readonly protocol: 'tcp' | 'tls' | 'https';
  /** Networks of proxies that say whom they speak for; undefined = clients speak for themselves. */
  readonly proxies: readonly Prefix[] | undefined;
  /** Index of the certificate, for TLS and HTTPS. */
  readonly certificate: number;
  /** Of HTTPS. */
  readonly path: string;
};

/** A certificate with its chain, and its private key, as PEM. */
export type Certificate = { readonly chain: string; readonly key: string };

/** Certificates in use, by their index; a new one counts from the next connection on. */
export type Certificates = {
  context(index: number): SecureContext;
  set(certificates: readonly Certificate[]): void;
};

/** @throws when a certificate and its key cannot serve: whoever reads them has tried */
export function createCertificates(first: readonly Certificate[]): Certificates {
  let contexts: readonly SecureContext[] = [];
  const set = (certificates: readonly Certificate[]): void => {
    contexts = certificates.map(openCertificate);
  };
  set(first);
  return { context: (index) => contexts[index]!, set };
}

/** The certificate as TLS uses it (RFC 9325: nothing below version 1.2, and no second handshake on a connection). */
export function openCertificate({ chain, key }: Certificate): SecureContext {
  const secureOptions = constants.SSL_OP_NO_RENEGOTIATION;
  return createSecureContext({ cert: chain, key, minVersion: 'TLSv1.2', secureOptions });
}

/** Opens one listener; rejects with the system's error. */
export function openStreamListener(
  engine: StreamEngine,
  where: ListenAt,
  service: StreamService,
  desk: Desk,
  sessions: Sessions,
  certificates: Certificates,
): Promise<Listener> {
  const serve = serverOf(service, desk, sessions, certificates);
  const { proxies } = service;
  if (proxies === undefined) return engine.listen(where, serve);
  const isProxy = (text: string): boolean => {
    const address = parseAddress(text);
    return address !== undefined && proxies.some((network) => containsAddress(network, address));
  };
  const hall = {
    enter: (connection: Connection): void => sessions.greet(connection, desk.nowMs()),
    leave: sessions.dismiss,
    refuse: sessions.refuse,
  };
  return engine.listen(where, proxied(isProxy, serve, hall));
}

function serverOf(
  { certificate, path, protocol }: StreamService,
  desk: Desk,
  sessions: Sessions,
  certificates: Certificates,
): OnConnection {
  const context = (): SecureContext => certificates.context(certificate);
  switch (protocol) {
    case 'tcp':
      return (connection) => serveDnsStream(desk, sessions, connection);
    case 'tls':
      return (connection) => serveDnsTls(desk, sessions, context, connection);
    case 'https':
      return createDohServer(desk, sessions, context, path).accept;
  }
}
