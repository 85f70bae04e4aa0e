import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { createServer, type TLSSocket } from 'node:tls';
import { type Authority, type Certificate, createAuthority } from './certificates.ts';

/** One authority for all tests of a file, and a file with its certificate. */
export const authority: Authority = createAuthority();
export const good: Certificate = authority.issue(['localhost', '127.0.0.1', '::1']);

/** The path of a PEM file, gone after the test. */
export function caFile(t: TestContext, cert: string = authority.cert): string {
  const directory = mkdtempSync(join(tmpdir(), 'meridian-ca-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, 'ca.pem');
  writeFileSync(path, cert);
  return path;
}

/** What a server does on a connection, behind a TLS handshake with this certificate. */
export function overTls(
  onConnection: (socket: TLSSocket) => void,
  { cert, key }: Certificate = good,
  alpn: readonly string[] = ['h2', 'http/1.1'],
): (raw: Socket) => void {
  const server = createServer({ cert, key, ALPNProtocols: [...alpn] }, onConnection);
  server.on('secureConnection', (socket) => socket.on('error', () => undefined));
  return (raw) => server.emit('connection', raw);
}
