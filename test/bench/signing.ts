/**
 * `npm run bench -- signing`: what signed answers cost, beside Knot with its module `onlinesign`, which signs
 * each answer when it is asked for. Both sign with ECDSA P-256 and deny compactly. The figure is CPU seconds
 * per million answers of the whole process, so a signature that another thread made counts.
 */

import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { NODE_FLAGS } from '../../src/node-flags.mjs';
import { freePort } from '../node/free-addresses.ts';
import { chooseCores, inWords, measure, megabytes, say } from './dns-drive.ts';
import { MAIN, type Server, SIGNED_ZONES, whenReady } from './dns-servers.ts';
import { type Measurement, resultTable } from './dns-table.ts';
import { query, STATIC_HOSTS, TTL_SECONDS, ZONE } from './dns-workload.ts';
import { machineFacts, versionOf } from './machine.ts';
import { wholeNumber } from './option-values.ts';
import { streamOf } from './query-bytes.ts';
import type { Scratch } from './scratch.ts';

export const SIGNING_SUMMARY = 'CPU time per signed answer, also of names that nobody foresaw';
export const SIGNING_USAGE = `npm run bench -- signing [options]

  --rounds N         rounds of each workload (3)
  --seconds N        length of one round of one server (4)
  --rate N           queries a second for names that nobody foresaw (1500)

Workloads: names that are there; the same 1000 names that are not there; names that are not there and are
asked for once.
`;

const MISSING = 1000;
const WARM_UP_SECONDS = 1;
const START_SECONDS = 60;

export async function signingBench(words: readonly string[], scratch: Scratch): Promise<number> {
  if (process.platform !== 'linux') throw new Error('this bench reads CPU times from Linux /proc');
  const { rate, rounds, seconds } = readOptions(words);
  scratch.endAfter(START_SECONDS + 6 * rounds * (seconds + 3) + 30, 'bench signing: not finished.');
  const facts = machineFacts(
    [['Knot', versionOf('knotd', ['-V'])]],
    ['npm run bench -- signing', ...words].join(' '),
  );
  const [serverCore, clientCore] = chooseCores();
  say('Starting Knot and Meridian …');
  const servers = [
    await startKnot(scratch, serverCore),
    await startSignedMeridian(scratch, serverCore),
  ];
  const measured: Measurement[] = [];
  for (const { make, name, rate: limit } of workloads(rate, seconds)) {
    for (let round = 0; round <= rounds; round += 1) {
      for (const server of servers) {
        // Names that were asked for once before would be no news.
        const file = scratch.write(`${name}.queries`, streamOf(make()));
        const drive = { scratch, file, workload: name, serverCore, clientCore };
        const each = await measure(server, drive, {
          rate: limit,
          seconds: round === 0 ? WARM_UP_SECONDS : seconds,
        });
        if (round === 0) continue;
        measured.push({ ...each, round });
        say(`${name} ${round}/${rounds} ${server.name}: ${inWords(each)}`);
      }
    }
  }
  const memory = servers.map(({ name, child }) => `${name} ${megabytes(child.pid)} MB`);
  const names = servers.map(({ name }) => name);
  const lines = [
    '',
    ...facts.map(([name, value]) => `- ${name}: ${value}`),
    `- load: ${rounds} rounds of ${seconds} s; server on core ${serverCore}, load generator on core ${clientCore}; names that are asked for once at ${rate} a second`,
    `- resident memory at the end: ${memory.join(', ')}`,
    '',
    ...resultTable(measured, names, 'Knot'),
    '',
  ];
  process.stdout.write(lines.join('\n'));
  return 0;
}

function readOptions(words: readonly string[]) {
  const { values } = parseArgs({
    args: [...words],
    options: {
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '4' },
      rate: { type: 'string', default: '1500' },
    },
  });
  return {
    rounds: wholeNumber('rounds', values.rounds),
    seconds: wholeNumber('seconds', values.seconds),
    rate: wholeNumber('rate', values.rate),
  };
}

type Workload = {
  readonly name: string;
  readonly rate: number;
  /** Queries per second at most; 0 = as fast as answers come. */
  make(): readonly Uint8Array[];
};

function workloads(rate: number, seconds: number): readonly Workload[] {
  const missing = Array.from({ length: MISSING }, (_, index) => signedQuery(`no${index}`));
  const once = () =>
    Array.from({ length: rate * (seconds + 1) }, () => signedQuery(randomBytes(8).toString('hex')));
  return [
    { name: 'signed', rate: 0, make: () => STATIC_HOSTS.map(([host]) => signedQuery(host)) },
    { name: 'missing-again', rate: 0, make: () => missing },
    { name: 'missing-once', rate, make: once },
  ];
}

const signedQuery = (host: string): Uint8Array => query(host, [], true);

async function startKnot(scratch: Scratch, core: number): Promise<Server> {
  const port = await freePort();
  const hosts = STATIC_HOSTS.map(([host, address]) => `${host} A ${address}`);
  const zone = scratch.write(
    'knot/zone',
    `$ORIGIN ${ZONE}.
$TTL ${TTL_SECONDS}
@ 60 SOA ns1 hostmaster 1 3600 600 1209600 60
@ NS ns1
ns1 A 192.0.2.53
${hosts.join('\n')}
`,
  );
  const config = scratch.write(
    'knot/knot.conf',
    `server:
  rundir: ${scratch.directory('knot/run')}
  listen: 127.0.0.1@${port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: ${scratch.directory('knot/db')}
policy:
  - id: bench
    algorithm: ecdsap256sha256
    single-type-signing: on
    manual: off
mod-onlinesign:
  - id: bench
    policy: bench
zone:
  - domain: ${ZONE}
    file: ${zone}
    module: mod-onlinesign/bench
`,
  );
  const child = scratch.start('taskset', ['-c', String(core), 'knotd', '-c', config]);
  return whenReady('Knot', port, child, { probe: signedQuery('h0') });
}

async function startSignedMeridian(scratch: Scratch, core: number): Promise<Server> {
  const port = await freePort();
  const stateDirectory = scratch.directory('state');
  const config = {
    node: { name: 'bench', roles: ['nameserver'], workers: { dns: 1 }, stateDirectory },
    dns: { listeners: [`127.0.0.1:${port}`] },
    zones: SIGNED_ZONES,
    log: { level: 'warn' },
  };
  const file = scratch.write('signed.yaml', JSON.stringify(config, undefined, 2));
  const words = ['-c', String(core), process.execPath];
  words.push(...NODE_FLAGS, MAIN, 'run', '--config', file);
  const child = scratch.start('taskset', words);
  return whenReady('Meridian', port, child, { probe: signedQuery('h0') });
}
