/** A node with one DNS worker, as a process of its own: how long it takes to start, and with what. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { compileSnapshot } from '../../src/nameserver/compile.ts';
import { loadConfig } from '../../src/node/config-file.ts';
import { NODE_FLAGS } from '../../src/node-flags.mjs';
import { createGeoFiles, readPlaces } from '../../src/workers/geo-files.ts';
import { freePort } from '../node/free-addresses.ts';
import { processCpuSeconds } from './cpu.ts';
import { MAIN } from './dns-servers.ts';
import type { Child, Scratch } from './scratch.ts';

const START_SECONDS = 120;
const LOOK_MS = 5;
/** What follows the start (hashes, the record) counts towards the peak. */
export const SETTLE_MS = 3000;

export type ScaleNode = {
  readonly child: Child;
  readonly port: number;
  /** The base of its API, when it has the role. */
  readonly api: string;
  readonly file: string;
  readonly readySeconds: number;
};

/** Starts a node with this in its configuration, and waits until it serves. */
export async function startNode(
  scratch: Scratch,
  folder: string,
  more: object,
  roles: readonly string[],
): Promise<ScaleNode> {
  const [port, apiPort] = [await freePort(), await freePort()];
  const config = {
    node: { name: 'bench', roles, workers: { dns: 1 } },
    admin: { address: '127.0.0.1', port: apiPort },
    dns: { listeners: [`127.0.0.1:${port}`] },
    ...more,
  };
  const file = scratch.write(join(folder, 'meridian.json'), JSON.stringify(config));
  const began = performance.now();
  const child = scratch.start(process.execPath, [...NODE_FLAGS, MAIN, 'run', '--config', file]);
  while (!/node\.ready/.test(child.output())) {
    const seconds = (performance.now() - began) / 1000;
    if (!child.running() || seconds > START_SECONDS) {
      throw new Error(`the node does not start:\n${child.output()}`);
    }
    await delay(LOOK_MS);
  }
  const readySeconds = (performance.now() - began) / 1000;
  return { child, port, api: `http://127.0.0.1:${apiPort}`, readySeconds, file };
}

export async function stopNode({ child }: ScaleNode): Promise<void> {
  process.kill(child.pid, 'SIGTERM');
  await child.ended;
}

export const START_HEAD = ['what', 'ready after', 'CPU time', 'peak resident memory', 'zone table'];

/** A row of what one start takes. */
export async function measureStart(
  scratch: Scratch,
  what: string,
  folder: string,
  more: object,
): Promise<readonly string[]> {
  const node = await startNode(scratch, folder, more, ['nameserver']);
  const cpu = processCpuSeconds(node.child.pid);
  await delay(SETTLE_MS);
  if (/unreadable/.test(node.child.output())) throw new Error(node.child.output());
  const { peak } = memoryOf(node);
  await stopNode(node);
  const row = [
    what,
    `${node.readySeconds.toFixed(1)} s`,
    `${cpu.toFixed(1)} s`,
    mebibytes(peak),
    `${(tableBytes(node.file) / 2 ** 20).toFixed(1)} MiB`,
  ];
  process.stdout.write(`${row.join('  ')}\n`);
  return row;
}

/** Octets: resident now, and the most that ever were. */
export function memoryOf({ child }: ScaleNode): {
  readonly resident: number;
  readonly peak: number;
} {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  const of = (field: string): number => {
    return Number(status.match(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm'))?.[1]) * 1024;
  };
  return { resident: of('VmRSS'), peak: of('VmHWM') };
}

export const mebibytes = (octets: number): string => `${(octets / 2 ** 20).toFixed(0)} MiB`;

/** What the node's table has in use, compiled here once more. */
function tableBytes(file: string): number {
  const loaded = loadConfig({ file, environment: {} });
  if (!loaded.ok) throw new Error(loaded.issues[0]?.message);
  const geo = createGeoFiles().load({ databases: [], overrides: [], resolvers: [] }, readPlaces());
  if (!geo.ok) throw new Error(geo.reason);
  const compiled = compileSnapshot(loaded.config, geo.geo, 1, 0);
  if (!compiled.ok) throw new Error(compiled.issues[0]?.message);
  const columns = Object.values(compiled.snapshot.zones);
  return columns.reduce<number>((sum, column) => {
    return typeof column === 'number' ? sum : sum + column.byteLength;
  }, 0);
}
