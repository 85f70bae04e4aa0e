/**
 * `npm run bench -- latency`: what the planner of latency maps takes: memory of so many client networks and regions, and
 * time for taking in a window's measurements, looking at all orders, and making and reading the map. It runs on a
 * thread of its own in a node; what the query path waits for is the swap of a snapshot, which flips measure.
 */
import { parseArgs } from 'node:util';
import { layerOfMap } from '../../src/clients/latency-layer.ts';
import { decodeLatencyMap, encodeLatencyMap } from '../../src/clients/latency-map.ts';
import { createLatencyPlanner } from '../../src/clients/latency-planner.ts';
import { networkKey } from '../../src/clients/network-key.ts';
import type { RttRow } from '../../src/clients/rtt-collector.ts';
import { resolveLatency } from '../../src/config/latency-config.ts';
import { latency } from '../../src/config/latency-schema.ts';
import { addressFromUint32 } from '../../src/ip/address.ts';
import { createGeoFiles, readPlaces } from '../../src/workers/geo-files.ts';
import { spread } from '../../src/zone/compiled-zones.ts';
import { say } from './dns-drive.ts';
import { machineFacts } from './machine.ts';
import { createRandom } from './random.ts';

export const LATENCY_SUMMARY = 'memory and time of the planner of latency maps';
export const LATENCY_USAGE = `npm run bench -- latency [options]

  --networks N   client networks (1000000)
  --regions N    regions (20)
`;

const SEED = 20_261_123;
/** Windows that are ended, each after so many-th a part of the networks has been measured again. */
const WINDOWS = 8;
const PART = 4;
/** Networks that one sketch tells of. */
const ROWS = 50_000;
const TWO_24 = 2 ** 24;

export async function latencyBench(words: readonly string[]): Promise<number> {
  const { networks, regions } = readOptions(words);
  const facts = machineFacts([], ['npm run bench -- latency', ...words].join(' '));
  const loaded = createGeoFiles().load(
    { databases: [], overrides: [], resolvers: [] } as never,
    readPlaces(),
  );
  if (!loaded.ok) throw new Error(loaded.reason);
  const config = resolveLatency({ latency: latency.parse({}) });
  const random = createRandom(SEED);
  const places = loaded.geo.locations.filter((place) => place?.latitude !== undefined);
  const names = Array.from({ length: regions }, (_, region) => ({
    name: `region-${region}`,
    location: places[random() % places.length],
  }));
  const before = memory();
  const planner = createLatencyPlanner({
    ...{ regions: names, geo: loaded.geo, rules: config.rules, hasProbes: false },
    ...{
      networksMax: networks,
      tellsAll: false,
      memoryMs: config.memoryMs,
      ageMaxMs: config.ageMaxMs,
    },
  });
  const keys = drawNetworks(networks, random);
  let nowMs = Date.UTC(2026, 10, 23);
  const learn = (known: readonly number[]): void => {
    for (const [region, { name }] of names.entries()) {
      for (let from = 0; from < known.length; from += ROWS) {
        const rows = known.slice(from, from + ROWS).map((network) => rowOf(network, region));
        planner.learn({ region: name, source: 'clients', rows }, nowMs);
      }
    }
  };
  const learnMs = timeOf(() => learn(keys));
  const windows: number[] = [];
  let report = planner.endWindow(nowMs, true);
  for (let window = 0; window < WINDOWS; window += 1) {
    nowMs += config.windowMs;
    learn(keys.filter((_, index) => index % PART === window % PART));
    windows.push(timeOf(() => (report = planner.endWindow(nowMs, false))));
  }
  let bytes: Uint8Array = new Uint8Array(0);
  const makeMs = timeOf(() => (bytes = encodeLatencyMap(planner.map(1, nowMs))));
  let rows = 0;
  const readMs = timeOf(() => {
    const read = decodeLatencyMap(bytes);
    if (!read.ok) throw new Error(read.reason);
    rows = layerOfMap(read.map).networks.length;
  });
  const lines = [
    '',
    ...facts.map(([name, value]) => `- ${name}: ${value}`),
    '',
    '| what | figure |',
    '| --- | --- |',
    `| networks × regions | ${networks} × ${regions} |`,
    `| memory of what is known, as the planner counts it | ${megabytes(report.octets)} MB |`,
    `| memory of the process, more than before | ${megabytes(memory() - before)} MB |`,
    `| to take in all of it once | ${Math.round(learnMs)} ms |`,
    `| to end a window in which a quarter of the networks was measured | ${windows.map((ms) => Math.round(ms)).join(', ')} ms |`,
    `| to make the map (${rows} networks, ${megabytes(bytes.length)} MB) | ${Math.round(makeMs)} ms |`,
    `| to read it | ${Math.round(readMs)} ms |`,
    '',
  ];
  process.stdout.write(lines.join('\n'));
  return 0;
}

function readOptions(words: readonly string[]) {
  const { values } = parseArgs({
    args: [...words],
    options: {
      networks: { type: 'string', default: '1000000' },
      regions: { type: 'string', default: '20' },
    },
  });
  const whole = (name: string, text: string): number => {
    const number = Number(text);
    if (Number.isInteger(number) && number >= 1) return number;
    throw new Error(`--${name} is a whole number from 1 on, not "${text}"`);
  };
  say('Drawing networks …');
  return {
    networks: whole('networks', values.networks),
    regions: whole('regions', values.regions),
  };
}

/** IPv4 /24s that may be clients', no two the same, ascending. */
function drawNetworks(count: number, random: () => number): readonly number[] {
  const drawn = new Set<number>();
  while (drawn.size < count) {
    const network = networkKey(addressFromUint32((random() % TWO_24) * 256));
    if (network >= 0) drawn.add(network);
  }
  return [...drawn].sort((a, b) => a - b);
}

/** The same of a network and a region whenever it is asked for. */
function rowOf(network: number, region: number): RttRow {
  const drawn = spread(network ^ spread(region + 1)) >>> 0;
  return { network, rttMs: 5 + (drawn % 2000) / 10, deviationMs: 1, count: 5 + (drawn % 50) };
}

function timeOf(act: () => unknown): number {
  const startedMs = performance.now();
  act();
  return performance.now() - startedMs;
}

function memory(): number {
  globalThis.gc?.();
  return process.memoryUsage().rss;
}

const megabytes = (octets: number): number => Math.round(octets / 1e6);
