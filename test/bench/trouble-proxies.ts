/** The proxies of the trouble bench, with settings that are as near to each other as they go. */
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../node/free-addresses.ts';
import { nodeWords } from './collections.ts';
import { treeResidentBytes } from './cpu.ts';
import { MAIN } from './dns-servers.ts';
import { HAPROXY, MERIDIAN, PORTABLE, whenAnswering } from './http-peers.ts';
import type { Child, Scratch } from './scratch.ts';
import { PROBE_PATH } from './trouble-servers.ts';

export type TroubledProxy = {
  readonly name: string;
  readonly port: number;
  /** Of all processes that serve now, those among them that a reload has left behind. */
  residentBytes(): number;
  /** Resolves when another configuration is served, one with other weights. */
  reload(): Promise<void>;
  /** At once. Throws when it has ended before. */
  stop(): Promise<void>;
};

export type ProxyPlace = {
  readonly core: number;
  /** Ports of loopback. */
  readonly servers: readonly number[];
  readonly slowStartSeconds: number;
  /** How long a server may take to begin its answer. */
  readonly answerSeconds: number;
  /** Of Meridian, a command line up to its program; without watches unless said. */
  readonly words?: readonly string[];
};

export type TroubledProxyKind = {
  readonly name: string;
  start(scratch: Scratch, place: ProxyPlace): Promise<TroubledProxy>;
};

/** Both retry twice, on another server; both take a server out after so many failures in a row. */
const ATTEMPTS = 3;
const FAILURES_IN_A_ROW = 5;
const PROBE_MS = 1000;
const PROBE_TIMEOUT_MS = 500;
const CONNECT_MS = 1000;
/** Idle connections that each keeps to a server. */
const IDLE_MAX = 128;
/** HAProxy takes two descriptors for each, and refuses to start with fewer. */
const HAPROXY_CONNECTIONS_MAX = 9000;
const READY_SECONDS = 30;
const READY_INTERVAL_MS = 50;

export const TROUBLED_PROXIES: readonly TroubledProxyKind[] = [
  { name: HAPROXY, start: startHaproxy },
  { name: MERIDIAN, start: (scratch, place) => startMeridian(scratch, place, 'auto') },
  { name: PORTABLE, start: (scratch, place) => startMeridian(scratch, place, 'portable') },
];

/** What the API says of its threads. */
type Status = {
  readonly workers: readonly { readonly name: string; readonly engine: string }[];
};

/** The last server has another weight after each reload, by turns. */
const weightOf = (index: number, servers: number, reloads: number): number =>
  index === servers - 1 && reloads % 2 === 1 ? 50 : 100;

export async function startMeridian(
  scratch: Scratch,
  place: ProxyPlace,
  engine: 'auto' | 'portable',
): Promise<TroubledProxy & { engine(): Promise<string> }> {
  const { answerSeconds, core, servers, slowStartSeconds } = place;
  const [port, adminPort] = [await freePort(), await freePort()];
  const folder = `meridian-${port}`;
  const write = (reloads: number): string => {
    const upstream = {
      servers: servers.map((server, index) => ({
        address: '127.0.0.1',
        port: server,
        weight: weightOf(index, servers.length, reloads),
      })),
      monitor: 'app',
      keepalive: { idleMax: IDLE_MAX },
      connectTimeout: `${CONNECT_MS}ms`,
      responseTimeout: `${answerSeconds}s`,
      retries: { attempts: ATTEMPTS },
      outliers: { consecutive: FAILURES_IN_A_ROW },
      slowStart: { window: `${slowStartSeconds}s` },
    };
    const config = {
      node: {
        name: 'bench',
        roles: ['balancer', 'admin'],
        stateDirectory: scratch.directory(`${folder}/state`),
        workers: { balancer: 1 },
      },
      admin: { port: adminPort },
      regions: { r: { location: 'DE', vips: ['127.0.0.1'] } },
      monitors: {
        app: {
          kind: 'http',
          path: PROBE_PATH,
          interval: `${PROBE_MS}ms`,
          timeout: `${PROBE_TIMEOUT_MS}ms`,
          rise: 2,
          fall: 2,
        },
      },
      balancer: {
        engine,
        upstreams: { b: upstream },
        listeners: [{ region: 'r', address: '127.0.0.1', port, upstream: 'b' }],
      },
      log: { level: 'warn' },
    };
    return scratch.write(`${folder}/meridian.json`, JSON.stringify(config));
  };
  const node = place.words ?? nodeWords(undefined);
  const words = ['-c', String(core), ...node, MAIN, 'run', '--config', write(0)];
  const child = scratch.start('taskset', words);
  const name = engine === 'auto' ? MERIDIAN : PORTABLE;
  await whenAnswering(name, port, child);
  const api = `http://127.0.0.1:${adminPort}/api/v1`;
  await untilHeard(`${api}/status`, child);
  let reloads = 0;
  return {
    name,
    port,
    residentBytes: () => treeResidentBytes(child.pid),
    async engine() {
      const response = await fetch(`${api}/status`);
      const { workers } = (await response.json()) as Status;
      return workers.find((worker) => worker.name.startsWith('balancer'))?.engine ?? 'none';
    },
    async reload() {
      reloads += 1;
      write(reloads);
      const url = `${api}/reload`;
      const headers = { 'Content-Type': 'application/json' };
      const response = await fetch(url, { method: 'POST', headers });
      const text = await response.text();
      if (!response.ok) throw new Error(`reload: ${response.status} ${text}`);
    },
    stop: () => stopAll(name, [child]),
  };
}

/** The API opens a moment after the first answer. */
async function untilHeard(url: string, child: Child): Promise<void> {
  const deadline = performance.now() + READY_SECONDS * 1000;
  for (;;) {
    const response = await fetch(url).catch(() => undefined);
    if (response !== undefined) return void (await response.arrayBuffer());
    if (!child.running() || performance.now() > deadline) {
      throw new Error(`the API does not open:\n${child.output()}`);
    }
    await delay(READY_INTERVAL_MS);
  }
}

async function startHaproxy(scratch: Scratch, place: ProxyPlace): Promise<TroubledProxy> {
  const port = await freePort();
  const folder = `haproxy-${port}`;
  const socket = `${scratch.directory(folder)}/stats`;
  const write = (reloads: number): string =>
    scratch.write(`${folder}/haproxy.cfg`, haproxyConfig(place, port, socket, reloads));
  const start = (file: string, ...words: readonly string[]): Child =>
    scratch.start('taskset', ['-c', String(place.core), 'haproxy', '-db', '-f', file, ...words]);
  const children = [start(write(0))];
  await whenAnswering(HAPROXY, port, children[0]!);
  const serving = (): readonly Child[] => children.filter((child) => child.running());
  return {
    name: HAPROXY,
    port,
    residentBytes: () => serving().reduce((sum, { pid }) => sum + treeResidentBytes(pid), 0),
    async reload() {
      const former = children.at(-1)!;
      // Listening sockets are handed on; the former process goes on with what it has.
      const words = ['-x', socket, '-sf', String(former.pid)];
      const next = start(write(children.length), ...words);
      children.push(next);
      await untilFollowed(former, next);
    },
    stop: () => stopAll(HAPROXY, serving()),
  };
}

/** Until the former process says that it has stopped to listen. */
async function untilFollowed(former: Child, next: Child): Promise<void> {
  const deadline = performance.now() + READY_SECONDS * 1000;
  while (former.running() && !former.output().includes('stopped')) {
    if (!next.running()) throw new Error(`${HAPROXY} ended at its reload:\n${next.output()}`);
    if (performance.now() > deadline) throw new Error(`${HAPROXY} does not reload`);
    await delay(READY_INTERVAL_MS);
  }
}

function haproxyConfig(
  { answerSeconds, servers, slowStartSeconds }: ProxyPlace,
  port: number,
  socket: string,
  reloads: number,
): string {
  const lines = servers.map(
    (server, index) =>
      `  server s${index} 127.0.0.1:${server} weight ${weightOf(index, servers.length, reloads)}\n`,
  );
  return `global
  nbthread 1
  maxconn ${HAPROXY_CONNECTIONS_MAX}
  stats socket ${socket} mode 600 level admin expose-fd listeners
defaults
  mode http
  timeout connect ${CONNECT_MS}ms
  timeout client 60s
  timeout server ${answerSeconds}s
  timeout tunnel 1h
  timeout http-request 10s
  timeout http-keep-alive 1h
  timeout queue 5s
  timeout check ${PROBE_TIMEOUT_MS}ms
  option forwardfor
  option redispatch 1
  retries ${ATTEMPTS - 1}
  retry-on conn-failure empty-response response-timeout 425 502 503 504
  http-reuse always
frontend f
  bind 127.0.0.1:${port} backlog 4096
  default_backend b
backend b
  balance random(2)
  option httpchk GET ${PROBE_PATH}
  http-check expect status 200
  default-server check inter ${PROBE_MS}ms fastinter ${PROBE_MS / 4}ms fall 2 rise 2 slowstart ${slowStartSeconds}s observe layer7 error-limit ${FAILURES_IN_A_ROW} on-error mark-down pool-max-conn ${IDLE_MAX}
${lines.join('')}`;
}

async function stopAll(name: string, children: readonly Child[]): Promise<void> {
  const dead = children.find((child) => !child.running());
  if (dead !== undefined || children.length === 0) {
    throw new Error(`${name} ended under load:\n${dead?.output() ?? ''}`);
  }
  for (const { pid } of children) process.kill(pid, 'SIGKILL');
  await Promise.all(children.map(({ ended }) => ended));
}
