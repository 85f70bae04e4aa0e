/**
 * `npm run bench -- geo`: what the compile worker does with geo databases, step by step: open each, put them
 * together, build the look-up table, and the map of a `nearest` policy with twelve regions. Times are CPU time
 * of the thread; what garbage collection does in threads of its own beside it is in the last column only.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { composeGeo, type GeoDatabase } from '../../src/geo/database.ts';
import { classCount } from '../../src/steering/class-list.ts';
import { buildMap } from '../../src/steering/map.ts';
import { compilePolicy } from '../../src/steering/policy.ts';
import { opened, readCentroids, readPlaces } from '../geo/fixtures.ts';
import { machineFacts } from './machine.ts';
import { openThreadClock } from './thread-clock.ts';

export const GEO_SUMMARY = 'what it takes to compile geo databases';
export const GEO_USAGE = `npm run bench -- geo [options]

  --file PATH.mmdb   a database instead of the embedded one; more than once: they are put together
`;

/** Countries that twelve regions may be in. */
const PLACES = ['US', 'CA', 'BR', 'GB', 'DE', 'FR', 'ZA', 'AE', 'IN', 'SG', 'JP', 'AU'];
const CHAIN = ['healthy', 'nearest', 'first'].map((kind) => ({ kind, options: {} }));

export async function geoBench(words: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...words],
    options: { file: { type: 'string', multiple: true, default: [] } },
  });
  const facts = machineFacts([], ['npm run bench -- geo', ...words].join(' '));
  const rows: string[] = [];
  const [clock, startedMs] = [openThreadClock(), performance.now()];
  let sum = 0;
  const step = <T>(name: string, work: () => T, tell: (made: T) => string): T => {
    const [before, beforeMs] = [clock(), performance.now()];
    const made = work();
    const cpuMs = (clock() - before) / 1000;
    sum += cpuMs;
    const elapsedMs = performance.now() - beforeMs;
    rows.push(
      `| ${name} | ${cpuMs.toFixed(0)} | ${elapsedMs.toFixed(0)} | ${tell(made)} | ${peak()} |`,
    );
    return made;
  };
  const centroids = readCentroids();
  const paths = values.file.length > 0 ? values.file : [undefined];
  const databases = paths.map((path) => {
    const bytes = path === undefined ? readPlaces() : readFileSync(path);
    const name = path === undefined ? 'the places that come with it' : basename(path);
    return step(`open ${name}`, () => opened(bytes, centroids), rangesText);
  });
  const geo = step('put together', () => composeGeo(databases, []), rangesText);
  const candidates = PLACES.map((country, endpoint) => {
    const { latitude, longitude } = centroids.countries.get(country)!;
    const location = { latitude, longitude, country };
    return {
      endpoint,
      name: `pool/${country}`,
      label: country,
      region: country,
      location,
      weight: 1,
    };
  });
  const regions = candidates.map(({ location }) => location);
  const map = () => buildMap(compilePolicy(CHAIN), candidates, geo, regions);
  step('map of `nearest`, 12 regions', map, ({ classes, table }) => {
    return `${classCount(classes)} classes, ${sizeText(table)}`;
  });
  const user = process.cpuUsage();
  const lines = [
    '',
    ...facts.map(([name, value]) => `- ${name}: ${value}`),
    '',
    '| step | CPU ms of the thread | ms | result | peak of resident memory so far |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    `| all | ${sum.toFixed(0)} | ${(performance.now() - startedMs).toFixed(0)} | CPU of all threads, start included: ${((user.user + user.system) / 1e6).toFixed(1)} s | ${peak()} |`,
    '',
  ];
  process.stdout.write(lines.join('\n'));
  return 0;
}

/** The largest that the process has been, in MB; Node reports kilobytes. */
const peak = (): string => `${Math.round((process.resourceUsage().maxRSS * 1024) / 1e6)} MB`;

function rangesText({ locations, ranges }: GeoDatabase): string {
  const { values4, values6 } = ranges;
  return `${locations.length} locations, ${values4.length} IPv4 and ${values6.length} IPv6 ranges`;
}

function sizeText(table: object): string {
  const bytes = Object.values(table).reduce<number>(
    (all, { byteLength = 0 }) => all + byteLength,
    0,
  );
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
