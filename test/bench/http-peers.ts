/** The proxies of the HTTP bench, each a child with one thread for requests and a free port of loopback. */

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { freePort } from '../node/free-addresses.ts';
import { nodeWords } from './collections.ts';
import { MAIN } from './dns-servers.ts';
import { NODE_PEERS } from './http-node-peers.ts';
import { startNginx } from './http-workload.ts';
import type { Child, Scratch } from './scratch.ts';

export type HttpServer = { readonly name: string; readonly port: number; readonly child: Child };

export type HttpPlace = {
  readonly core: number;
  readonly port: number;
  readonly backend: number;
};

export type HttpPeer = {
  readonly name: string;
  /** What must be there. */
  readonly program: string;
  /** How to get it, for who has not got it. */
  readonly install: string;
  start(scratch: Scratch, place: HttpPlace): Child;
};

export const MERIDIAN = 'Meridian';
export const PORTABLE = 'Meridian portable';
export const HAPROXY = 'HAProxy';
export const NGINX = 'nginx';

/** Idle connections that each keeps to its backend. */
const UPSTREAM_IDLE_MAX = 512;
/** HAProxy takes two descriptors for each, and refuses to start with fewer. */
export const HAPROXY_CONNECTIONS_MAX = 9000;
const READY_SECONDS = 30;
const READY_INTERVAL_MS = 50;

const apt = (name: string): string => `apt-get install ${name}`;

export const HTTP_PEERS: readonly HttpPeer[] = [
  { name: HAPROXY, program: 'haproxy', install: apt('haproxy'), start: startHaproxy },
  { name: NGINX, program: 'nginx', install: apt('nginx-light'), start: startNginxProxy },
  {
    name: MERIDIAN,
    program: process.execPath,
    install: '',
    start: (scratch, place) => startMeridianProxy(scratch, place, { engine: 'auto' }),
  },
  {
    name: PORTABLE,
    program: process.execPath,
    install: '',
    start: (scratch, place) => startMeridianProxy(scratch, place, { engine: 'portable' }),
  },
  { name: 'Caddy', program: 'caddy', install: apt('caddy'), start: startCaddy },
  ...NODE_PEERS,
];

/** What a feature costs, by what Meridian costs with or without it: for who asks by name. */
export const ASKED_PEERS: readonly HttpPeer[] = [
  meridianWith('Meridian with access log', (folder) => ({
    accessLog: { file: join(folder, 'access.log') },
  })),
  meridianWith('Meridian without metrics', () => ({ metrics: 'basic' })),
];

/** @param settings of the balancer; it may write into the folder */
function meridianWith(name: string, settings: (folder: string) => object): HttpPeer {
  return {
    name,
    program: process.execPath,
    install: '',
    start(scratch, place) {
      const folder = scratch.directory(`meridian-${place.port}`);
      return startMeridianProxy(scratch, place, settings(folder));
    },
  };
}

/** Whether a program is there to be started. */
export function isInstalled(program: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', program]).status === 0;
}

/** Starts it and waits until it forwards. */
export async function startPeer(
  { name, start }: HttpPeer,
  scratch: Scratch,
  place: Omit<HttpPlace, 'port'>,
): Promise<HttpServer> {
  const port = await freePort();
  const child = start(scratch, { ...place, port });
  await whenAnswering(name, port, child);
  return { name, port, child };
}

export async function whenAnswering(name: string, port: number, child: Child): Promise<void> {
  const deadline = performance.now() + READY_SECONDS * 1000;
  for (;;) {
    if (!child.running()) throw new Error(`${name} ended at its start:\n${child.output()}`);
    // Refused until it listens.
    const response = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
    if (response !== undefined) await response.arrayBuffer();
    if (response?.ok) return;
    if (performance.now() > deadline) {
      throw new Error(`${name} is not ready after ${READY_SECONDS} s:\n${child.output()}`);
    }
    await new Promise((done) => setTimeout(done, READY_INTERVAL_MS));
  }
}

function startMeridianProxy(
  scratch: Scratch,
  { backend, core, port }: HttpPlace,
  settings: object,
): Child {
  const config = {
    node: { name: 'bench', roles: ['balancer'], workers: { balancer: 1 } },
    regions: { r: { location: 'DE', vips: ['127.0.0.1'] } },
    balancer: {
      ...settings,
      upstreams: {
        b: { servers: [`127.0.0.1:${backend}`], keepalive: { idleMax: UPSTREAM_IDLE_MAX } },
      },
      listeners: [{ region: 'r', address: '127.0.0.1', port, upstream: 'b' }],
    },
    log: { level: 'warn' },
  };
  const file = scratch.write(`meridian-${port}/meridian.json`, JSON.stringify(config));
  const words = ['-c', String(core), ...nodeWords(undefined), MAIN, 'run', '--config', file];
  return scratch.start('taskset', words);
}

function startNginxProxy(scratch: Scratch, { backend, core, port }: HttpPlace): Child {
  const http = `  upstream u {
    server 127.0.0.1:${backend}; keepalive ${UPSTREAM_IDLE_MAX}; keepalive_requests 100000000;
  }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header Host $host;
      proxy_buffers 16 64k; proxy_buffer_size 64k;
    }
  }`;
  return startNginx(scratch, `nginx-${port}`, core, http);
}

function startHaproxy(scratch: Scratch, { backend, core, port }: HttpPlace): Child {
  const file = scratch.write(
    `haproxy-${port}/haproxy.cfg`,
    `global
  nbthread 1
  maxconn ${HAPROXY_CONNECTIONS_MAX}
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout http-keep-alive 1h
  option forwardfor
  http-reuse always
frontend f
  bind 127.0.0.1:${port} backlog 4096
  default_backend b
backend b
  server s 127.0.0.1:${backend}
`,
  );
  return scratch.start('taskset', ['-c', String(core), 'haproxy', '-db', '-f', file]);
}

function startCaddy(scratch: Scratch, { backend, core, port }: HttpPlace): Child {
  const home = scratch.directory(`caddy-${port}`);
  const file = scratch.write(
    `caddy-${port}/Caddyfile`,
    `{
	admin off
	auto_https off
}
http://127.0.0.1:${port} {
	bind 127.0.0.1
	reverse_proxy 127.0.0.1:${backend} {
		transport http {
			keepalive_idle_conns ${UPSTREAM_IDLE_MAX}
			keepalive_idle_conns_per_host ${UPSTREAM_IDLE_MAX}
		}
	}
}
`,
  );
  const places = [`HOME=${home}`, `XDG_CONFIG_HOME=${home}`, `XDG_DATA_HOME=${home}`];
  const words = ['caddy', 'run', '--adapter', 'caddyfile', '--config', file];
  return scratch.start('env', [...places, 'taskset', '-c', String(core), ...words]);
}
