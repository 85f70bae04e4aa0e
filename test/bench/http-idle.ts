/** Memory of a proxy per connection that waits for its next request. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { treeResidentBytes } from './cpu.ts';
import { say } from './dns-drive.ts';
import { runWrk } from './http-load.ts';
import {
  HAPROXY_CONNECTIONS_MAX,
  type HttpPeer,
  type HttpServer,
  MERIDIAN,
  startPeer,
} from './http-peers.ts';
import { markdownTable } from './http-table.ts';
import { HTTP_WORKLOADS } from './http-workload.ts';
import type { Child, Scratch } from './scratch.ts';

export type IdleMemory = {
  readonly server: string;
  /** Bytes without a connection, with FEW and with MANY. */
  readonly residentBytes: readonly [number, number, number];
  /** By MANY. */
  readonly perConnectionBytes: number;
  /** What one more takes between FEW and MANY. */
  readonly slopeBytes: number;
};

export type IdlePlace = {
  readonly scratch: Scratch;
  readonly core: number;
  readonly clientCore: number;
  readonly backend: number;
};

const FEW = 5000;
/** Nearly all that HAProxy takes with its descriptors. */
const MANY = HAPROXY_CONNECTIONS_MAX - 100;
const PROJECTED = 500_000;
const TOGETHER = 50_000;
/** Descriptors of a process for everything but idle connections: files, rings, and its upstream's. */
const OTHER_DESCRIPTORS = 1000;
const HOLD_SECONDS = 60;
const LOOK_INTERVAL_MS = 50;
/** Until buffers of the last response are given back. */
const SETTLE_MS = 2000;
const WARM_UP_SECONDS = 1;
const HOLDER = fileURLToPath(new URL('./http-idle-holder.ts', import.meta.url));

/** Of a fresh process, which has answered requests for a second. Throws when it does not keep them all. */
export async function measureIdle(peer: HttpPeer, place: IdlePlace): Promise<IdleMemory> {
  const server = await startWarm(peer, place);
  const resident = (): number => treeResidentBytes(server.child.pid);
  const none = resident();
  const first = await hold(server, FEW, place);
  const few = resident();
  const second = await hold(server, MANY - FEW, place);
  const many = resident();
  await stop([first, second, server.child]);
  const memory: IdleMemory = {
    server: server.name,
    residentBytes: [none, few, many],
    perConnectionBytes: (many - none) / MANY,
    slopeBytes: (many - few) / (MANY - FEW),
  };
  say(`idle, ${server.name}: ${kibibytes(memory.perConnectionBytes)} KiB per connection`);
  return memory;
}

/** Several processes of Meridian hold so many together; a sentence, also when they cannot. */
export async function measureTogether(peer: HttpPeer, place: IdlePlace): Promise<string> {
  const each = Math.min(MANY, descriptorLimit() - OTHER_DESCRIPTORS);
  if (each < FEW) {
    return `${TOGETHER} idle connections were not tried: a process may have ${descriptorLimit()} descriptors only`;
  }
  const count = Math.ceil(TOGETHER / each);
  const servers: HttpServer[] = [];
  for (let index = 0; index < count; index += 1) servers.push(await startWarm(peer, place));
  const resident = (): number =>
    servers.reduce((sum, { child }) => sum + treeResidentBytes(child.pid), 0);
  const before = resident();
  const holders: Child[] = [];
  for (const server of servers) holders.push(await hold(server, each, place));
  const after = resident();
  const children = [...holders, ...servers.map(({ child }) => child)];
  await stop(children);
  const bytes = (after - before) / (count * each);
  return `${count} processes of ${MERIDIAN} held ${count * each} idle connections together: ${megabytes(after)} MB, of which ${kibibytes(bytes)} KiB for each connection`;
}

export function idleTable(measured: readonly IdleMemory[]): readonly string[] {
  const head = [
    'server',
    `resident MB with 0 / ${FEW} / ${MANY} idle connections`,
    'KiB per connection',
    `KiB for one more from ${FEW} on`,
    `projected MB with ${PROJECTED}`,
  ];
  const rows = measured.map(({ perConnectionBytes, residentBytes, server, slopeBytes }) => [
    server,
    residentBytes.map(megabytes).join(' / '),
    kibibytes(perConnectionBytes),
    kibibytes(slopeBytes),
    String(megabytes(residentBytes[2] + slopeBytes * (PROJECTED - MANY))),
  ]);
  return markdownTable(head, rows);
}

async function startWarm(peer: HttpPeer, place: IdlePlace): Promise<HttpServer> {
  const { clientCore, scratch } = place;
  const server = await startPeer(peer, scratch, place);
  const load = { port: server.port, seconds: WARM_UP_SECONDS, clientCore };
  await runWrk(scratch, HTTP_WORKLOADS[0]!, load);
  await settle();
  return server;
}

/** Resolves when all these connections have had their response and nothing happens on them any more. */
async function hold(
  { child: proxy, name, port }: HttpServer,
  count: number,
  { clientCore, scratch }: IdlePlace,
): Promise<Child> {
  const words = ['-c', String(clientCore), process.execPath, HOLDER, String(port), String(count)];
  const child = scratch.start('taskset', words);
  const deadline = performance.now() + HOLD_SECONDS * 1000;
  const fail = (what: string): never => {
    throw new Error(`${name} ${what} with ${count} idle connections:\n${child.output()}`);
  };
  while (!child.output().includes('held')) {
    if (!child.running() || performance.now() > deadline) fail('does not answer');
    await new Promise((done) => setTimeout(done, LOOK_INTERVAL_MS));
  }
  await settle();
  if (!proxy.running()) fail('ended');
  if (child.output().includes('closed')) fail('closes connections');
  return child;
}

async function stop(children: readonly Child[]): Promise<void> {
  for (const { pid } of children) process.kill(pid, 'SIGTERM');
  await Promise.all(children.map(({ ended }) => ended));
}

const settle = () => new Promise((done) => setTimeout(done, SETTLE_MS));

/** Open files that a child of this process may have; Node itself takes what it may. */
function descriptorLimit(): number {
  const text = readFileSync('/proc/self/limits', 'utf8');
  return Number(text.match(/^Max open files\s+\S+\s+(\d+)/m)?.[1] ?? 0);
}

const kibibytes = (bytes: number): string => (bytes / 1024).toFixed(2);
const megabytes = (bytes: number): number => Math.round(bytes / 1e6);
