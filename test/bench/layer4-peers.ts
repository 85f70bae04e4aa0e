/** The proxies of the layer 4 bench, each a child with one thread for connections and free ports of loopback. */

import { freePort } from '../node/free-addresses.ts';
import { nodeWords } from './collections.ts';
import { MAIN } from './dns-servers.ts';
import {
  HAPROXY,
  HAPROXY_CONNECTIONS_MAX,
  MERIDIAN,
  NGINX,
  PORTABLE,
  whenAnswering,
} from './http-peers.ts';
import type { Child, Scratch } from './scratch.ts';

export type Layer4Server = {
  readonly name: string;
  readonly child: Child;
  /** Passes on to the TCP backend. */
  readonly tcp: number;
  /** To the UDP backend; `once` ends a session with its first answer. Absent where there is no UDP. */
  readonly udp?: number;
  readonly once?: number;
};

export type Layer4Place = {
  readonly core: number;
  /** Ports of the backends. */
  readonly tcpBackend: number;
  readonly udpBackend: number;
};

type Ports = Required<Pick<Layer4Server, 'tcp' | 'udp' | 'once'>>;

export type Layer4Peer = {
  readonly name: string;
  /** A program or a file that must be there, and how to get it. */
  readonly needs: string;
  readonly install: string;
  readonly hasUdp: boolean;
  start(scratch: Scratch, place: Layer4Place, ports: Ports): Child;
};

/** Where Debian's package puts it. */
const NGINX_STREAM = '/usr/lib/nginx/modules/ngx_stream_module.so';
const NGINX_DESCRIPTORS = 20_000;

export const LAYER4_PEERS: readonly Layer4Peer[] = [
  {
    name: HAPROXY,
    needs: 'haproxy',
    install: 'apt-get install haproxy',
    hasUdp: false,
    start: startHaproxy,
  },
  {
    name: NGINX,
    needs: NGINX_STREAM,
    install: 'apt-get install nginx-light libnginx-mod-stream',
    hasUdp: true,
    start: startNginxStream,
  },
  {
    name: MERIDIAN,
    needs: process.execPath,
    install: '',
    hasUdp: true,
    start: (scratch, place, ports) => startMeridian(scratch, place, ports, 'auto'),
  },
  {
    name: PORTABLE,
    needs: process.execPath,
    install: '',
    hasUdp: true,
    start: (scratch, place, ports) => startMeridian(scratch, place, ports, 'portable'),
  },
];

/** Starts it and waits until it passes on. */
export async function startLayer4(
  { hasUdp, name, start }: Layer4Peer,
  scratch: Scratch,
  place: Layer4Place,
): Promise<Layer4Server> {
  const ports = { tcp: await freePort(), udp: await freePort(), once: await freePort() };
  const child = start(scratch, place, ports);
  await whenAnswering(name, ports.tcp, child);
  return { name, child, ...(hasUdp ? ports : { tcp: ports.tcp }) };
}

function startHaproxy(scratch: Scratch, { core, tcpBackend }: Layer4Place, { tcp }: Ports): Child {
  const file = scratch.write(
    `haproxy-${tcp}/haproxy.cfg`,
    `global
  nbthread 1
  maxconn ${HAPROXY_CONNECTIONS_MAX}
defaults
  mode tcp
  timeout connect 5s
  timeout client 10m
  timeout server 10m
frontend f
  bind 127.0.0.1:${tcp} backlog 4096
  default_backend b
backend b
  server s 127.0.0.1:${tcpBackend}
`,
  );
  return scratch.start('taskset', ['-c', String(core), 'haproxy', '-db', '-f', file]);
}

function startNginxStream(
  scratch: Scratch,
  { core, tcpBackend, udpBackend }: Layer4Place,
  { once, tcp, udp }: Ports,
): Child {
  const folder = `nginx-${tcp}`;
  const place = scratch.directory(folder);
  const file = scratch.write(
    `${folder}/nginx.conf`,
    `load_module ${NGINX_STREAM};
worker_processes 1; daemon off; pid ${place}/pid; error_log ${place}/errors;
${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections ${NGINX_DESCRIPTORS}; }
stream {
  proxy_timeout 10m;
  server { listen 127.0.0.1:${tcp} backlog=4096; proxy_pass 127.0.0.1:${tcpBackend}; }
  server { listen 127.0.0.1:${udp} udp; proxy_pass 127.0.0.1:${udpBackend}; proxy_timeout 1m; }
  server { listen 127.0.0.1:${once} udp; proxy_pass 127.0.0.1:${udpBackend}; proxy_responses 1; proxy_timeout 1m; }
}
`,
  );
  return scratch.start('taskset', ['-c', String(core), 'nginx', '-p', place, '-c', file]);
}

function startMeridian(
  scratch: Scratch,
  { core, tcpBackend, udpBackend }: Layer4Place,
  { once, tcp, udp }: Ports,
  engine: 'auto' | 'portable',
): Child {
  const at = { region: 'r', address: '127.0.0.1' };
  const config = {
    node: { name: 'bench', roles: ['balancer'], workers: { balancer: 1 } },
    regions: { r: { location: 'DE', vips: ['127.0.0.1'] } },
    balancer: {
      engine,
      upstreams: {
        t: { servers: [`127.0.0.1:${tcpBackend}`] },
        u: { servers: [`127.0.0.1:${udpBackend}`] },
      },
      listeners: [
        { ...at, port: tcp, protocol: 'tcp', upstream: 't' },
        { ...at, port: udp, protocol: 'udp', upstream: 'u' },
        { ...at, port: once, protocol: 'udp', upstream: 'u', responses: 1 },
      ],
    },
    log: { level: 'warn' },
  };
  const file = scratch.write(`meridian-${tcp}/meridian.json`, JSON.stringify(config));
  const words = ['-c', String(core), ...nodeWords(undefined), MAIN, 'run', '--config', file];
  return scratch.start('taskset', words);
}
