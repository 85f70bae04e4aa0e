import { type Command, InvalidArgumentError } from 'commander';
import type { Margin } from '../steering/close-choice.ts';
import type { MapReport } from '../steering/map-report.ts';
import { configPath } from './config-file.ts';
import { type CliContext, examples } from './context.ts';
import { CliExit, EXIT_NO, EXIT_OK, EXIT_USAGE } from './exit.ts';
import type { NameGroup } from './map-groups.ts';
import type { LoadedSide, SideFacts } from './map-sides.ts';

/** `meridian map`: what geo data, regions and policies come to, and what a change of them does, before it does it. */
export function addMap(program: Command, context: CliContext): void {
  program
    .command('map')
    .description(
      'What the geo data, regions and policies of a configuration come to: shares of regions, close choices, changes',
    )
    .argument('[file]', 'the configuration (default: as "meridian run" finds it)')
    .option('--name <name>', 'a steered name (repeatable; default: all)', repeat)
    .option('--against <file>', 'a configuration of before: tells what changes')
    .option(
      '--against-geo <file>',
      'geo data of before, in place of those that the other configuration names (repeatable)',
      repeat,
    )
    .option('--against-latency <file>', 'a latency map of before')
    .option('--latency <file>', "a node's latency-map.bin, for policies that go by latency")
    .option(
      '--close-km <km>',
      'a choice is close when the second region is less than this farther away',
      (text) => numberOf(text, KM_MAX),
      KM_DEFAULT,
    )
    .option(
      '--close-ms <ms>',
      'likewise, where latency decides (default: latency.band of the configuration)',
      (text) => numberOf(text, MS_MAX),
    )
    .option(
      '--networks <number>',
      'networks of each family in each list',
      networksOf,
      NETWORKS_DEFAULT,
    )
    .addHelpText(
      'after',
      examples(
        'meridian map meridian.yaml',
        'meridian map meridian.yaml --name www.gslb.example --close-km 200',
        'meridian map meridian.yaml --against /etc/meridian/meridian.yaml',
        'meridian map meridian.yaml --against-geo places-2026-05.pack',
        'meridian map meridian.yaml --latency /var/lib/meridian/latency-map.bin -o json',
      ),
    )
    .action(
      context.action((file: string | undefined, options: MapOptions) =>
        map(context, file, options),
      ),
    );
}

type MapOptions = {
  readonly name?: readonly string[];
  readonly against?: string;
  readonly againstGeo?: readonly string[];
  readonly againstLatency?: string;
  readonly latency?: string;
  readonly closeKm: number;
  readonly closeMs?: number;
  readonly networks: number;
};

/** Places of the shipped data are cells of a degree, 111 km from north to south. */
const KM_DEFAULT = 100;
/** Half of the earth's circumference. */
const KM_MAX = 20_040;
const MS_MAX = 10_000;
const NETWORKS_DEFAULT = 10;
const NETWORKS_MAX = 10_000;

const repeat = (text: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  text,
];

function numberOf(text: string, most: number): number {
  const value = Number(text);
  if (text !== '' && value >= 0 && value <= most) return value;
  throw new InvalidArgumentError(`Give a number from 0 to ${most}.`);
}

function networksOf(text: string): number {
  const value = numberOf(text, NETWORKS_MAX);
  if (Number.isInteger(value)) return value;
  throw new InvalidArgumentError(`Give a whole number from 0 to ${NETWORKS_MAX}.`);
}

/** What the command tells, as JSON or YAML too. */
export type MapTold = SideFacts & {
  readonly against?: SideFacts;
  /** Steered now and not before, and the other way round; of the names that were asked for. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly maps: readonly NamedReport[];
};

export type NamedReport = MapReport &
  Pick<NameGroup, 'names' | 'policies' | 'pools'> & {
    /** It has a step that goes by latency. */
    readonly readsLatency: boolean;
  };

async function map(
  context: CliContext,
  given: string | undefined,
  options: MapOptions,
): Promise<number> {
  const { io } = context;
  const [{ createSideReader }, { absoluteName, groupNames, steeredNames }, { reportMap }, words] =
    await Promise.all([
      import('./map-sides.ts'),
      import('./map-groups.ts'),
      import('../steering/map-report.ts'),
      import('./map-text.ts'),
    ]);
  const file = configPath(given, io.env);
  const readSide = await createSideReader(io);
  const now = await readSide({ config: file, latency: options.latency });
  const before = isCompared(options) ? await readSide(filesBefore(file, options)) : undefined;
  const own = steeredNames(now.config);
  const older = before && steeredNames(before.config);
  const isAsked = askedFor(options.name, absoluteName, [own, older ?? own], file);
  const groups = groupNames([...own.keys()].filter(isAsked), now, before);
  const reportOptions = {
    margin: marginOf(options, now),
    networksMax: options.networks,
    nowMs: io.nowMs(),
  };
  const told: MapTold = {
    ...now.facts,
    ...(before && { against: before.facts }),
    added:
      older === undefined
        ? []
        : [...own.keys()].filter((name) => isAsked(name) && !older.has(name)),
    removed: [...(older ?? own).keys()].filter((name) => isAsked(name) && !own.has(name)),
    maps: groups.map(({ before: was, names, policies, pools, subject }) => ({
      ...{ names, policies, pools, readsLatency: subject.policy.reads.has('latency') },
      ...reportMap(subject, reportOptions, was),
    })),
  };
  const output = context.output();
  await output.result(told, () => words.mapText(told, output.paint));
  return EXIT_OK;
}

const isCompared = ({ against, againstGeo, againstLatency }: MapOptions): boolean =>
  [against, againstGeo, againstLatency].some((option) => option !== undefined);

/** What is not given is as it is now. */
const filesBefore = (
  file: string,
  { against = file, againstGeo, againstLatency, latency }: MapOptions,
) => ({ config: against, databases: againstGeo, latency: againstLatency ?? latency });

const marginOf = ({ closeKm, closeMs }: MapOptions, { config }: LoadedSide): Margin => ({
  km: closeKm,
  ms: closeMs ?? config.latency.rules.bandMs,
});

type Names = { has(name: string): boolean; keys(): Iterable<string>; readonly size: number };

/** Which names are meant. Ends the command where one is steered by neither side, or none is there at all. */
function askedFor(
  given: readonly string[] | undefined,
  absoluteName: (text: string) => string | undefined,
  sides: readonly Names[],
  file: string,
): (name: string) => boolean {
  if (sides.every(({ size }) => size === 0)) {
    const hint = 'Names are steered under zones.<zone>.steered.';
    throw new CliExit(EXIT_NO, `${file} steers no name.`, hint);
  }
  if (given === undefined) return () => true;
  const asked = new Set<string>();
  for (const text of given) {
    const name = absoluteName(text);
    if (name === undefined) throw new CliExit(EXIT_USAGE, `"${text}" is not a host name.`);
    if (!sides.some((side) => side.has(name))) {
      const some = [...sides[0]!.keys()].slice(0, NAMES_IN_HINT).join(', ');
      throw new CliExit(EXIT_NO, `${file} does not steer ${name}`, `It steers ${some}.`);
    }
    asked.add(name);
  }
  return (name) => asked.has(name);
}

const NAMES_IN_HINT = 5;
