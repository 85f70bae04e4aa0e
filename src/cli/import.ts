import { readFileSync, writeFileSync } from 'node:fs';
import { type Command, InvalidArgumentError } from 'commander';
import type { OctodnsImport } from '../migration/octodns/import.ts';
import type { TextFiles } from '../migration/tree-reader.ts';
import { whyUnreadable } from './config-file.ts';
import { type CliContext, examples } from './context.ts';
import { CliExit, EXIT_CONFIG, EXIT_NO, EXIT_OK, EXIT_USAGE } from './exit.ts';
import { warningText } from './issue-text.ts';

/** `meridian import octodns`: what other systems are configured with, as a configuration of ours. */
export function addImport(program: Command, context: CliContext): void {
  const group = program
    .command('import')
    .description('Make a configuration of what another system has')
    .addHelpText('after', examples('meridian import octodns example.com.yaml --to meridian.yaml'));
  group
    .command('octodns')
    .description(
      'Zone files of octoDNS, with dynamic and geo records: docs/IMPORT.md says what becomes of what',
    )
    .argument(
      '<files...>',
      'files of its YamlProvider, named as their zones: config/example.com.yaml',
    )
    .option(
      '--to <file>',
      'the configuration to write, which must not be there yet; default: standard output',
    )
    .option(
      '--nameserver <name>',
      'a nameserver of the zones, in full, instead of those in the files; repeat it for more',
      (name: string, before: readonly string[]) => [...before, name],
      [],
    )
    .option(
      '--lenient',
      'take what octoDNS refuses with warnings, as it does for zones with "lenient: true"',
    )
    .option(
      '--ttl <seconds>',
      'TTL of records that state none: default_ttl of the provider',
      ttlOf,
      TTL_DEFAULT,
    )
    .addHelpText(
      'after',
      examples(
        'meridian import octodns config/example.com.yaml --to meridian.yaml',
        'meridian import octodns config/*.yaml --nameserver ns1.example.net --nameserver ns2.example.net --to meridian.yaml',
        'meridian import octodns config/example.com./*.yaml > meridian.yaml',
        'meridian check meridian.yaml',
      ),
    )
    .action(
      context.action((files: readonly string[], options: OctodnsOptions) =>
        octodns(context, files, options),
      ),
    );
}

type OctodnsOptions = {
  readonly to?: string;
  readonly nameserver: readonly string[];
  readonly lenient?: boolean;
  readonly ttl: number;
};

/** That of octoDNS; the room that reads its files is loaded when it is wanted. */
const TTL_DEFAULT = 3600;
const TTL_MAX = 2 ** 31 - 1;

function ttlOf(text: string): number {
  const seconds = Number(text);
  if (/^[0-9]+$/.test(text) && seconds <= TTL_MAX) return seconds;
  throw new InvalidArgumentError('Give whole seconds: 3600.');
}

async function octodns(
  context: CliContext,
  paths: readonly string[],
  { lenient = false, nameserver, to, ttl }: OctodnsOptions,
): Promise<number> {
  const [{ importOctodns }, { readPlaces }] = await Promise.all([
    import('../migration/octodns/import.ts'),
    import('../workers/geo-files.ts'),
  ]);
  const options = { ttl, nameservers: nameserver, isLenient: lenient };
  const result = importOctodns(paths, readTextFile, readPlaces(), options);
  if (!result.ok) {
    const count = result.issues.length;
    const told = `${count} problem${count === 1 ? '' : 's'}: nothing was written.`;
    throw new CliExit(EXIT_CONFIG, told, undefined, result.issues);
  }
  for (const warning of result.warnings) context.io.stderr.write(warningText(warning));
  if (to !== undefined) writeNew(to, result.text);
  await show(context, result, to);
  return EXIT_OK;
}

async function show(
  context: CliContext,
  { ok: _, text, ...counts }: OctodnsImport & { readonly ok: true },
  to: string | undefined,
): Promise<void> {
  const { records, steered, warnings, zones } = counts;
  const value = to === undefined ? { config: text, ...counts } : { file: to, ...counts };
  await context
    .output()
    .result(value, () =>
      to === undefined
        ? text
        : `${to}: ${number(zones, 'zone')}, ${number(records, 'record set')}, ${number(steered, 'steered name')}, ${number(warnings.length, 'warning')}.\n`,
    );
}

const number = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;

const readTextFile: TextFiles = (path) => {
  try {
    return { text: readFileSync(path, 'utf8') };
  } catch (error) {
    return { message: whyUnreadable(error) };
  }
};

/** A configuration that is there is somebody's work. */
function writeNew(path: string, text: string): void {
  try {
    writeFileSync(path, text, { flag: 'wx' });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') {
      const hint = 'Choose another name, or take it away first.';
      throw new CliExit(EXIT_USAGE, `${path} is there already.`, hint);
    }
    throw new CliExit(EXIT_NO, `${path} cannot be written: ${message}.`);
  }
}
