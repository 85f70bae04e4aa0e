/**
 * `npm run bench -- layer4`: what a connection, an octet and a datagram cost through Meridian beside HAProxy (TCP) and
 * nginx (TCP and UDP). One core for the proxy; load generators and backends have another one.
 */
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { chooseCores, measureLoad, say } from './dns-drive.ts';
import { startEcho } from './dns-peers.ts';
import type { Measurement } from './dns-table.ts';
import { query } from './dns-workload.ts';
import { badStatuses, runWrk } from './http-load.ts';
import { HAPROXY, isInstalled, NGINX, whenAnswering } from './http-peers.ts';
import { httpTable } from './http-table.ts';
import {
  CLOSE,
  GET_1M,
  GET_64,
  HTTP_WORKLOADS,
  type HttpWorkload,
  startBackend,
} from './http-workload.ts';
import { LAYER4_PEERS, type Layer4Peer, type Layer4Server, startLayer4 } from './layer4-peers.ts';
import { runLoad } from './load.ts';
import type { LoadReport } from './load-generator.ts';
import { type Facts, machineFacts, versionOf } from './machine.ts';
import { checkNames, wholeNumber } from './option-values.ts';
import { streamOf } from './query-bytes.ts';
import type { Scratch } from './scratch.ts';

type Place = { readonly scratch: Scratch; readonly core: number; readonly clientCore: number };

type Layer4Workload = {
  readonly name: string;
  readonly summary: string;
  /** Which of a server's ports it goes to; undefined where it has none. */
  portOf(server: Layer4Server): number | undefined;
  run(port: number, seconds: number, place: Place): Promise<LoadReport>;
};

/** Of datagrams: 64 sessions that last, or one for each datagram. */
const SESSION_SOURCES = 16;
const WARM_UP_SECONDS = 1;

const LAYER4_WORKLOADS: readonly Layer4Workload[] = [
  tcp('connect', CLOSE, 'connections, each with a small request and its answer'),
  tcp('messages', GET_64, 'small requests over 64 connections that last'),
  tcp('throughput', GET_1M, 'answers of a megabyte over 16 connections that last'),
  {
    name: 'datagrams',
    summary: 'datagrams and their echo, 64 sessions that last',
    portOf: ({ udp }) => udp,
    run: (port, seconds, place) => runDatagrams(port, seconds, place, SESSION_SOURCES),
  },
  {
    name: 'sessions',
    summary: 'a session for each datagram, which ends with the echo',
    portOf: ({ once }) => once,
    run: (port, seconds, place) => runDatagrams(port, seconds, place),
  },
];

export const LAYER4_SUMMARY = 'CPU time per TCP connection, megabyte and datagram';
export const LAYER4_USAGE = `npm run bench -- layer4 [options]

  --rounds N         rounds of each workload (3)
  --seconds N        length of one round of one server (4)
  --workload NAME    may be repeated (all):
${LAYER4_WORKLOADS.map(({ name, summary }) => `                       ${name.padEnd(12)}${summary}\n`).join('')}\
  --server NAME      ${LAYER4_PEERS.map(({ name }) => name).join(', ')};
                     may be repeated (all)
`;

type Options = {
  readonly rounds: number;
  readonly seconds: number;
  readonly workloads: readonly Layer4Workload[];
  readonly peers: readonly Layer4Peer[];
};

export async function layer4Bench(words: readonly string[], scratch: Scratch): Promise<number> {
  if (process.platform !== 'linux') throw new Error('this bench reads CPU times from Linux /proc');
  const { peers: wanted, rounds, seconds, workloads } = readOptions(words);
  for (const program of ['wrk', 'nginx', 'cc']) {
    if (!isInstalled(program)) throw new Error(`${program} is missing`);
  }
  const peers = wanted.filter(({ install, name, needs }) => {
    const isPresent = needs.startsWith('/') ? existsSync(needs) : isInstalled(needs);
    if (!isPresent) say(`Not measured: ${name} is missing (${install}).`);
    return isPresent;
  });
  const facts = machineFacts(versions(peers), ['npm run bench -- layer4', ...words].join(' '));
  const [core, clientCore] = chooseCores();
  const place = { scratch, core, clientCore };
  const servers = await startAll(peers, place);
  const measured: Measurement[] = [];
  for (const workload of workloads) {
    for (let round = 0; round <= rounds; round += 1) {
      for (const server of servers) {
        const each = await measureOne(
          server,
          workload,
          round === 0 ? WARM_UP_SECONDS : seconds,
          place,
        );
        if (each === undefined || round === 0) continue;
        measured.push({ ...each, round });
        say(`${workload.name} ${round}/${rounds} ${server.name}: ${inWords(each)}`);
      }
    }
  }
  const lines = [
    '',
    ...facts.map(([name, value]) => `- ${name}: ${value}`),
    `- load: ${rounds} rounds of ${seconds} s for each server and workload; proxies on core ${core}, load generators and backends on core ${clientCore}`,
    '',
    ...httpTable(
      measured,
      servers.map(({ name }) => name),
    ),
    '',
  ];
  process.stdout.write(lines.join('\n'));
  return 0;
}

/** Of one workload of the HTTP bench, which each proxy passes on unread. */
function tcp(name: string, of: string, summary: string): Layer4Workload {
  const workload: HttpWorkload = HTTP_WORKLOADS.find((each) => each.name === of)!;
  return {
    name,
    summary,
    portOf: (server) => server.tcp,
    run: (port, seconds, { clientCore, scratch }) =>
      runWrk(scratch, workload, { port, seconds, clientCore }),
  };
}

function runDatagrams(
  port: number,
  seconds: number,
  { clientCore, scratch }: Place,
  sources?: number,
): Promise<LoadReport> {
  const file = scratch.write('datagrams', streamOf([query('h0', [])]));
  const more = sources === undefined ? {} : { sources };
  return runLoad(scratch, { port, file, seconds, rate: 0, cores: [clientCore], ...more });
}

async function startAll(peers: readonly Layer4Peer[], place: Place): Promise<Layer4Server[]> {
  const { clientCore, core, scratch } = place;
  const backend = await startBackend(scratch, clientCore);
  await whenAnswering('the backend', backend.port, backend.child);
  const echo = await startEcho(scratch, { core: clientCore, probe: query('h0', []) });
  const backends = { core, tcpBackend: backend.port, udpBackend: echo.port };
  const servers: Layer4Server[] = [];
  for (const peer of peers) {
    say(`Starting ${peer.name} …`);
    servers.push(await startLayer4(peer, scratch, backends));
  }
  return servers;
}

/** Undefined where a server has no such port. */
async function measureOne(
  server: Layer4Server,
  workload: Layer4Workload,
  seconds: number,
  place: Place,
): Promise<Measurement | undefined> {
  const port = workload.portOf(server);
  if (port === undefined) return undefined;
  let statuses = '';
  const measured = await measureLoad(server, workload.name, [place.core], async () => {
    const report = await workload.run(port, seconds, place);
    statuses = badStatuses(report);
    return report;
  });
  return { ...measured, otherCodes: statuses };
}

function inWords({ answersPerSecond, cpuPerMillion, lost }: Measurement): string {
  const rate = `${Math.round(answersPerSecond)}/s`;
  return `${rate}, ${cpuPerMillion.toFixed(2)} CPU s per million${lost > 0 ? `, ${lost} lost` : ''}`;
}

function versions(peers: readonly Layer4Peer[]): Facts {
  const programs = new Map([
    [HAPROXY, 'haproxy'],
    [NGINX, 'nginx'],
  ]);
  return peers.flatMap(({ name }): Facts => {
    const program = programs.get(name);
    return program === undefined ? [] : [[name, versionOf(program, ['-v'])]];
  });
}

function readOptions(words: readonly string[]): Options {
  const workloads = LAYER4_WORKLOADS.map(({ name }) => name);
  const servers = LAYER4_PEERS.map(({ name }) => name);
  const { values } = parseArgs({
    args: [...words],
    options: {
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '4' },
      workload: { type: 'string', multiple: true, default: workloads },
      server: { type: 'string', multiple: true, default: servers },
    },
  });
  checkNames('workload', values.workload, workloads);
  checkNames('server', values.server, servers);
  return {
    rounds: wholeNumber('rounds', values.rounds),
    seconds: wholeNumber('seconds', values.seconds),
    workloads: LAYER4_WORKLOADS.filter(({ name }) => values.workload.includes(name)),
    peers: LAYER4_PEERS.filter(({ name }) => values.server.includes(name)),
  };
}
