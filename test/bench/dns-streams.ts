/**
 * `npm run bench -- dns-streams`: what an answer costs that is signed, and over TCP, TLS and HTTPS, beside Knot, NSD
 * and BIND where they serve it. Method and figure are those of `dns`.
 */
import { parseArgs } from 'node:util';
import { compareReplies } from './dns-agreement.ts';
import { chooseCores, inWords, measureLoad, megabytes, say } from './dns-drive.ts';
import { agreementLine, type Measurement, resultTable } from './dns-table.ts';
import { query, STATIC_HOSTS } from './dns-workload.ts';
import { OUTSTANDING, runHttpsLoad, runLoad, runStreamLoad, STREAM_CONNECTIONS } from './load.ts';
import type { LoadReport } from './load-generator.ts';
import { machineFacts, versionOf } from './machine.ts';
import { wholeNumber } from './option-values.ts';
import { streamOf } from './query-bytes.ts';
import type { Scratch } from './scratch.ts';
import { askOver, dohTarget, type Transport } from './stream-asking.ts';
import { makeCertificate, STREAM_PEERS, type StreamServer, signZone } from './stream-peers.ts';

export const STREAMS_SUMMARY = 'CPU time per answer that is signed, and over TCP, TLS and HTTPS';
export const STREAMS_USAGE = `npm run bench -- dns-streams [options]

  --rounds N         rounds of each workload (3)
  --seconds N        length of one round of one server (4)
  --workload NAME    signed, tcp, tls or https; may be repeated (all)
`;

type Workload = {
  readonly name: string;
  readonly transport: Transport;
  readonly isSigned: boolean;
  /** Whom the others are compared with. */
  readonly reference: string;
};

const WORKLOADS: readonly Workload[] = [
  { name: 'signed', transport: 'udp', isSigned: true, reference: 'Knot' },
  { name: 'tcp', transport: 'tcp', isSigned: false, reference: 'Knot' },
  { name: 'tls', transport: 'tls', isSigned: false, reference: 'NSD' },
  { name: 'https', transport: 'https', isSigned: false, reference: 'BIND' },
];
const WARM_UP_SECONDS = 1;
const AGREEMENT_MIN = 0.99;

type Options = {
  readonly rounds: number;
  readonly seconds: number;
  readonly workloads: readonly Workload[];
};

type Place = { readonly scratch: Scratch; readonly core: number; readonly clientCore: number };

export async function streamsBench(words: readonly string[], scratch: Scratch): Promise<number> {
  if (process.platform !== 'linux') throw new Error('this bench reads CPU times from Linux /proc');
  const options = readOptions(words);
  const facts = machineFacts(versions(), ['npm run bench -- dns-streams', ...words].join(' '));
  const [core, clientCore] = chooseCores();
  say(`Starting ${STREAM_PEERS.map(({ name }) => name).join(', ')} …`);
  const files = { zone: await signZone(scratch), ...makeCertificate(scratch) };
  const servers: StreamServer[] = [];
  for (const peer of STREAM_PEERS) servers.push(await peer.start(scratch, { core, ...files }));
  const names = servers.map(({ name }) => name);
  const agreements: string[] = [];
  const tables: string[] = [];
  for (const workload of options.workloads) {
    agreements.push(...(await agree(servers, workload)));
    const measured = await drive(servers, workload, options, { scratch, core, clientCore });
    tables.push('', ...resultTable(measured, names, workload.reference));
  }
  const memory = servers.map(({ child, name }) => `${name} ${megabytes(child.pid)} MB`);
  const { rounds, seconds } = options;
  const lines = [
    '',
    ...facts.map(([name, value]) => `- ${name}: ${value}`),
    `- load: ${rounds} rounds of ${seconds} s for each server, ${OUTSTANDING} queries under way, over ${STREAM_CONNECTIONS} connections but for UDP; servers on core ${core}, load generator on core ${clientCore}`,
    ...agreements.map((line) => `- ${line}`),
    `- resident memory at the end: ${memory.join(', ')}`,
    ...tables,
    '',
  ];
  process.stdout.write(lines.join('\n'));
  return 0;
}

const versions = () =>
  [
    ['Knot', versionOf('knotd', ['-V'])],
    ['NSD', versionOf('nsd', ['-v'])],
    ['BIND', versionOf('named', ['-v'])],
    ['h2load', versionOf('h2load', ['--version'])],
  ] as const;

async function drive(
  servers: readonly StreamServer[],
  workload: Workload,
  { rounds, seconds }: Options,
  place: Place,
): Promise<readonly Measurement[]> {
  const queries = queriesOf(workload);
  const lines = queries.map((each) => `https://localhost${dohTarget(each)}\n`);
  const content = workload.transport === 'https' ? lines.join('') : streamOf(queries);
  const file = place.scratch.write(`${workload.name}.queries`, content);
  const measured: Measurement[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    for (const server of servers) {
      const port = server.ports.get(workload.transport);
      if (port === undefined) continue;
      const load = { port, file, seconds: round === 0 ? WARM_UP_SECONDS : seconds };
      const each = await measureLoad(server, workload.name, [place.core], () =>
        run(workload.transport, load, place),
      );
      if (round === 0) continue;
      measured.push({ ...each, round });
      say(`${workload.name} ${round}/${rounds} ${server.name}: ${inWords(each)}`);
    }
  }
  return measured;
}

function run(
  transport: Transport,
  load: { readonly port: number; readonly file: string; readonly seconds: number },
  { clientCore, scratch }: Place,
): Promise<LoadReport> {
  const setting = { ...load, cores: [clientCore] };
  if (transport === 'udp') return runLoad(scratch, { ...setting, rate: 0 });
  if (transport === 'https') return runHttpsLoad(scratch, setting);
  return runStreamLoad(scratch, { ...setting, isTls: transport === 'tls' });
}

const queriesOf = ({ isSigned }: Workload): readonly Uint8Array[] =>
  STATIC_HOSTS.map(([host]) => query(host, [], isSigned));

/** How each answers beside Meridian; throws when one answers differently. */
async function agree(
  servers: readonly StreamServer[],
  { isSigned, name, transport }: Workload,
): Promise<readonly string[]> {
  const queries = STATIC_HOSTS.map(([host]) => query(host, [], isSigned));
  const said = [];
  for (const server of servers) {
    const port = server.ports.get(transport);
    if (port === undefined) continue;
    said.push({ server, replies: await askOver(transport, port, queries) });
  }
  const meridian = said.find(({ server }) => server.name === 'Meridian')!;
  return said.map(({ replies, server }) => {
    const octets = replies.reduce((sum, reply) => sum + (reply?.octets ?? 0), 0) / replies.length;
    const agreement = compareReplies(meridian.replies, replies);
    const line = `${agreementLine(`${name}, ${server.name}`, agreement)}, ${Math.round(octets)} octets each`;
    say(line);
    if (agreement.same >= AGREEMENT_MIN * agreement.asked) return line;
    for (const difference of agreement.differences) say(`  ${difference}`);
    throw new Error(`${server.name} answers "${name}" differently: speeds cannot be compared`);
  });
}

function readOptions(words: readonly string[]): Options {
  const names = WORKLOADS.map(({ name }) => name);
  const { values } = parseArgs({
    args: [...words],
    options: {
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '4' },
      workload: { type: 'string', multiple: true, default: names },
    },
  });
  const unknown = values.workload.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new Error(`there is no workload "${unknown}": ${names.join(', ')}`);
  }
  return {
    rounds: wholeNumber('rounds', values.rounds),
    seconds: wholeNumber('seconds', values.seconds),
    workloads: WORKLOADS.filter(({ name }) => values.workload.includes(name)),
  };
}
