/**
 * `npm run soak`: one node under a steady load for minutes, while a region goes down or comes back every second and a
 * changed configuration is swapped in every ten. Every answer is looked at. It fails when one was wrong, or when a
 * name is gone; what else happened is a table for docs/BENCHMARKS.md.
 */

import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { NODE_FLAGS } from '../../src/node-flags.mjs';
import { freePort } from '../node/free-addresses.ts';
import type { Expected } from './answer-judge.ts';
import { nodeWords, readCollections } from './collections.ts';
import { processCpuSeconds, residentBytes } from './cpu.ts';
import { ask, type Reply } from './dns-agreement.ts';
import { chooseCores, say } from './dns-drive.ts';
import { startEcho } from './dns-peers.ts';
import { prepare } from './dns-preparation.ts';
import { MAIN, meridianConfig, type Server, whenReady } from './dns-servers.ts';
import { query, STEERED_TTL_SECONDS, sampleOf, TTL_SECONDS, ZONE } from './dns-workload.ts';
import { HTTP_SOAK_USAGE, httpSoak } from './http-soak.ts';
import { machineFacts } from './machine.ts';
import { streamOf } from './query-bytes.ts';
import { type Child, openScratch, type Scratch } from './scratch.ts';
import type { SoakReport, SoakSetting } from './soak-generator.ts';
import { type Change, controlTable, type SoakResult, soakFaults, soakTable } from './soak-table.ts';

const USAGE = `npm run soak -- [options]

  --minutes N        how long (10)
  --rate N           queries a second (20000)
  --control          the same without Meridian: how often and how long the machine itself is late
`;
const FLIP_MS = 1000;
/** Flips between two reloads, and between two looks at the memory. */
const RELOAD_EVERY = 10;
const MEMORY_EVERY = 10;
const ECHO_RATE = 1000;
/** Of each kind of name. */
const QUERIES = 1000;
const FLIPPED = { kind: 'endpoint', name: 'web/frankfurt' } as const;
const TIMEOUT_MS = 3000;
const START_SECONDS = 300;
const API_LOOK_MS = 100;
const API_ATTEMPTS_MAX = 600;
const GENERATOR = fileURLToPath(new URL('./soak-generator.ts', import.meta.url));
const NODE = [process.execPath, ...NODE_FLAGS];

process.exit(await main(process.argv.slice(2)));

async function main(words: readonly string[]): Promise<number> {
  if (words.includes('--help')) {
    process.stdout.write(`${USAGE}\n${HTTP_SOAK_USAGE}`);
    return 0;
  }
  try {
    const others = words.filter((word) => word !== '--http');
    return others.length < words.length ? await httpSoak(others) : await soak(words);
  } catch (error) {
    process.stderr.write(`soak: ${(error as Error).message}\n`);
    return 1;
  }
}

async function soak(words: readonly string[]): Promise<number> {
  if (process.platform !== 'linux') throw new Error('the soak reads memory from Linux /proc');
  const { isControl, minutes, rate } = readOptions(words);
  const scratch = openScratch('soak');
  scratch.endAfter(START_SECONDS + minutes * 60, 'soak: not finished.');
  const facts = machineFacts(
    [],
    ['npm run soak', ...(words.length > 0 ? ['--'] : []), ...words].join(' '),
  );
  const [core, clientCore] = chooseCores();
  if (isControl) {
    const cores = `the echo alone on core ${core}, clients on core ${clientCore}`;
    const load = [
      'load',
      `${ECHO_RATE} queries a second for ${minutes} minutes; ${cores}`,
    ] as const;
    const report = await runControl(scratch, minutes * 60, core, clientCore);
    const told = [...facts, load].map(([name, value]) => `- ${name}: ${value}`);
    process.stdout.write(['', ...told, '', ...controlTable(report), ''].join('\n'));
    return 0;
  }
  say('Writing the geo database and the queries …');
  const { database, workloads } = await prepare();
  const asked = ['static', 'steered-ecs'].map((wanted) =>
    sampleOf(workloads.find(({ name }) => name === wanted)!, QUERIES),
  );
  // In turn: those that a flip moves are asked for all the time.
  const queries = Array.from({ length: QUERIES }, (_, index) =>
    asked.map((each) => each[index]!),
  ).flat();
  const node = await startNode(scratch, scratch.write('geo.mmdb', database), core);
  const echo = await startEcho(scratch, { core, probe: query('h0', []) });
  const expected = await expectations(node, queries);
  const setting: SoakSetting = {
    port: node.port,
    echoPort: echo.port,
    file: scratch.write('soak.queries', streamOf(queries)),
    expected: scratch.write('expected.json', JSON.stringify(expected)),
    report: scratch.write('report.json', ''),
    seconds: minutes * 60,
    rate,
    echoRate: ECHO_RATE,
  };
  say(`${minutes} minutes at ${rate} queries a second …`);
  const result = await run(scratch, node, setting, clientCore);
  const gone = await namesGone(node.port, queries);
  const faults = soakFaults({ ...result, gone });
  const lines = [
    '',
    ...facts.map(([name, value]) => `- ${name}: ${value}`),
    `- load: ${rate} queries a second for ${minutes} minutes; Meridian and the echo on core ${core}, clients on core ${clientCore}`,
    '',
    ...soakTable({ ...result, gone }),
    '',
    ...faults.map((fault) => `FAULT: ${fault}`),
    '',
  ];
  process.stdout.write(lines.join('\n'));
  return faults.length === 0 ? 0 : 1;
}

function readOptions(words: readonly string[]): {
  readonly minutes: number;
  readonly rate: number;
  readonly isControl: boolean;
} {
  const { values } = parseArgs({
    args: [...words],
    options: {
      minutes: { type: 'string', default: '10' },
      rate: { type: 'string', default: '20000' },
      control: { type: 'boolean', default: false },
    },
  });
  const above = (name: 'minutes' | 'rate'): number => {
    const number = Number(values[name]);
    if (number > 0 && Number.isFinite(number)) return number;
    throw new Error(`--${name} is a number above zero, not "${values[name]}"`);
  };
  return { minutes: above('minutes'), rate: above('rate'), isControl: values.control };
}

type SoakedNode = Server & {
  readonly url: string;
  /** What its threads' collections are written to. */
  readonly collections: string;
  /** Writes its configuration anew, with another address for `mark`. */
  writeConfig(mark: string): void;
};

async function startNode(scratch: Scratch, database: string, core: number): Promise<SoakedNode> {
  const [port, adminPort] = [await freePort(), await freePort()];
  const plain = meridianConfig(database, port);
  const zone = plain.zones[ZONE]!;
  const writeConfig = (mark: string): string =>
    scratch.write(
      'soak.yaml',
      JSON.stringify({
        ...plain,
        node: { ...plain.node, roles: ['nameserver', 'admin'] },
        admin: { port: adminPort },
        zones: { [ZONE]: { ...zone, records: { ...zone.records, mark: { A: mark } } } },
      }),
    );
  const file = writeConfig(markOf(0));
  const collections = scratch.write('collections', '');
  const words = ['-c', String(core), ...nodeWords(collections), MAIN, 'run', '--config', file];
  const child = scratch.start('taskset', words);
  const server = await whenReady('Meridian', port, child, { probe: query('h0', []) });
  const url = `http://127.0.0.1:${adminPort}/api/v1`;
  await untilHeard(url);
  return { ...server, url, collections, writeConfig };
}

/** The API opens a moment after the first answer. */
async function untilHeard(url: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await fetch(`${url}/status`);
      return;
    } catch (error) {
      if (attempt === API_ATTEMPTS_MAX) throw error;
      await delay(API_LOOK_MS);
    }
  }
}

function markOf(index: number): string {
  return `192.0.2.${1 + (index % 250)}`;
}

/** What each query is answered while all regions are well, and while the one that flips is not. */
async function expectations(
  node: SoakedNode,
  queries: readonly Uint8Array[],
): Promise<readonly Expected[]> {
  const well = await ask(node.port, queries, TIMEOUT_MS);
  await flip(node, false);
  const ill = await ask(node.port, queries, TIMEOUT_MS);
  await flip(node, true);
  const expected = queries.map((_, index) => ({
    well: addressOf(well[index]),
    ill: addressOf(ill[index]),
    ttlMax: index % 2 === 0 ? TTL_SECONDS : STEERED_TTL_SECONDS,
  }));
  const moved = expected.filter((each) => each.well !== each.ill).length;
  if (moved === 0) throw new Error('no client moves when the region is down: nothing would flip');
  say(`${queries.length} queries, of which ${moved} are answered otherwise while a region is down`);
  return expected;
}

function addressOf(reply: Reply | undefined): number {
  const [text, ...others] = reply?.data ?? [];
  if (text === undefined || others.length > 0) throw new Error('a query has not one answer');
  return text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

async function flip(node: SoakedNode, isWell: boolean): Promise<void> {
  const path = isWell ? `/overrides/${FLIPPED.kind}/${FLIPPED.name}` : '/overrides';
  const body = { target: FLIPPED, action: 'down', reason: 'soak' };
  await call(node, isWell ? 'DELETE' : 'POST', path, isWell ? undefined : body);
}

async function call(
  { url }: SoakedNode,
  method: string,
  path: string,
  body?: unknown,
): Promise<void> {
  const response = await fetch(`${url}${path}`, {
    method,
    ...(method === 'POST' ? { headers: { 'content-type': 'application/json' } } : {}),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
}

/** The same clients, who ask the echo alone: what is late then is the machine's. */
async function runControl(
  scratch: Scratch,
  seconds: number,
  core: number,
  clientCore: number,
): Promise<SoakReport> {
  const probe = query('h0', []);
  const { port } = await startEcho(scratch, { core, probe });
  const setting: SoakSetting = {
    // Nobody asks it at a rate of 0, but the clients look for its answers as in a soak.
    port,
    rate: 0,
    echoPort: port,
    echoRate: ECHO_RATE,
    file: scratch.write('soak.queries', streamOf([probe])),
    expected: scratch.write('expected.json', '[]'),
    report: scratch.write('report.json', ''),
    seconds,
  };
  say(`${seconds / 60} minutes of the echo alone …`);
  const generator = startClients(scratch, setting, clientCore);
  if ((await generator.ended) !== 0) throw new Error(`the clients ended:\n${generator.output()}`);
  return JSON.parse(readFileSync(setting.report, 'utf8')) as SoakReport;
}

function startClients(scratch: Scratch, setting: SoakSetting, clientCore: number): Child {
  const words = [...NODE, GENERATOR, JSON.stringify(setting)];
  return scratch.start('taskset', ['-c', String(clientCore), ...words]);
}

function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

async function run(
  scratch: Scratch,
  node: SoakedNode,
  setting: SoakSetting,
  clientCore: number,
): Promise<Omit<SoakResult, 'gone'>> {
  const flips: (Change & { readonly isWell: boolean })[] = [];
  const reloads: Change[] = [];
  const memory: { atMs: number; bytes: number }[] = [];
  const beganMs = nowMs();
  const cpuBefore = processCpuSeconds(node.child.pid);
  const generator = startClients(scratch, setting, clientCore);
  // The last flips are seen while it still asks.
  const ticks = Math.floor((setting.seconds * 1000) / FLIP_MS) - 1;
  // A machine that was too busy leaves seconds out: two flips at once would be none.
  for (let tick = 1; tick < ticks; tick = following(tick, beganMs)) {
    await delay(beganMs + tick * FLIP_MS - nowMs());
    if (!node.child.running()) throw new Error(`Meridian ended:\n${node.child.output()}`);
    const isWell = flips.length % 2 === 1;
    flips.push({ isWell, ...(await timed(() => flip(node, isWell))) });
    if (flips.length % MEMORY_EVERY === 0) {
      memory.push({ atMs: nowMs() - beganMs, bytes: residentBytes(node.child.pid) });
    }
    if (flips.length % RELOAD_EVERY === RELOAD_EVERY / 2) {
      reloads.push(await timed(() => reload(node, markOf(flips.length))));
    }
  }
  if ((await generator.ended) !== 0) throw new Error(`the clients ended:\n${generator.output()}`);
  const report = JSON.parse(readFileSync(setting.report, 'utf8')) as SoakReport;
  const cpuSeconds = processCpuSeconds(node.child.pid) - cpuBefore;
  const collections = readCollections(node.collections);
  return { report, flips, reloads, memory, collections, beganMs, cpuSeconds };
}

/** The next second that is still to come. */
function following(tick: number, beganMs: number): number {
  return Math.max(tick + 1, Math.ceil((nowMs() - beganMs) / FLIP_MS));
}

async function timed(change: () => Promise<void>): Promise<Change> {
  const fromMs = nowMs();
  await change();
  return { fromMs, toMs: nowMs() };
}

/** A changed configuration is served when the call returns. */
async function reload(node: SoakedNode, mark: string): Promise<void> {
  node.writeConfig(mark);
  await call(node, 'POST', '/reload');
  const [reply] = await ask(node.port, [query('mark', [])], TIMEOUT_MS);
  if (reply?.data[0] === mark) return;
  throw new Error(`after a reload mark is ${reply?.data[0] ?? 'not answered'} instead of ${mark}`);
}

/** How many names have no answer in the end. */
async function namesGone(port: number, queries: readonly Uint8Array[]): Promise<number> {
  const replies = await ask(port, queries, TIMEOUT_MS);
  return replies.filter((reply) => reply?.rcode !== 0 || reply.data.length === 0).length;
}
