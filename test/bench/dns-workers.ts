/**
 * `npm run bench -- dns-workers`: whether an answer costs more when two workers answer. Servers and load generator may
 * use all cores, however many workers there are: on a machine of two cores the generator takes its time from them, so
 * this says what a second worker adds to the cost of an answer, and not how many more answers there are.
 */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { allowedCores } from './cpu.ts';
import { inWords, measureLoad, say } from './dns-drive.ts';
import { prepare } from './dns-preparation.ts';
import { type Server, startGdnsd, startMeridian } from './dns-servers.ts';
import { type Measurement, resultTable } from './dns-table.ts';
import { sampleOf } from './dns-workload.ts';
import { CLIENTS, OUTSTANDING, runLoad, SOURCES, writeAsked } from './load.ts';
import { machineFacts, versionOf } from './machine.ts';
import type { Scratch } from './scratch.ts';

export const WORKERS_SUMMARY = 'CPU time per answer of two UDP workers beside one';
export const WORKERS_USAGE = `npm run bench -- dns-workers [options]

  --rounds N         rounds of each load (5)
  --seconds N        length of one round of one server (4)
  --rates LIST       rates a second to measure after the most that goes, over all workers and for
                     each (50000)
`;

const WORKLOAD = 'steered-ecs';
const WORKERS = [1, 2];
const WARM_UP_SECONDS = 1;

export async function workersBench(words: readonly string[], scratch: Scratch): Promise<number> {
  if (process.platform !== 'linux') throw new Error('this bench reads CPU times from Linux /proc');
  const { rates, rounds, seconds } = readOptions(words);
  const cores = allowedCores();
  const facts = machineFacts(
    [['gdnsd', versionOf('gdnsd', ['-h'])]],
    ['npm run bench -- dns-workers', ...words].join(' '),
  );
  say('Writing the geo database and the queries …');
  const { database, workloads } = await prepare();
  const asked = writeAsked(scratch, workloads.find(({ name }) => name === WORKLOAD)!);
  const [probe, steeredProbe] = workloads.map((each) => sampleOf(each, 1)[0]!);
  const families = [startMeridian, startGdnsd].map(async (start) => {
    const servers: Crew[] = [];
    for (const workers of WORKERS) {
      const options = { database: scratch.write('geo.mmdb', database), core: cores[0]!, workers };
      const probes = { probe: probe!, steeredProbe: steeredProbe! };
      const server = await start(scratch, { ...options, ...probes });
      allow(server, cores);
      servers.push({ ...server, workers });
    }
    return servers;
  });
  const servers = await Promise.all(families);
  const measured: Measurement[] = [];
  for (const { rateOf, what } of loads(rates)) {
    const workload = `${WORKLOAD}, ${what}`;
    for (let round = 0; round <= rounds; round += 1) {
      for (const server of servers.flat()) {
        const time = round === 0 ? WARM_UP_SECONDS : seconds;
        const rate = rateOf(server.workers);
        const load = { port: server.port, ...asked, seconds: time, rate, cores };
        const each = await measureLoad(server, workload, cores, () => runLoad(scratch, load));
        if (round === 0) continue;
        measured.push({ ...each, round });
        say(`${workload} ${round}/${rounds} ${server.name}: ${inWords(each)}`);
      }
    }
  }
  const tables = servers.map((family) => {
    const names = family.map(({ name }) => name);
    const own = measured.filter(({ server }) => names.includes(server));
    return ['', ...resultTable(own, names, names[0]!)];
  });
  const lines = [
    '',
    ...facts.map(([name, value]) => `- ${name}: ${value}`),
    `- load: ${rounds} rounds of ${seconds} s for each server and load, ${OUTSTANDING} queries under way from ${CLIENTS} ports of ${SOURCES} addresses where no rate is given; servers and load generator on cores ${cores.join(', ')}`,
    ...tables.flat(),
    '',
  ];
  process.stdout.write(lines.join('\n'));
  return 0;
}

type Crew = Server & { readonly workers: number };
type Load = { readonly what: string; readonly rateOf: (workers: number) => number };

/**
 * The same rate for all makes the batches of two workers half as large, so their datagrams are dearer whoever serves
 * them; the same rate for each worker shows what is left: what workers cost each other.
 */
function loads(rates: readonly number[]): readonly Load[] {
  return [
    { what: 'all that goes', rateOf: () => 0 },
    ...rates.flatMap((rate) => [
      { what: `${rate / 1000}k a second`, rateOf: () => rate },
      {
        what: `${rate / 1000}k a second for each worker`,
        rateOf: (workers: number) => rate * workers,
      },
    ]),
  ];
}

/** All threads that a server has, and those that these start. */
function allow({ child, name }: Server, cores: readonly number[]): void {
  const run = spawnSync('taskset', ['-a', '-p', '-c', cores.join(','), String(child.pid)]);
  if (run.status !== 0) throw new Error(`taskset for ${name}: ${run.stderr}`);
}

function readOptions(words: readonly string[]) {
  const { values } = parseArgs({
    args: [...words],
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '4' },
      rates: { type: 'string', default: '50000' },
    },
  });
  const whole = (name: string, text: string): number => {
    const number = Number(text);
    if (Number.isInteger(number) && number >= 1) return number;
    throw new Error(`--${name} is a whole number from 1 on, not "${text}"`);
  };
  return {
    rounds: whole('rounds', values.rounds),
    seconds: whole('seconds', values.seconds),
    rates: values.rates.split(',').map((text) => whole('rates', text)),
  };
}
