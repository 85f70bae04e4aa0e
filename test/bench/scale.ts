/**
 * `npm run bench -- scale`: how starting and one reload grow with what is served. A node with one DNS worker, as a
 * process of its own, on zone files as an operator has them: many small zones, one large zone, a file of
 * networks. The figures are those of the whole process with all its threads.
 */
import { createSocket } from 'node:dgram';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { compileSnapshot } from '../../src/nameserver/compile.ts';
import { loadConfig } from '../../src/node/config-file.ts';
import { createGeoFiles, geoPaths, readCentroids } from '../../src/workers/geo-files.ts';
import { writeQuery } from '../node/dns-client.ts';
import { processCpuSeconds } from './cpu.ts';
import { freePort, MAIN } from './dns-servers.ts';
import { machineFacts } from './machine.ts';
import { networkLines, ZONE_RRSETS, zoneText } from './scale-inputs.ts';
import type { Child, Scratch } from './scratch.ts';

export const SCALE_SUMMARY = 'time, memory and reloads with up to a million RRsets and networks';
export const SCALE_USAGE = `npm run bench -- scale [options]

  --rrsets N,N,…     RRsets of each step of the curve (10000,100000,1000000)
  --networks N       operator networks (1000000)
  --reloads N        reloads of one zone (20)
`;

const NODE_WORDS = [process.execPath, '--disable-warning=ExperimentalWarning'] as const;
const START_SECONDS = 120;
const LOOK_MS = 5;
/** What follows the start (hashes, the record) counts towards the peak. */
const SETTLE_MS = 3000;
/** Queries without reloads, to compare. */
const QUIET_MS = 1000;
const BENCH_SECONDS_MAX = 1800;

type Node = { readonly child: Child; readonly port: number; readonly api: string };

export async function scaleBench(words: readonly string[], scratch: Scratch): Promise<number> {
  if (process.platform !== 'linux') throw new Error('this bench reads CPU times from Linux /proc');
  const { values } = parseArgs({
    args: [...words],
    options: {
      rrsets: { type: 'string' },
      networks: { type: 'string' },
      reloads: { type: 'string' },
    },
  });
  scratch.endAfter(BENCH_SECONDS_MAX, 'bench scale: not finished.');
  const sizes = (values.rrsets ?? '10000,100000,1000000').split(',').map(Number);
  const networks = Number(values.networks ?? 1_000_000);
  const reloads = Number(values.reloads ?? 20);
  const facts = machineFacts([], ['npm run bench -- scale', ...words].join(' '));
  const starts: string[][] = [await start(scratch, 'nothing', 'empty', {})];
  const replaced: string[][] = [];
  for (const rrsets of sizes) {
    const zones = Math.max(1, Math.round(rrsets / ZONE_RRSETS));
    const folder = writeZones(scratch, zones);
    const many = { zoneFolders: [{ folder: 'zones' }] };
    starts.push(await start(scratch, `${zones} zones, ${rrsets} RRsets`, folder, many));
    replaced.push(await replace(scratch, zones, folder, many, reloads));
    scratch.write(join(`one-${rrsets}`, 'zone'), zoneText('large.example', rrsets));
    const one = { zones: { 'large.example': { file: 'zone' } } };
    starts.push(await start(scratch, `1 zone, ${rrsets} RRsets`, `one-${rrsets}`, one));
  }
  scratch.write(join('networks', 'ours.csv'), networkLines(networks));
  starts.push(await startNetworks(scratch, networks));
  const told = facts.map(([name, value]) => `- ${name}: ${value}`);
  const tables = [...tableOf(START_HEAD, starts), '', ...tableOf(REPLACE_HEAD, replaced)];
  process.stdout.write(`\n${[...told, '', ...tables].join('\n')}\n`);
  return 0;
}

const START_HEAD = ['what', 'ready after', 'CPU time', 'peak resident memory', 'zone table'];
const REPLACE_HEAD = [
  'reload of one zone among',
  'served after, min / median / max',
  'longest wait of a query meanwhile',
];

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}

function writeZones(scratch: Scratch, zones: number): string {
  const folder = `many-${zones}`;
  const directory = scratch.directory(join(folder, 'zones'));
  for (let index = 0; index < zones; index += 1) {
    const name = `z${index}.example`;
    writeFileSync(join(directory, `${name}.zone`), zoneText(name, ZONE_RRSETS));
  }
  return folder;
}

/** Starts a node with this in its configuration, and waits until it serves. */
async function startNode(
  scratch: Scratch,
  folder: string,
  more: object,
  roles: readonly string[],
): Promise<Node & { readonly readySeconds: number; readonly file: string }> {
  const [port, apiPort] = [await freePort(), await freePort()];
  const config = {
    node: { name: 'bench', roles, workers: { dns: 1 } },
    admin: { address: '127.0.0.1', port: apiPort },
    dns: { listeners: [`127.0.0.1:${port}`] },
    ...more,
  };
  const file = scratch.write(join(folder, 'meridian.json'), JSON.stringify(config));
  const began = performance.now();
  const child = scratch.start(NODE_WORDS[0], [NODE_WORDS[1], MAIN, 'run', '--config', file]);
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

async function stop({ child }: Node): Promise<void> {
  process.kill(child.pid, 'SIGTERM');
  await child.ended;
}

async function start(
  scratch: Scratch,
  what: string,
  folder: string,
  more: object,
): Promise<string[]> {
  const node = await startNode(scratch, folder, more, ['nameserver']);
  const cpu = processCpuSeconds(node.child.pid);
  await delay(SETTLE_MS);
  if (/unreadable/.test(node.child.output())) throw new Error(node.child.output());
  const peak = peakBytes(node.child.pid);
  await stop(node);
  const row = [
    what,
    `${node.readySeconds.toFixed(1)} s`,
    `${cpu.toFixed(1)} s`,
    `${(peak / 2 ** 20).toFixed(0)} MiB`,
    `${(tableBytes(node.file) / 2 ** 20).toFixed(1)} MiB`,
  ];
  process.stdout.write(`${row.join('  ')}\n`);
  return row;
}

function startNetworks(scratch: Scratch, networks: number): Promise<string[]> {
  const [database] = geoPaths({ databases: [], overrides: [] });
  const at = (latitude: number, longitude: number) => ({ location: { latitude, longitude } });
  return start(scratch, `${networks} networks`, 'networks', {
    // Paths of databases are those of the process.
    geo: { databases: [join(scratch.directory('networks'), 'ours.csv'), database] },
    regions: {
      us: { ...at(39, -77), vips: '192.0.2.1' },
      eu: { ...at(50, 8), vips: '192.0.2.2' },
      asia: { ...at(1, 103), vips: '192.0.2.3' },
    },
    pools: { web: { endpoints: ['us', 'eu', 'asia'] } },
    zones: { 'z.example': { nameservers: 'ns.other.', steered: { www: { pool: 'web' } } } },
  });
}

function peakBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(status.match(/^VmHWM:\s+(\d+) kB$/m)?.[1]) * 1024;
}

/** What the node's table has in use, compiled here once more. */
function tableBytes(file: string): number {
  const loaded = loadConfig({ file, environment: {} });
  if (!loaded.ok) throw new Error(loaded.issues[0]?.message);
  const geo = createGeoFiles().load({ databases: [], overrides: [] }, readCentroids());
  if (!geo.ok) throw new Error(geo.reason);
  const compiled = compileSnapshot(loaded.config, geo.geo, 1, 0);
  if (!compiled.ok) throw new Error(compiled.issues[0]?.message);
  return Object.values(compiled.snapshot.zones).reduce(
    (sum, { byteLength }) => sum + byteLength,
    0,
  );
}

async function replace(
  scratch: Scratch,
  zones: number,
  folder: string,
  more: object,
  reloads: number,
): Promise<string[]> {
  const node = await startNode(scratch, folder, more, ['nameserver', 'admin']);
  await delay(SETTLE_MS);
  const zone = `z${Math.floor(zones / 2)}.example`;
  const before = askSteadily(node.port, `www.${zone}`);
  await delay(QUIET_MS);
  const quietMs = await before.stop();
  const asker = askSteadily(node.port, `www.${zone}`);
  const times: number[] = [];
  for (let round = 0; round < reloads; round += 1) {
    const text = zoneText(zone, ZONE_RRSETS, `203.0.113.${round + 1}`);
    scratch.write(join(folder, 'zones', `${zone}.zone`), text);
    const began = performance.now();
    const response = await fetch(`${node.api}/api/v1/reload`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ zone }),
    });
    times.push(performance.now() - began);
    const { changes } = (await response.json()) as { changes: readonly string[] };
    if (changes.length !== 1) throw new Error(`it was not reloaded: ${JSON.stringify(changes)}`);
  }
  const longestMs = await asker.stop();
  await stop(node);
  const sorted = times.toSorted((a, b) => a - b);
  const shown = [sorted[0]!, sorted[sorted.length >> 1]!, sorted.at(-1)!].map((ms) =>
    ms.toFixed(0),
  );
  const waits = `${longestMs.toFixed(1)} ms (before: ${quietMs.toFixed(1)} ms)`;
  const row = [`${zones} zones`, `${shown.join(' / ')} ms`, waits];
  process.stdout.write(`${row.join('  ')}\n`);
  return row;
}

/** Asks one question after the other; tells the longest that one took. */
function askSteadily(port: number, name: string): { stop(): Promise<number> } {
  const socket = createSocket('udp4');
  const question = writeQuery(1, { name });
  let [longestMs, askedAt] = [0, 0];
  let isOver = false;
  const { promise, resolve } = Promise.withResolvers<number>();
  const next = (): void => {
    askedAt = performance.now();
    socket.send(question, port, '127.0.0.1');
  };
  socket.on('message', () => {
    longestMs = Math.max(longestMs, performance.now() - askedAt);
    if (!isOver) return next();
    socket.close();
    resolve(longestMs);
  });
  next();
  return {
    stop() {
      isOver = true;
      return promise;
    },
  };
}
