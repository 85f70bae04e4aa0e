/** One scenario with one proxy: its servers, its clients, its trouble, and what came of it. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { NODE_FLAGS } from '../../src/node-flags.mjs';
import type { Child, Scratch } from './scratch.ts';
import type { ClientReport } from './trouble-clients.ts';
import type { HolderKind, HolderReport } from './trouble-holders.ts';
import type { TroubledProxy } from './trouble-proxies.ts';
import type { Behaviour, ServerCounts, ServersStarted, Switch } from './trouble-servers.ts';

export type Servers = {
  readonly ports: readonly number[];
  /** All at the same moment. */
  behave(servers: readonly number[], behaviour: Behaviour): Promise<void>;
  /** Counting begins anew. */
  reset(): Promise<void>;
  counts(): Promise<ServerCounts>;
  stop(): Promise<void>;
};

export type Clients = {
  /** When all have been answered, or have given up. */
  report(): Promise<ClientReport>;
};

export type Holders = { report(): Promise<HolderReport> };

const START_SECONDS = 60;
const LOOK_INTERVAL_MS = 20;
const SERVERS = fileURLToPath(new URL('./trouble-servers.ts', import.meta.url));
const CLIENTS = fileURLToPath(new URL('./trouble-clients.ts', import.meta.url));
const HOLDERS = fileURLToPath(new URL('./trouble-holders.ts', import.meta.url));

export function startProgram(scratch: Scratch, core: number, words: readonly string[]): Child {
  return scratch.start('taskset', ['-c', String(core), process.execPath, ...NODE_FLAGS, ...words]);
}

export async function startServers(
  scratch: Scratch,
  core: number,
  count: number,
  firstPort = 0,
): Promise<Servers> {
  const child = startProgram(scratch, core, [SERVERS, String(count), String(firstPort)]);
  await untilSays(child, '\n');
  const { controlPort, ports } = JSON.parse(child.output()) as ServersStarted;
  const call = async (path: string, body?: readonly Switch[]): Promise<unknown> => {
    const post = { method: 'POST', body: JSON.stringify(body) };
    const url = `http://127.0.0.1:${controlPort}${path}`;
    const response = await fetch(url, body === undefined ? {} : post);
    const text = await response.text();
    if (!response.ok) throw new Error(`servers: ${text}`);
    return JSON.parse(text);
  };
  return {
    ports,
    async behave(servers, behaviour) {
      await call(
        '/behave',
        servers.map((server) => ({ server, behaviour })),
      );
    },
    reset: async () => void (await call('/reset')),
    counts: () => call('/counts') as Promise<ServerCounts>,
    async stop() {
      process.kill(child.pid, 'SIGKILL');
      await child.ended;
    },
  };
}

export function startClients(
  scratch: Scratch,
  core: number,
  { port }: TroubledProxy,
  load: { readonly rate: number; readonly seconds: number },
): Clients {
  const report = scratch.write('clients.json', '');
  const child = startProgram(scratch, core, [CLIENTS, JSON.stringify({ port, report, ...load })]);
  return { report: () => reportOf<ClientReport>(child, report) };
}

/** Resolves when all connections are held. */
export async function startHolders(
  scratch: Scratch,
  core: number,
  { port }: TroubledProxy,
  held: { readonly kind: HolderKind; readonly count: number; readonly seconds: number },
): Promise<Holders> {
  const report = scratch.write(`${held.kind}.json`, '');
  const child = startProgram(scratch, core, [HOLDERS, JSON.stringify({ port, report, ...held })]);
  await untilSays(child, 'held');
  return { report: () => reportOf<HolderReport>(child, report) };
}

export async function reportOf<Report>(child: Child, file: string): Promise<Report> {
  if ((await child.ended) !== 0) throw new Error(`clients ended:\n${child.output()}`);
  return JSON.parse(readFileSync(file, 'utf8')) as Report;
}

async function untilSays(child: Child, word: string): Promise<void> {
  const deadline = performance.now() + START_SECONDS * 1000;
  while (!child.output().includes(word)) {
    if (!child.running()) throw new Error(`a child ended at its start:\n${child.output()}`);
    if (performance.now() > deadline) throw new Error(`a child does not start:\n${child.output()}`);
    await delay(LOOK_INTERVAL_MS);
  }
}
