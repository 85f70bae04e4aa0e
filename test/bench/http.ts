/**
 * `npm run bench -- http`: what a request costs through Meridian's balancer beside HAProxy, nginx, Caddy and proxies on
 * Node. One core for the proxy; the load generator and the backend have another one.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { cpuChart } from './cpu-chart.ts';
import { chooseCores, measureLoad, say } from './dns-drive.ts';
import type { Measurement } from './dns-table.ts';
import { httpGoalTable } from './http-goals.ts';
import { type IdleMemory, idleTable, measureIdle, measureTogether } from './http-idle.ts';
import { badStatuses, type HttpLoad, runSteady, runWrk, STEADY_CONNECTIONS } from './http-load.ts';
import { installNodePeers, NODE_PEER_NAMES, nodePeerVersion } from './http-node-peers.ts';
import {
  ASKED_PEERS,
  HAPROXY,
  HTTP_PEERS,
  type HttpPeer,
  type HttpServer,
  isInstalled,
  MERIDIAN,
  startPeer,
  whenAnswering,
} from './http-peers.ts';
import { DIRECT, httpTable, latencyTable } from './http-table.ts';
import { HTTP_WORKLOADS, type HttpWorkload, startBackend } from './http-workload.ts';
import type { LoadReport } from './load-generator.ts';
import { type Facts, machineFacts, versionOf } from './machine.ts';
import { checkNames, wholeNumber } from './option-values.ts';
import type { Scratch } from './scratch.ts';

const LATENCY = 'latency';
const IDLE = 'idle';
const WORKLOAD_NAMES: readonly string[] = [
  ...HTTP_WORKLOADS.map(({ name }) => name),
  LATENCY,
  IDLE,
];

export const HTTP_SUMMARY = 'CPU time per HTTP request, added latency, memory per idle connection';
export const HTTP_USAGE = `npm run bench -- http [options]

  --rounds N         rounds of each workload (3)
  --seconds N        length of one round of one server (4)
  --workload NAME    ${WORKLOAD_NAMES.join(', ')};
                     may be repeated (all)
  --server NAME      ${HTTP_PEERS.map(({ name }) => name).join(', ')};
                     may be repeated (all); by name only:
                     ${ASKED_PEERS.map(({ name }) => name).join(', ')}
  --svg FILE         draw the CPU times as a picture
`;

/** Programs that make the load, with their packages; nginx is the backend, too. */
const GENERATORS = [
  ['wrk', 'wrk'],
  ['h2load', 'nghttp2-client'],
  ['nginx', 'nginx-light'],
] as const;
const STEADY_RATE = 2000;
/** Until everything that is hot has been compiled. */
const WARM_UP_SECONDS = 3;

type Options = {
  readonly rounds: number;
  readonly seconds: number;
  readonly workloads: readonly HttpWorkload[];
  readonly hasLatency: boolean;
  readonly hasIdle: boolean;
  readonly peers: readonly HttpPeer[];
  readonly svg: string | undefined;
};

type Place = {
  readonly scratch: Scratch;
  readonly core: number;
  readonly clientCore: number;
  readonly backend: HttpServer;
};

export async function httpBench(words: readonly string[], scratch: Scratch): Promise<number> {
  if (process.platform !== 'linux') throw new Error('this bench reads CPU times from Linux /proc');
  const wanted = readOptions(words);
  const peers = presentOf(wanted.peers);
  const options = { ...wanted, peers };
  for (const [program, name] of GENERATORS) {
    if (!isInstalled(program)) throw new Error(`${program} is missing: apt-get install ${name}`);
  }
  const facts = machineFacts(versions(peers), ['npm run bench -- http', ...words].join(' '));
  const [core, clientCore] = chooseCores();
  const backend = { name: DIRECT, ...(await startBackend(scratch, clientCore)) };
  await whenAnswering('the backend', backend.port, backend.child);
  const place = { scratch, core, clientCore, backend };
  const [loads, steady] = await driveAll(options, place);
  const { idle, together } = await idleOf(options, place);
  const names = peers.map(({ name }) => name);
  const section = (table: readonly string[]): readonly string[] =>
    table.length === 0 ? [] : ['', ...table];
  const lines = [
    '',
    ...facts.map(([name, value]) => `- ${name}: ${value}`),
    `- load: ${inRounds(options)}; proxies on core ${core}, load generator and backend on core ${clientCore}`,
    ...section(loads.length === 0 ? [] : httpTable(loads, names)),
    ...(steady.length === 0
      ? []
      : ['', `At ${STEADY_RATE} requests a second, over ${STEADY_CONNECTIONS} connections:`]),
    ...section(steady.length === 0 ? [] : latencyTable(steady, names)),
    ...section(idle.length === 0 ? [] : idleTable(idle)),
    ...section(together === '' ? [] : [`${together}.`]),
    ...section(httpGoalTable({ loads, steady, idle })),
    '',
  ];
  process.stdout.write(lines.join('\n'));
  if (options.svg !== undefined) {
    const fact = (wanted: string): string => facts.find(([name]) => name === wanted)?.[1] ?? '';
    const caption = [
      `${fact('CPU')}, Linux ${fact('kernel')}, Node ${fact('Node')}; ${fact('date')}`,
      fact('command').replaceAll('`', ''),
    ];
    const chart = { measured: loads, servers: names, reference: HAPROXY, caption };
    writeFileSync(options.svg, cpuChart({ ...chart, unit: 'request' }));
  }
  return 0;
}

const inRounds = ({ rounds, seconds }: Options): string =>
  `${rounds} rounds of ${seconds} s for each server and workload`;

/** Those that can be measured here; says how to get the others. */
function presentOf(peers: readonly HttpPeer[]): readonly HttpPeer[] {
  const isOnNode = ({ name }: HttpPeer): boolean => NODE_PEER_NAMES.includes(name);
  const problem = peers.some(isOnNode) ? installNodePeers() : undefined;
  if (problem !== undefined) say(`Not measured: ${problem}`);
  return peers.filter((peer) => {
    if (isOnNode(peer)) return problem === undefined;
    const isPresent = isInstalled(peer.program);
    if (!isPresent) say(`Not measured: ${peer.name} is missing (${peer.install}).`);
    return isPresent;
  });
}

function versions(peers: readonly HttpPeer[]): Facts {
  const words = new Map([
    ['haproxy', ['-v']],
    ['nginx', ['-v']],
    ['caddy', ['version']],
  ]);
  return peers.flatMap(({ name, program }): Facts => {
    if (NODE_PEER_NAMES.includes(name)) return [[name, nodePeerVersion(name)]];
    const asked = words.get(program);
    return asked === undefined ? [] : [[name, versionOf(program, asked)]];
  });
}

/** All are up the whole time; loads, and what was measured at the fixed rate. */
async function driveAll(
  options: Options,
  place: Place,
): Promise<readonly [readonly Measurement[], readonly Measurement[]]> {
  const { backend, core, scratch } = place;
  const servers: HttpServer[] = [];
  if (options.workloads.length > 0 || options.hasLatency) {
    for (const peer of options.peers) {
      say(`Starting ${peer.name} …`);
      servers.push(await startPeer(peer, scratch, { core, backend: backend.port }));
    }
  }
  await agree(servers, options.workloads, backend);
  const loads: Measurement[] = [];
  for (const workload of options.workloads) {
    const run = (load: HttpLoad) => runWrk(scratch, workload, load);
    loads.push(...(await drive(servers, workload.name, run, options, place)));
  }
  if (!options.hasLatency) return [loads, []];
  const run = (load: HttpLoad) => runSteady(scratch, { ...load, rate: STEADY_RATE });
  const name = `${STEADY_RATE} a second`;
  const steady = await drive([backend, ...servers], name, run, options, place);
  return [loads, steady];
}

/** One after the other, again and again; what disturbs the machine then disturbs all. */
async function drive(
  servers: readonly HttpServer[],
  workload: string,
  run: (load: HttpLoad) => Promise<LoadReport>,
  { rounds, seconds }: Options,
  { backend, clientCore, core }: Place,
): Promise<readonly Measurement[]> {
  const measured: Measurement[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    for (const server of servers) {
      const load = {
        port: server.port,
        clientCore,
        seconds: round === 0 ? WARM_UP_SECONDS : seconds,
      };
      let statuses = '';
      const each = await measureLoad(server, workload, [core], async () => {
        const report = await run(load);
        statuses = badStatuses(report);
        return report;
      });
      if (!backend.child.running()) {
        throw new Error(`the backend ended:\n${backend.child.output()}`);
      }
      if (round === 0) continue;
      measured.push({ ...each, round, otherCodes: statuses });
      say(
        `${workload} ${round}/${rounds} ${server.name}: ${inWords(each)}${statuses && `, ${statuses}`}`,
      );
    }
  }
  return measured;
}

function inWords({ answersPerSecond, cpuPerMillion, lost }: Measurement): string {
  const rate = `${Math.round(answersPerSecond)}/s`;
  return `${rate}, ${cpuPerMillion.toFixed(2)} CPU s per million${lost > 0 ? `, ${lost} errors` : ''}`;
}

/** Throws when one answers otherwise than the backend: speeds could not be compared. */
async function agree(
  servers: readonly HttpServer[],
  workloads: readonly HttpWorkload[],
  backend: HttpServer,
): Promise<void> {
  for (const workload of workloads) {
    const expected = await answerOf(backend.port, workload);
    for (const { name, port } of servers) {
      if ((await answerOf(port, workload)) === expected) continue;
      throw new Error(`${name} answers "${workload.name}" otherwise than its backend`);
    }
  }
}

async function answerOf(port: number, { bodyOctets, path }: HttpWorkload): Promise<string> {
  const post = { method: 'POST', body: 'x'.repeat(bodyOctets ?? 0) };
  const url = `http://127.0.0.1:${port}${path}`;
  const response = await fetch(url, bodyOctets === undefined ? {} : post);
  return `${response.status} ${await response.text()}`;
}

/** Of each proxy alone, one after the other. */
async function idleOf(
  { hasIdle, peers }: Options,
  { backend, ...place }: Place,
): Promise<{ readonly idle: readonly IdleMemory[]; readonly together: string }> {
  if (!hasIdle) return { idle: [], together: '' };
  const idlePlace = { ...place, backend: backend.port };
  const idle: IdleMemory[] = [];
  for (const peer of peers) idle.push(await measureIdle(peer, idlePlace));
  const meridian = peers.find(({ name }) => name === MERIDIAN);
  const together = meridian === undefined ? '' : await measureTogether(meridian, idlePlace);
  return { idle, together };
}

function readOptions(words: readonly string[]): Options {
  const servers = HTTP_PEERS.map(({ name }) => name);
  const { values } = parseArgs({
    args: [...words],
    options: {
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '4' },
      workload: { type: 'string', multiple: true, default: [...WORKLOAD_NAMES] },
      server: { type: 'string', multiple: true, default: servers },
      svg: { type: 'string' },
    },
  });
  checkNames('workload', values.workload, WORKLOAD_NAMES);
  const known = [...HTTP_PEERS, ...ASKED_PEERS];
  checkNames(
    'server',
    values.server,
    known.map(({ name }) => name),
  );
  return {
    rounds: wholeNumber('rounds', values.rounds),
    seconds: wholeNumber('seconds', values.seconds),
    workloads: HTTP_WORKLOADS.filter(({ name }) => values.workload.includes(name)),
    hasLatency: values.workload.includes(LATENCY),
    hasIdle: values.workload.includes(IDLE),
    peers: known.filter(({ name }) => values.server.includes(name)),
    svg: values.svg,
  };
}
