import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { closedPort } from '../closed-port.ts';

/** Other people's programs with a configuration of the test's, which listen on one port of the loopback. */
export type Receiver = {
  readonly name: string;
  readonly program: string;
  args(file: string, folder: string): string[];
  config(port: number, folder: string): string;
};

export const HAPROXY = {
  name: 'haproxy',
  program: '/usr/sbin/haproxy',
  args: (file: string) => ['-db', '-f', file],
} as const;
export const HAPROXY_DEFAULTS = `defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
`;

/** Where they are installed, they answer with the client's address as they have read it. */
export const RECEIVERS: readonly Receiver[] = [
  {
    ...HAPROXY,
    config: (port: number) => `${HAPROXY_DEFAULTS}frontend f
  bind 127.0.0.1:${port} accept-proxy
  http-request return status 200 content-type text/plain lf-string "%[src] %[src_port] %[dst] %[dst_port]"
`,
  },
  {
    name: 'nginx',
    program: '/usr/sbin/nginx',
    args: (file: string, folder: string) => ['-p', folder, '-c', file, '-g', 'daemon off;'],
    config: (port: number, folder: string) => `pid ${folder}/pid;
error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path ${folder}/1; proxy_temp_path ${folder}/2; fastcgi_temp_path ${folder}/3;
  uwsgi_temp_path ${folder}/4; scgi_temp_path ${folder}/5;
  server {
    listen 127.0.0.1:${port} proxy_protocol;
    return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr $proxy_protocol_server_port";
  }
}
`,
  },
];

/** @returns the port on which it listens; it ends with the test */
export async function startReceiver(t: TestContext, receiver: Receiver): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'meridian-proxy-'));
  const port = await closedPort();
  const file = join(folder, 'conf');
  writeFileSync(file, receiver.config(port, folder));
  const child = spawn(receiver.program, receiver.args(file, folder), {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (bytes) => {
    said += bytes;
  });
  t.after(async () => {
    child.kill('SIGTERM');
    if (child.exitCode === null) await once(child, 'exit');
    rmSync(folder, { recursive: true });
  });
  while (!(await isListening(port))) {
    if (child.exitCode !== null) throw new Error(`${receiver.name} has ended: ${said}`);
  }
  return port;
}

async function isListening(port: number): Promise<boolean> {
  const socket = net.connect({ port, host: '127.0.0.1' });
  const isOpen = await new Promise<boolean>((done) => {
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
  });
  socket.destroy();
  return isOpen;
}
