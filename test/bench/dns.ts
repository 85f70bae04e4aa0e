/**
 * `npm run bench -- dns`: Meridian beside the servers that do the same, and beside an echo that does nothing. All are
 * up the whole time, on one core; a load generator, on another, drives them in alternating rounds. The figure is
 * CPU seconds per million answers of the whole server process: rates move with every neighbour on the
 * machine, CPU time hardly does.
 */
import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { inCollections, isOfDataWorker, readCollections } from './collections.ts';
import { cpuChart } from './cpu-chart.ts';
import { type Agreement, compareServers } from './dns-agreement.ts';
import { chooseCores, type Drive, inWords, measure, megabytes, say } from './dns-drive.ts';
import { goalTable } from './dns-goals.ts';
import { PEERS, type Peer, type PeerOptions } from './dns-peers.ts';
import { prepare } from './dns-preparation.ts';
import type { Server } from './dns-servers.ts';
import {
  agreementLine,
  FIXED_RATES,
  HALF,
  loadName,
  type Measurement,
  MOST,
  median,
  rateLoad,
  resultTable,
} from './dns-table.ts';
import {
  DATA,
  type Data,
  IPV6_WORKLOAD,
  sampleOf,
  TTL_SECONDS,
  type Workload,
} from './dns-workload.ts';
import { CLIENTS, OUTSTANDING, SOURCES, writeAsked } from './load.ts';
import { type Facts, machineFacts, versionOf } from './machine.ts';
import { namesZone } from './many-names.ts';
import { type Scratch, scratchBelow } from './scratch.ts';

const WORKLOADS = ['static', 'steered', 'steered-ecs', IPV6_WORKLOAD, 'cookies', 'mixed'];

export const DNS_SUMMARY =
  'CPU time per answer, rates and latencies, beside gdnsd, Knot, PowerDNS, NSD and BIND';
export const DNS_USAGE = `npm run bench -- dns [options]

  --rounds N         rounds of each workload (3)
  --seconds N        length of one round of one server (4)
  --workload NAME    ${WORKLOADS.join(', ')}; may be repeated (all)
  --server NAME      one of: ${PEERS.map(({ name }) => name).join(', ')}; may be
                     repeated (all); gdnsd and Meridian always take part
  --data NAME        country, or city: a database of millions of networks, made up (country)
  --rates LIST       fixed rates a second to measure after the most that goes, and half of it
                     (${FIXED_RATES.join(',')}; "none" for neither)
  --collections      tells how often the data worker of Meridian collects garbage, at the most that
                     goes; the watch is then on in all its threads
  --svg FILE         draws what an answer costs, at the most that goes
`;

type Options = {
  readonly rounds: number;
  readonly seconds: number;
  readonly rates: readonly number[];
  readonly workloads: readonly string[];
  readonly data: Data;
  readonly hasCollections: boolean;
  /** File for the picture. */
  readonly svg: string | undefined;
  readonly peers: readonly Peer[];
};
type Running = { readonly peer: Peer; readonly server: Server };

const REFERENCE = 'gdnsd';
const WARM_UP_SECONDS = 1;
/** Queries of each workload that are compared before anything is measured. */
const SAMPLE = 2000;
/** Rounding of distances may decide for another region where two are equally far. */
const AGREEMENT_MIN = 0.99;
/** At fixed rates these are compared: the others have other ends. */
const FIXED_SERVERS = ['gdnsd', 'Meridian', 'echo'];
const COLLECTIONS_MS = 500;
const FIXED_WORKLOAD = 'steered-ecs';

export async function dnsBench(words: readonly string[], scratch: Scratch): Promise<number> {
  if (process.platform !== 'linux') throw new Error('this bench reads CPU times from Linux /proc');
  const options = readOptions(words);
  const facts = machineFacts(versions(), ['npm run bench -- dns', ...words].join(' '));
  say('Writing the geo database and the queries …');
  const prepared = await prepare(options.data);
  const workloads = prepared.workloads.filter(({ name }) => options.workloads.includes(name));
  const [core, clientCore] = chooseCores();
  say(`Starting ${options.peers.map(({ name }) => name).join(', ')} …`);
  const collections = options.hasCollections ? scratch.write('collections', '') : undefined;
  const probes = prepared.workloads.map((workload) => sampleOf(workload, 1)[0]!);
  const setting: PeerOptions = {
    database: scratch.write('geo.mmdb', prepared.database),
    core,
    places: prepared.places,
    probe: probes[0]!,
    steeredProbe: probes[1]!,
    ...(options.workloads.includes('mixed') && { names: namesZone(TTL_SECONDS) }),
  };
  const running = await startAll(scratch, options.peers, {
    ...setting,
    ...(collections !== undefined && { collections }),
  });
  // Not the same servers at one more address: a second socket would make every answer dearer.
  const others = options.peers.filter(({ workloads: own }) => own.includes(IPV6_WORKLOAD));
  const running6 = !options.workloads.includes(IPV6_WORKLOAD)
    ? []
    : await startAll(scratchBelow(scratch, 'ipv6'), others, { ...setting, address: '::1' });
  const crewOf = (name: string) => (name === IPV6_WORKLOAD ? running6 : running);
  const agreements = await agree(crewOf, workloads);
  const measured: Measurement[] = [];
  for (const workload of workloads) {
    const { missingShare, name } = workload;
    const asked = { ...writeAsked(scratch, workload), missingShare, workload: name };
    const drive = { scratch, ...asked, serverCore: core, clientCore };
    const taking = crewOf(name).filter(({ peer }) => peer.workloads.includes(name));
    measured.push(...(await drivePhases(taking, drive, options)));
  }
  const memory = running.map(({ server: { child, name } }) => `${name} ${megabytes(child.pid)} MB`);
  const lines = [
    '',
    ...facts.map(([name, value]) => `- ${name}: ${value}`),
    `- load: ${loadInWords(options)}; servers on core ${core}, load generator on core ${clientCore}`,
    ...agreements.map((line) => `- ${line}`),
    `- resident memory at the end: ${memory.join(', ')}`,
    ...(collections === undefined ? [] : [await collectionsLine(collections, measured)]),
    '',
    ...resultTable(
      measured,
      running.map(({ peer }) => peer.name),
      REFERENCE,
    ),
    '',
    ...goalTable(measured),
    '',
  ];
  process.stdout.write(lines.join('\n'));
  if (options.svg !== undefined) writeFileSync(options.svg, draw(measured, running, facts));
  return 0;
}

/** What the data worker collected in the measured rounds of all workloads, at the most that goes. */
async function collectionsLine(file: string, measured: readonly Measurement[]): Promise<string> {
  // A thread writes down what it collected when it next has nothing else to do.
  await delay(COLLECTIONS_MS);
  const rounds = measured.filter(({ server, workload }) => {
    return server === 'Meridian' && workload.endsWith(`, ${MOST}`);
  });
  const all = readCollections(file).filter(isOfDataWorker);
  const during = all.filter(({ atMs }) =>
    rounds.some(({ fromMs, toMs }) => atMs >= fromMs && atMs <= toMs),
  );
  const seconds = rounds.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0) / 1000;
  const when = `${MOST}, ${rounds.length} rounds, ${seconds.toFixed(0)} s`;
  return `- collections in the data worker of Meridian (${when}): ${inCollections(during)}; ${all.length} in its whole life`;
}

function draw(measured: readonly Measurement[], running: readonly Running[], facts: Facts): string {
  const fact = (wanted: string): string => facts.find(([name]) => name === wanted)?.[1] ?? '';
  const most = measured.flatMap((each) => {
    const [workload = '', load] = each.workload.split(', ');
    return load === MOST ? [{ ...each, workload }] : [];
  });
  return cpuChart({
    unit: 'DNS answer',
    measured: most,
    servers: running.map(({ peer: { name } }) => name),
    reference: REFERENCE,
    caption: [
      `${fact('CPU')}, Linux ${fact('kernel')}, Node ${fact('Node')}; ${fact('date')}`,
      fact('command').replaceAll('`', ''),
    ],
  });
}

const versions = () =>
  [
    ['gdnsd', versionOf('gdnsd', ['-h'])],
    ['Knot', versionOf('knotd', ['-V'])],
    ['PowerDNS', versionOf('pdns_server', ['--version'])],
    ['NSD', versionOf('nsd', ['-v'])],
    ['BIND', versionOf('named', ['-v'])],
  ] as const;

async function startAll(
  scratch: Scratch,
  peers: readonly Peer[],
  options: PeerOptions,
): Promise<readonly Running[]> {
  const running: Running[] = [];
  for (const peer of peers) running.push({ peer, server: await peer.start(scratch, options) });
  return running;
}

/** As much as goes; half of what each has reached, for its latencies; and rates that are the same for all. */
async function drivePhases(
  running: readonly Running[],
  drive: Drive,
  { rates, rounds, seconds }: Options,
): Promise<readonly Measurement[]> {
  const measured: Measurement[] = [];
  const phase = async (
    what: string,
    servers: readonly Running[],
    rateOf: (name: string) => number,
  ) => {
    const named = { ...drive, workload: loadName(drive.workload, what) };
    for (let round = 0; round <= rounds; round += 1) {
      for (const { server } of servers) {
        const time = round === 0 ? WARM_UP_SECONDS : seconds;
        const load = { rate: rateOf(server.name), seconds: time };
        const each = await measure(
          server,
          isEcho(server) ? { ...named, missingShare: 0 } : named,
          load,
        );
        if (round === 0) continue;
        measured.push({ ...each, round });
        say(`${named.workload} ${round}/${rounds} ${server.name}: ${inWords(each)}`);
      }
    }
  };
  await phase(MOST, running, () => 0);
  if (rates.length === 0) return measured;
  const most = (name: string): number =>
    median(measured.flatMap((each) => (each.server === name ? [each.answersPerSecond] : [])));
  const halves = new Map(running.map(({ peer: { name } }) => [name, Math.round(most(name) / 2)]));
  await phase(HALF, running, (name) => halves.get(name)!);
  if (drive.workload !== FIXED_WORKLOAD) return measured;
  const compared = running.filter(({ peer: { name } }) => FIXED_SERVERS.includes(name));
  for (const rate of rates) await phase(rateLoad(rate), compared, () => rate);
  return measured;
}

function readOptions(words: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...words],
    options: {
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '4' },
      rates: { type: 'string', default: FIXED_RATES.join(',') },
      svg: { type: 'string' },
      collections: { type: 'boolean', default: false },
      data: { type: 'string', default: 'country' },
      workload: { type: 'string', multiple: true, default: [...WORKLOADS] },
      server: { type: 'string', multiple: true, default: PEERS.map(({ name }) => name) },
    },
  });
  const whole = (name: string, text: string): number => {
    const number = Number(text);
    if (Number.isInteger(number) && number >= 1) return number;
    throw new Error(`--${name} is a whole number from 1 on, not "${text}"`);
  };
  known('workload', values.workload, WORKLOADS);
  known('data', [values.data], DATA);
  known(
    'server',
    values.server,
    PEERS.map(({ name }) => name),
  );
  const wanted = new Set([REFERENCE, 'Meridian', ...values.server]);
  return {
    rounds: whole('rounds', values.rounds),
    seconds: whole('seconds', values.seconds),
    rates:
      values.rates === 'none' ? [] : values.rates.split(',').map((text) => whole('rates', text)),
    workloads: values.workload,
    svg: values.svg,
    hasCollections: values.collections,
    data: values.data as Data,
    peers: PEERS.filter(({ name }) => wanted.has(name)),
  };
}

/** It sends back what it gets, whatever is asked. */
function isEcho({ name }: Server): boolean {
  return name.startsWith('echo');
}

function known(option: string, given: readonly string[], names: readonly string[]): void {
  const unknown = given.find((name) => !names.includes(name));
  if (unknown === undefined) return;
  throw new Error(`there is no ${option} "${unknown}": ${names.join(', ')}`);
}

/** How each answers beside Meridian; throws when one does not that has to. */
async function agree(
  crewOf: (workload: string) => readonly Running[],
  workloads: readonly Workload[],
): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const workload of workloads) {
    const { name } = workload;
    const sample = sampleOf(workload, SAMPLE);
    const running = crewOf(name);
    const meridian = running.find(({ peer }) => peer.name === 'Meridian')!;
    for (const { peer, server } of running) {
      if (isEcho(server) || server === meridian.server) continue;
      if (!peer.workloads.includes(name)) continue;
      const agreement = await compareServers(
        [meridian.server.port, server.port],
        sample,
        server.address,
      );
      lines.push(agreementLine(`${name}, ${peer.name}`, agreement));
      say(lines.at(-1)!);
      checkAgreement(peer, name, agreement);
    }
  }
  return lines;
}

function checkAgreement(peer: Peer, workload: string, agreement: Agreement): void {
  const mayDiffer = !peer.isAlike && workload !== 'static' && workload !== 'mixed';
  if (mayDiffer || agreement.same >= AGREEMENT_MIN * agreement.asked) return;
  for (const difference of agreement.differences) say(`  ${difference}`);
  throw new Error(`${peer.name} answers "${workload}" differently: speeds cannot be compared`);
}

function loadInWords({ rounds, seconds }: Options): string {
  const each = `${rounds} rounds of ${seconds} s for each server and load`;
  return `${each}, ${OUTSTANDING} queries under way from ${CLIENTS} ports of ${SOURCES} addresses where no rate is given`;
}
