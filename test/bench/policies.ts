/**
 * `npm run bench -- policies`: what an answer costs by the policy of its name, of one Meridian. The same client subnets
 * ask each name in turn, in alternating rounds; the name that goes by distance alone is what the others are compared with.
 */
import { parseArgs } from 'node:util';
import type { CapacityPlan } from '../../src/capacity/plan.ts';
import { encodePlan } from '../../src/capacity/plan-file.ts';
import { layerOfMap } from '../../src/clients/latency-layer.ts';
import { encodeLatencyMap, type LatencyMap } from '../../src/clients/latency-map.ts';
import { networkKey } from '../../src/clients/network-key.ts';
import { validateConfig } from '../../src/config/validate.ts';
import type { GeoDatabase } from '../../src/geo/database.ts';
import { compileSnapshot } from '../../src/nameserver/compile.ts';
import { plannedClasses } from '../../src/planning/planned-classes.ts';
import { createGeoFiles, readPlaces } from '../../src/workers/geo-files.ts';
import { freePort } from '../node/free-addresses.ts';
import { drawSubnets } from './client-subnets.ts';
import { chooseCores, inWords, measure, megabytes, say } from './dns-drive.ts';
import { MAIN, whenReady } from './dns-servers.ts';
import { type Measurement, median, ratioOf } from './dns-table.ts';
import { REGIONS } from './dns-workload.ts';
import { DRAW_BYTES, type Draws, firstQueries } from './drawn-queries.ts';
import { writeAsked } from './load.ts';
import { machineFacts } from './machine.ts';
import { createRandom } from './random.ts';
import type { Scratch } from './scratch.ts';

export const POLICIES_SUMMARY =
  'CPU time per answer by policy: distance, latency, capacity, nested ones';
export const POLICIES_USAGE = `npm run bench -- policies [options]

  --rounds N    rounds of each policy (21)
  --seconds N   length of one round (2)
`;

const ZONE = 'gslb.example';
const PLAIN = 'distance';
const SUBNETS = 500_000;
/** Of the networks that ask over IPv4, one in so many has been measured. */
const MEASURED_EVERY = 4;
const SEED = 20_261_123;
const WARM_UP_SECONDS = 2;
/** The goal: no policy costs more than this beside distance. */
const MOST = 1.05;

const near = { step: 'nearest', toleranceKm: 0 };
/** By the name that has it. */
const POLICIES: Readonly<Record<string, readonly unknown[]>> = {
  [PLAIN]: ['healthy', near, 'first'],
  latency: ['latency', 'healthy', 'first'],
  capacity: ['healthy', near, 'capacity', 'first'],
  'latency-capacity': ['latency', 'healthy', 'capacity', 'first'],
  weighted: ['healthy', 'weighted', 'first'],
  sticky: ['healthy', 'sticky', 'first'],
  nested: [
    'healthy',
    { step: 'match', rules: [{ continents: ['EU'], policy: 'inner' }] },
    { step: 'canary', percent: 5, regions: ['singapore'] },
    near,
    'first',
  ],
};
const INNER = [
  { step: 'split', parts: [{ percent: 20, regions: ['virginia'] }] },
  { step: 'try', parts: [{ policy: 'distance', regions: ['frankfurt', 'singapore'] }] },
  'first',
];

export async function policiesBench(words: readonly string[], scratch: Scratch): Promise<number> {
  if (process.platform !== 'linux') throw new Error('this bench reads CPU times from Linux /proc');
  const { rounds, seconds } = readOptions(words);
  const facts = machineFacts([], ['npm run bench -- policies', ...words].join(' '));
  const [core, clientCore] = chooseCores();
  say('Writing queries, a latency map and a capacity plan …');
  const geo = readGeo();
  const asked = Object.keys(POLICIES).map((policy) => ({
    name: policy,
    asked: drawSubnets(geo, `${policy}.${ZONE}`, SUBNETS, createRandom(SEED)),
  }));
  const port = await freePort();
  const directory = scratch.directory('state');
  const config = configOf(port, directory);
  const map = latencyMap(asked[0]!.asked);
  scratch.write('state/latency-map.bin', encodeLatencyMap(map));
  scratch.write('state/capacity-plan.bin', encodePlan(capacityPlan(config, geo, map)));
  const file = scratch.write('meridian.json', JSON.stringify(config, undefined, 2));
  const child = scratch.start('taskset', [
    '-c',
    String(core),
    process.execPath,
    ...process.execArgv,
    MAIN,
    'run',
    '--config',
    file,
  ]);
  const probe = firstQueries(asked[0]!.asked, 1)[0]!;
  const server = await whenReady('Meridian', port, child, { probe });
  const drives = asked.map((each) => ({
    ...{ scratch, ...writeAsked(scratch, each), workload: each.name },
    ...{ serverCore: core, clientCore },
  }));
  const measured: Measurement[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    for (const drive of drives) {
      const time = round === 0 ? WARM_UP_SECONDS : seconds;
      const each = await measure(server, drive, { rate: 0, seconds: time });
      if (round === 0) continue;
      measured.push({ ...each, round });
      say(`${drive.workload} ${round}/${rounds}: ${inWords(each)}`);
    }
  }
  const lines = [
    '',
    ...facts.map(([name, value]) => `- ${name}: ${value}`),
    `- load: ${rounds} rounds of ${seconds} s for each policy; ${SUBNETS} client subnets, ${map.rows.length} networks measured; the server on core ${core}, the load generator on core ${clientCore}`,
    `- resident memory at the end: ${megabytes(child.pid)} MB`,
    '',
    ...table(measured),
    '',
  ];
  process.stdout.write(lines.join('\n'));
  return 0;
}

function readOptions(words: readonly string[]) {
  const { values } = parseArgs({
    args: [...words],
    options: {
      rounds: { type: 'string', default: '21' },
      seconds: { type: 'string', default: '2' },
    },
  });
  const whole = (name: string, text: string): number => {
    const number = Number(text);
    if (Number.isInteger(number) && number >= 1) return number;
    throw new Error(`--${name} is a whole number from 1 on, not "${text}"`);
  };
  return { rounds: whole('rounds', values.rounds), seconds: whole('seconds', values.seconds) };
}

function configOf(port: number, stateDirectory: string) {
  return {
    node: { name: 'bench', roles: ['nameserver'], workers: { dns: 1 }, stateDirectory },
    dns: { listeners: [`127.0.0.1:${port}`] },
    regions: Object.fromEntries(
      REGIONS.map(({ latitude, longitude, name, vip }) => [
        name,
        { location: { latitude, longitude }, vips: vip, capacity: 1000 },
      ]),
    ),
    pools: { web: { endpoints: REGIONS.map(({ name }) => name) } },
    policies: {
      ...Object.fromEntries(Object.entries(POLICIES).map(([name, chain]) => [name, { chain }])),
      inner: { chain: INNER },
    },
    zones: {
      [ZONE]: {
        nameservers: ['ns1'],
        records: { ns1: { A: '192.0.2.53' } },
        steered: Object.fromEntries(
          Object.keys(POLICIES).map((policy) => [policy, { pool: 'web', policy }]),
        ),
      },
    },
    log: { level: 'warn' },
  };
}

function readGeo(): GeoDatabase {
  const validated = valid(configOf(53, '/nowhere'));
  const loaded = createGeoFiles().load(validated.geo, readPlaces());
  if (!loaded.ok) throw new Error(loaded.reason);
  return loaded.geo;
}

function valid(config: unknown) {
  const validated = validateConfig(JSON.stringify(config), 'bench.json', {}, readPlaces());
  if (!validated.ok) throw new Error(JSON.stringify(validated.issues[0]));
  return validated.config;
}

/** Some of those who ask over IPv4 are nearer to another region than geography says. */
function latencyMap({ bytes }: Draws): LatencyMap {
  const networks = new Set<number>();
  for (let at = 0; at < bytes.length; at += DRAW_BYTES * MEASURED_EVERY) {
    // The first octet tells IPv6 draws.
    if (bytes[at] !== 0) continue;
    networks.add(
      networkKey({ family: 4, bytes: Uint8Array.of(...bytes.subarray(at + 1, at + 4), 0) }),
    );
  }
  const orders = [
    [1, 0, 2],
    [2, 1, 0],
    [0, 2, 1],
  ];
  return {
    generation: 1,
    madeAtMs: Date.now(),
    regions: REGIONS.map(({ name }) => name),
    orders,
    rows: [...networks]
      .sort((a, b) => a - b)
      .map((network, index) => ({
        network,
        order: index % orders.length,
        waysMs: [20, 60, 90],
        sources: 1,
      })),
  };
}

/** Every class of clients is shared out over all regions: the dearest that a plan can be. */
function capacityPlan(
  config: ReturnType<typeof configOf>,
  geo: GeoDatabase,
  map: LatencyMap,
): CapacityPlan {
  const layer = layerOfMap(map);
  const compiled = compileSnapshot(
    valid(config),
    geo,
    1,
    0,
    undefined,
    undefined,
    undefined,
    layer,
  );
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.issues[0]));
  const names = REGIONS.map(({ name }) => name);
  const classes = [...plannedClasses(compiled.snapshot).values()]
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .slice(0, 2000)
    .map(({ key, pool, waysMs }) => ({
      ...{ key, pool, demand: 1, slots: [700, 224, 100] },
      waysMs: names.map((name) => waysMs.get(name) ?? null),
    }));
  say(`The plan has ${classes.length} classes.`);
  const regions = names.map((name) => ({ name, capacity: 1000, target: 800 }));
  return { generation: 1, madeAtMs: Date.now(), regions, classes, trims: [] };
}

function table(measured: readonly Measurement[]): readonly string[] {
  const head = [
    'policy',
    'CPU s per million, min / median',
    `beside ${PLAIN}, median of rounds`,
    'goal',
    'met',
  ];
  const base = measured.filter(({ workload }) => workload === PLAIN);
  const rows = Object.keys(POLICIES).map((policy) => {
    const own = measured.filter(({ workload }) => workload === policy);
    const cpu = own.map(({ cpuPerMillion }) => cpuPerMillion);
    const ratio = ratioOf(own, base, ({ cpuPerMillion }) => cpuPerMillion) ?? Number.NaN;
    return [
      policy,
      `${Math.min(...cpu).toFixed(2)} / ${median(cpu).toFixed(2)}`,
      ratio.toFixed(3),
      policy === PLAIN ? '' : MOST.toFixed(2),
      policy === PLAIN ? '' : ratio <= MOST ? 'yes' : '**no**',
    ];
  });
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}
