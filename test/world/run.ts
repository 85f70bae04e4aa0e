/**
 * `npm run world`: who is sent where by Meridian and by the rules that others ship, in a world of clients, resolvers and
 * regions that is drawn from a seed. It writes the table and the pictures of docs/SIMULATION.md where `--write` says so.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createGeoFiles, readPlaces } from '../../src/workers/geo-files.ts';
import { lineChart } from './line-chart.ts';
import { meridian } from './meridian-rule.ts';
import { simpleRules } from './rules.ts';
import { SCENARIOS } from './scenarios.ts';
import { type Result, simulate } from './simulate.ts';
import { resultRows } from './table.ts';
import { createDraw, createWorld, type World } from './world.ts';

const PAGE = new URL('../../docs/SIMULATION.md', import.meta.url);
const BEGIN = '<!-- table -->';
const END = '<!-- /table -->';

const STEPS = ['latency', 'healthy', 'capacity', 'first'];
const USUAL = { probes: true, explores: true, targetPercent: 80 };
const VARIANTS = [
  { name: 'Meridian', ...USUAL },
  { name: 'Meridian without probes', ...USUAL, probes: false },
  { name: 'Meridian without exploring', ...USUAL, explores: false },
  { name: 'Meridian, filling to 95 %', ...USUAL, targetPercent: 95 },
];

const { values } = parseArgs({
  options: {
    networks: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '7' },
    scenario: { type: 'string', multiple: true, default: SCENARIOS.map(({ name }) => name) },
    write: { type: 'boolean', default: false },
  },
});
const [networks, seed] = [Number(values.networks), Number(values.seed)];
const world = openWorld(networks, seed);
const results: Result[] = [];
for (const scenario of SCENARIOS.filter(({ name }) => values.scenario.includes(name))) {
  const own = await Promise.all(
    VARIANTS.map(({ name, ...options }) =>
      meridian(name, world, { steps: STEPS, ...options }, createDraw(seed + 1), scenario.startMs),
    ),
  );
  for (const rule of [...own, ...simpleRules(world, createDraw(seed + 2))]) {
    const result = await simulate(world, rule, scenario, createDraw(seed + 3));
    results.push(result);
    process.stdout.write(`${scenario.name}, ${rule.name}: ${result.meanMs.toFixed(1)} ms\n`);
  }
  for (const rule of own) await rule.close();
}
const rows = resultRows(results);
process.stdout.write(`\n${rows.join('\n')}\n`);
if (values.write) write(rows);

function openWorld(count: number, from: number): World {
  const sources = { databases: [], overrides: [], resolvers: [] };
  const loaded = createGeoFiles().load(sources, readPlaces());
  if (!loaded.ok) throw new Error(loaded.reason);
  return createWorld(loaded.geo, from, count);
}

function write(table: readonly string[]): void {
  const page = readFileSync(PAGE, 'utf8');
  const [head = ''] = page.split(BEGIN);
  const [, tail = ''] = page.split(END);
  const command = `\`npm run world -- --networks ${networks} --seed ${seed} --write\``;
  const told = `${world.networks.length} client networks, ${world.askers.length} who ask; ${command}`;
  writeFileSync(PAGE, `${head}${BEGIN}\n${told}\n\n${table.join('\n')}\n${END}${tail}`);
  const loss = results.filter(({ scenario }) => scenario === 'loss');
  const shown = ['Meridian', 'nearest', 'lowest EWMA'];
  for (const { rule, series } of loss.filter((each) => shown.includes(each.rule))) {
    const file = new URL(
      `../../docs/simulation-${rule.toLowerCase().replaceAll(' ', '-')}.svg`,
      import.meta.url,
    );
    const lines = world.regions.map(({ name }, region) => ({
      name,
      points: series.map(({ atMs, uses }) => [atMs / 60_000, (uses[region] ?? 0) * 100] as const),
    }));
    writeFileSync(
      file,
      lineChart(`Use of regions, ${rule}: the largest is lost from minute 10 to 50`, lines),
    );
  }
}
