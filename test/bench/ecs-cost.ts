/**
 * `npm run bench -- ecs-cost`: how many answers for one name a resolver keeps that honours the scopes of client
 * subnets, by policy, when so many client networks have asked it. Nothing is measured but counted: each client's
 * scope is that of the program's own answer, with the geo data that come with it. Beside it gdnsd with the same data.
 */
import { parseArgs } from 'node:util';
import type { GeoDatabase } from '../../src/geo/database.ts';
import { uniformRanges } from '../../src/ip/ranges.ts';
import { opened, readCentroids, readPlaces } from '../geo/fixtures.ts';
import { entriesOfGeo, writeMmdb } from '../geo/mmdb-writer.ts';
import { drawIpv4 } from './client-subnets.ts';
import { ask, type Reply } from './dns-agreement.ts';
import { say } from './dns-drive.ts';
import { startGdnsd } from './dns-servers.ts';
import { query } from './dns-workload.ts';
import {
  type Answers,
  AS_GDNSD,
  measuredOf,
  queriesFor,
  ROWS,
  type Row,
  readAnswers,
  serveRow,
} from './ecs-cost-rows.ts';
import { type Facts, machineFacts, versionOf } from './machine.ts';
import { wholeNumber } from './option-values.ts';
import { createRandom } from './random.ts';
import { cacheCost } from './resolver-cache.ts';
import { type Scratch, scratchBelow } from './scratch.ts';

export const ECS_COST_SUMMARY = 'answers that resolvers keep of a name, by policy, beside gdnsd';
export const ECS_COST_USAGE = `npm run bench -- ecs-cost [options]

  --clients LIST     client networks that ask, in ascending order (10000,100000)
  --without-gdnsd    counts Meridian's only; the file for gdnsd takes a minute to write
`;

const SEED = 20_261;
/** Of the client networks, one in so many is in the latency map. */
const MEASURED_EVERY = 20;
const TIMEOUT_MS = 1000;
const TRIES = 5;
const CORE = 0;

export async function ecsCostBench(words: readonly string[], scratch: Scratch): Promise<number> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      clients: { type: 'string', default: '10000,100000' },
      'without-gdnsd': { type: 'boolean', default: false },
    },
  });
  const counts = values.clients.split(',').map((text) => wholeNumber('clients', text));
  const isAlone = values['without-gdnsd'];
  const facts = machineFacts(
    isAlone ? [] : [['gdnsd', versionOf('gdnsd', ['-V'])]],
    ['npm run bench -- ecs-cost', ...words].join(' '),
  );
  const geo = opened(readPlaces(), readCentroids());
  const clients = drawIpv4(geo, Math.max(...counts), createRandom(SEED));
  const rows = costRows(geo, clients, counts);
  const beside = isAlone ? [] : await besideGdnsd(scratch, geo, clients, counts);
  process.stdout.write([...factLines(facts, geo), '', ...rows, ...beside, ''].join('\n'));
  return 0;
}

const factLines = (facts: Facts, geo: GeoDatabase): readonly string[] => [
  ...facts.map(([name, value]) => `- ${name}: ${value}`),
  `- geo data: ${geo.description}`,
];

/** The table of all policies. */
export function costRows(
  geo: GeoDatabase,
  clients: Uint32Array,
  counts: readonly number[],
): readonly string[] {
  const measured = measuredOf(clients, MEASURED_EVERY);
  const lines = ROWS.map((row) => {
    const { answersTo, classes } = serveRow(row, geo, measured);
    return `| ${row.label} | ${row.regions.length} | ${classes} | ${costCells(clients, answersTo(clients), counts)} |`;
  });
  return [...head('policy | regions | classes', counts), ...lines];
}

function head(columns: string, counts: readonly number[]): readonly string[] {
  const costs = counts.flatMap((count) => [`answers kept of ${count}`, 'hits']);
  const cells = [...columns.split(' | '), 'mean scope', ...costs];
  return [`| ${cells.join(' | ')} |`, `|${' --- |'.repeat(cells.length)}`];
}

/** The mean scope is that of the most clients. */
function costCells(clients: Uint32Array, { scopes }: Answers, counts: readonly number[]): string {
  const costs = counts.map((count) =>
    cacheCost(clients.subarray(0, count), scopes.subarray(0, count)),
  );
  const { meanScope } = costs.at(-1)!;
  const cells = costs.flatMap(({ entries, hitShare }) => [
    String(entries),
    `${(hitShare * 100).toFixed(1)} %`,
  ]);
  return [`/${meanScope.toFixed(1)}`, ...cells].join(' | ');
}

/** The same data, regions and clients, asked of gdnsd over UDP. */
async function besideGdnsd(
  scratch: Scratch,
  geo: GeoDatabase,
  clients: Uint32Array,
  counts: readonly number[],
): Promise<readonly string[]> {
  say('Writing the geo data for gdnsd …');
  // Clients are IPv4, and it is IPv6 that takes longest.
  const { starts6, values6 } = uniformRanges(0);
  const four = { ...geo, ranges: { ...geo.ranges, starts6, values6 } };
  const meta = { databaseType: 'GeoIP2-City', recordSize: 28 } as const;
  const database = scratch.write('geo.mmdb', writeMmdb(entriesOfGeo(four), meta));
  const lines: string[] = [];
  const agreements: string[] = [];
  for (const row of AS_GDNSD) {
    const count = row.regions.length;
    say(`Asking gdnsd with ${count} regions …`);
    const theirs = await askGdnsd(scratchBelow(scratch, `${count}`), database, row, clients);
    const ours = serveRow(row, geo, measuredOf(clients, clients.length)).answersTo(clients);
    lines.push(`| Meridian, ${row.label} | ${count} | ${costCells(clients, ours, counts)} |`);
    lines.push(`| gdnsd | ${count} | ${costCells(clients, theirs, counts)} |`);
    agreements.push(`- ${count} regions: ${agreementText(ours, theirs)}`);
  }
  return ['', ...head('server | regions', counts), ...lines, '', ...agreements];
}

async function askGdnsd(
  scratch: Scratch,
  database: string,
  { regions }: Row,
  clients: Uint32Array,
): Promise<Answers> {
  const [probe, steeredProbe] = [query('h0', []), query('www', [])];
  const { child, port } = await startGdnsd(scratch, {
    ...{ database, core: CORE, probe, steeredProbe, regions },
  });
  const queries = queriesFor(clients);
  const replies: (Reply | undefined)[] = new Array(queries.length).fill(undefined);
  for (let left = TRIES; left > 0; left -= 1) {
    const missing = [...replies.keys()].filter((index) => replies[index] === undefined);
    const heard = await ask(
      port,
      missing.map((index) => queries[index]!),
      TIMEOUT_MS,
    );
    for (const [at, index] of missing.entries()) replies[index] = heard[at];
  }
  process.kill(child.pid);
  return readAnswers(replies);
}

function agreementText(ours: Answers, theirs: Answers): string {
  const { addresses } = ours;
  const isSame = (index: number): boolean => addresses[index] === theirs.addresses[index];
  const isAlike = (index: number): boolean => ours.scopes[index] === theirs.scopes[index];
  const same = [...addresses.keys()].filter(isSame);
  const alike = same.filter(isAlike).length;
  const wider = same.filter((index) => ours.scopes[index]! < theirs.scopes[index]!).length;
  const rest = `${alike} with the same scope, ${wider} with a wider one than gdnsd's`;
  return `${same.length} of ${addresses.length} clients get the same address, of these ${rest}`;
}
