/**
 * `npm run bench -- dns`: Meridian beside gdnsd with its geoip plugin. Both servers are up the whole time, on
 * one core; a load generator, on another, drives them in alternating rounds. The figure is CPU seconds per million
 * answers of the whole server process: rates move with every
 * neighbour on the machine, CPU time hardly does.
 */
import { parseArgs } from 'node:util';
import { type Agreement, compareServers } from './dns-agreement.ts';
import { chooseCores, inWords, measure, megabytes, say } from './dns-drive.ts';
import { prepare } from './dns-preparation.ts';
import { type Server, startGdnsd, startMeridian } from './dns-servers.ts';
import { agreementLine, type Measurement, resultTable } from './dns-table.ts';
import { streamOf, type Workload } from './dns-workload.ts';
import { CLIENTS, OUTSTANDING } from './load.ts';
import { machineFacts, versionOf } from './machine.ts';
import type { Scratch } from './scratch.ts';

export const DNS_SUMMARY = 'CPU time per answer and answers per second, beside gdnsd';
export const DNS_USAGE = `npm run bench -- dns [options]

  --rounds N         rounds of each workload (3)
  --seconds N        length of one round of one server (4)
  --rate N           queries per second at most (0 = as fast as answers come)
  --workload NAME    static, steered or steered-ecs; may be repeated (all)
`;

type Options = {
  readonly rounds: number;
  readonly seconds: number;
  readonly rate: number;
  readonly workloads: readonly string[];
};

const WARM_UP_SECONDS = 1;
/** Queries of each workload that both servers must answer alike before anything is measured. */
const SAMPLE = 2000;
/** Rounding of distances may decide for another region where two are equally far. */
const AGREEMENT_MIN = 0.99;
/** What preparation may take beside the rounds, on a busy machine. */
const PREPARATION_SECONDS = 75;
/** Start and end of the load generator, for each of its runs. */
const RUN_OVERHEAD_SECONDS = 1;

export async function dnsBench(words: readonly string[], scratch: Scratch): Promise<number> {
  if (process.platform !== 'linux') throw new Error('this bench reads CPU times from Linux /proc');
  const options = readOptions(words);
  const runs =
    2 * (options.rounds * (options.seconds + RUN_OVERHEAD_SECONDS) + WARM_UP_SECONDS + 1);
  const limit = PREPARATION_SECONDS + runs * Math.max(1, options.workloads.length);
  scratch.endAfter(limit, `bench dns: not finished after ${limit} s, so it was stopped.`);
  const versions = [['gdnsd', versionOf('gdnsd', ['-h'])]] as const;
  const command = ['npm run bench -- dns', ...words].join(' ');
  const facts = machineFacts(versions, command);

  say('Writing the geo database and the queries …');
  const prepared = await prepare();
  const workloads = prepared.workloads.filter(({ name }) => options.workloads.includes(name));
  const database = scratch.write('geo.mmdb', prepared.database);
  const [serverCore, clientCore] = chooseCores();
  say('Starting gdnsd and Meridian …');
  const start = { database, core: serverCore, probe: workloads[0]!.queries[0]! };
  const servers = [await startGdnsd(scratch, start), await startMeridian(scratch, start)] as const;

  const agreements = await agree(servers, workloads);
  const measured: Measurement[] = [];
  for (const workload of workloads) {
    const file = scratch.write(`${workload.name}.queries`, streamOf(workload.queries));
    const drive = { scratch, file, workload: workload.name, serverCore, clientCore };
    for (const server of servers)
      await measure(server, drive, { ...options, seconds: WARM_UP_SECONDS });
    for (let round = 1; round <= options.rounds; round++) {
      for (const server of servers) {
        const each = await measure(server, drive, options);
        measured.push({ ...each, round });
        say(`${workload.name} ${round}/${options.rounds} ${server.name}: ${inWords(each)}`);
      }
    }
  }
  const memory = servers.map(({ name, child }) => `${name} ${megabytes(child.pid)} MB`);
  const lines = [
    '',
    ...facts.map(([name, value]) => `- ${name}: ${value}`),
    `- load: ${loadInWords(options)}; server on core ${serverCore}, load generator on core ${clientCore}`,
    ...agreements.map(([name, agreement]) => `- ${agreementLine(name, agreement)}`),
    `- resident memory at the end: ${memory.join(', ')}`,
    '',
    ...resultTable(
      measured,
      servers.map(({ name }) => name),
      'gdnsd',
    ),
    '',
  ];
  process.stdout.write(lines.join('\n'));
  return 0;
}

function readOptions(words: readonly string[]): Options {
  const names = ['static', 'steered', 'steered-ecs'];
  const { values } = parseArgs({
    args: [...words],
    options: {
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '4' },
      rate: { type: 'string', default: '0' },
      workload: { type: 'string', multiple: true, default: names },
    },
  });
  const whole = (name: 'rounds' | 'seconds' | 'rate', least: number): number => {
    const number = Number(values[name]);
    if (Number.isInteger(number) && number >= least) return number;
    throw new Error(`--${name} is a whole number from ${least} on, not "${values[name]}"`);
  };
  const unknown = values.workload.find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new Error(`there is no workload "${unknown}": ${names.join(', ')}`);
  return {
    rounds: whole('rounds', 1),
    seconds: whole('seconds', 1),
    rate: whole('rate', 0),
    workloads: values.workload,
  };
}

/** Throws when the servers do not answer alike. */
async function agree(
  servers: readonly [Server, Server],
  workloads: readonly Workload[],
): Promise<readonly (readonly [string, Agreement])[]> {
  const found: (readonly [string, Agreement])[] = [];
  for (const { name, queries } of workloads) {
    const agreement = await compareServers(
      [servers[0].port, servers[1].port],
      queries.slice(0, SAMPLE),
    );
    say(agreementLine(name, agreement));
    for (const difference of agreement.differences) say(`  ${difference}`);
    if (agreement.same < AGREEMENT_MIN * agreement.asked) {
      throw new Error(`the servers answer "${name}" differently: their speeds cannot be compared`);
    }
    found.push([name, agreement]);
  }
  return found;
}

function loadInWords({ rate, rounds, seconds }: Options): string {
  const limit = rate > 0 ? `, at most ${rate} queries a second` : '';
  const each = `${rounds} rounds of ${seconds} s for each server and workload`;
  return `${each}, ${OUTSTANDING} queries under way from ${CLIENTS} sockets${limit}`;
}
