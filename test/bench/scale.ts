/**
 * `npm run bench -- scale`: how starting and one reload grow with what is served. A node with one DNS worker, as a
 * process of its own, on zone files as an operator has them: many small zones, one large zone, a file of
 * networks, steered names. The figures are those of the whole process with all its threads.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { geoPaths } from '../../src/workers/geo-files.ts';
import { machineFacts } from './machine.ts';
import {
  networkLines,
  STEERED_WORLDS,
  steeredConfig,
  ZONE_RRSETS,
  zoneText,
} from './scale-inputs.ts';
import { measureStart, START_HEAD } from './scale-node.ts';
import { measureReloads, RELOAD_HEAD } from './scale-reloads.ts';
import type { Scratch } from './scratch.ts';

export const SCALE_SUMMARY =
  'time, memory and reloads with up to a million RRsets and networks, and steered names';
export const SCALE_USAGE = `npm run bench -- scale [options]

  --rrsets N,N,…     RRsets of each step of the curve (10000,100000,1000000)
  --networks N,N,…   operator networks (10000,100000,1000000)
  --names N,N,…      steered names (10000,100000), of 500 endpoints
  --reloads N        reloads of one zone at each step of RRsets (300)

A list of 0 leaves that out.
`;

const BENCH_SECONDS_MAX = 1800;
const RELOADS = 300;

type Rows = { readonly starts: (readonly string[])[]; readonly reloads: (readonly string[])[] };

export async function scaleBench(words: readonly string[], scratch: Scratch): Promise<number> {
  if (process.platform !== 'linux') throw new Error('this bench reads CPU times from Linux /proc');
  const { values } = parseArgs({
    args: [...words],
    options: {
      rrsets: { type: 'string', default: '10000,100000,1000000' },
      networks: { type: 'string', default: '10000,100000,1000000' },
      names: { type: 'string', default: '10000,100000' },
      reloads: { type: 'string', default: String(RELOADS) },
    },
  });
  scratch.endAfter(BENCH_SECONDS_MAX, 'bench scale: not finished.');
  const facts = machineFacts([], ['npm run bench -- scale', ...words].join(' '));
  const rows: Rows = { starts: [], reloads: [] };
  rows.starts.push(await measureStart(scratch, 'nothing', 'empty', {}));
  for (const rrsets of sizes(values.rrsets)) {
    await measureZones(scratch, rrsets, Number(values.reloads), rows);
  }
  for (const networks of sizes(values.networks)) {
    rows.starts.push(await startNetworks(scratch, networks));
  }
  for (const names of sizes(values.names)) {
    for (const world of STEERED_WORLDS) {
      const what = `${names} steered names, ${world.summary}`;
      const folder = `steered-${names}-${world.pools}`;
      rows.starts.push(await measureStart(scratch, what, folder, steeredConfig(names, world)));
    }
  }
  const told = facts.map(([name, value]) => `- ${name}: ${value}`);
  const tables = [...tableOf(START_HEAD, rows.starts), '', ...tableOf(RELOAD_HEAD, rows.reloads)];
  process.stdout.write(`\n${[...told, '', ...tables].join('\n')}\n`);
  return 0;
}

const sizes = (list: string): readonly number[] =>
  list
    .split(',')
    .map(Number)
    .filter((size) => size > 0);

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return rows.length === 0 ? [] : [line(head), line(head.map(() => '---')), ...rows.map(line)];
}

/** The same RRsets in many zones and in one, and reloads of one of the many. */
async function measureZones(
  scratch: Scratch,
  rrsets: number,
  reloads: number,
  rows: Rows,
): Promise<void> {
  const zones = Math.max(1, Math.round(rrsets / ZONE_RRSETS));
  const folder = writeZones(scratch, zones);
  const many = { zoneFolders: [{ folder: 'zones' }] };
  rows.starts.push(await measureStart(scratch, `${zones} zones, ${rrsets} RRsets`, folder, many));
  if (reloads > 0) rows.reloads.push(await measureReloads(scratch, zones, folder, many, reloads));
  scratch.write(join(`one-${rrsets}`, 'zone'), zoneText('large.example', rrsets));
  const one = { zones: { 'large.example': { file: 'zone' } } };
  rows.starts.push(await measureStart(scratch, `1 zone, ${rrsets} RRsets`, `one-${rrsets}`, one));
}

function writeZones(scratch: Scratch, zones: number): string {
  const folder = `many-${zones}`;
  const directory = scratch.directory(join(folder, 'zones'));
  for (let index = 0; index < zones; index += 1) {
    const name = `z${index}.example`;
    writeFileSync(join(directory, `${name}.zone`), zoneText(name, ZONE_RRSETS));
  }
  return folder;
}

function startNetworks(scratch: Scratch, networks: number): Promise<readonly string[]> {
  const folder = `networks-${networks}`;
  const file = scratch.write(join(folder, 'ours.csv'), networkLines(networks));
  const [database] = geoPaths({ databases: [], overrides: [], resolvers: [] });
  const at = (latitude: number, longitude: number) => ({ location: { latitude, longitude } });
  return measureStart(scratch, `${networks} networks`, folder, {
    // Paths of databases are those of the process.
    geo: { databases: [file, database] },
    regions: {
      us: { ...at(39, -77), vips: '192.0.2.1' },
      eu: { ...at(50, 8), vips: '192.0.2.2' },
      asia: { ...at(1, 103), vips: '192.0.2.3' },
    },
    pools: { web: { endpoints: ['us', 'eu', 'asia'] } },
    zones: { 'z.example': { nameservers: 'ns.other.', steered: { www: { pool: 'web' } } } },
  });
}
