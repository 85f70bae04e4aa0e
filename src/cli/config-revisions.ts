import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import type { ConfigPublication, ConfigRevision } from '../control/control-plane.ts';
import type { ApiClient, PublishBody } from './api-client.ts';
import { type CliContext, examples } from './context.ts';
import { CliExit, EXIT_USAGE } from './exit.ts';
import { warningText } from './issue-text.ts';
import { sharingText, timeText } from './output.ts';
import { formatTable } from './table.ts';

/** `meridian config push`, `history` and `pull`: the configuration that all nodes share. */
export function addShared(config: Command, context: CliContext): void {
  config
    .command('push')
    .description('Share a configuration with all nodes; an invalid one changes nothing anywhere')
    .argument('[file]', 'the configuration; own sections of nodes are left out of it')
    .option('--revision <number>', 'instead of a file: go back to this revision', parseRevision)
    .option('--note <text>', 'what for, for whoever looks at it later', '')
    .option('--replaces <number>', 'only if this revision is the current one', parseRevision)
    .option('--force', 'although it takes answers away')
    .option('--dry-run', 'only say what it would change')
    .addHelpText(
      'after',
      examples(
        'meridian config push meridian.yaml --dry-run',
        'meridian config push meridian.yaml --note "a region in Tokyo"',
        'meridian config push --revision 6 --note "back"',
      ),
    )
    .action(
      context.action(async (file: string | undefined, options: PushFlags) => {
        const outcome = await push(context.api(), file, options);
        await context.output().result(outcome, () => publicationText(outcome));
        return 0;
      }),
    );
  config
    .command('history')
    .description('List the revisions of the shared configuration, newest first')
    .addHelpText('after', examples('meridian config history'))
    .action(
      context.action(async () => {
        const output = context.output();
        const revisions = await context.api().configRevisions();
        await output.result(revisions, () => historyText(revisions));
        return 0;
      }),
    );
  config
    .command('pull')
    .description('Print the shared configuration, as it was published')
    .option('--revision <number>', 'another one than the current', parseRevision)
    .addHelpText('after', examples('meridian config pull > meridian.yaml'))
    .action(
      context.action(async ({ revision }: { readonly revision?: number }) => {
        const api = context.api();
        const found = await api.configText(revision ?? (await currentRevision(api)));
        await context.output().result(found, () => `${originLine(found.revision)}${found.text}`);
        return 0;
      }),
    );
}

type PushFlags = {
  readonly revision?: number;
  readonly note: string;
  readonly replaces?: number;
  readonly force?: true;
  readonly dryRun?: true;
};

type Pushed = ConfigPublication & { readonly isFromPulled: boolean };

async function push(
  api: ApiClient,
  file: string | undefined,
  { revision, ...flags }: PushFlags,
): Promise<Pushed> {
  if ((file === undefined) === (revision === undefined)) {
    throw new CliExit(
      EXIT_USAGE,
      'Give either a file or --revision.',
      'For instance: meridian config push meridian.yaml',
    );
  }
  const source: Pick<PublishBody, 'text' | 'name'> =
    file === undefined
      ? { text: (await api.configText(revision!)).text, name: `revision ${revision}` }
      : { text: await readText(file), name: basename(file) };
  const origin = ORIGIN.exec(source.text);
  // What was pulled and edited follows what it was pulled from, unless somebody else was faster.
  const replaces = flags.replaces ?? (origin ? Number(origin[1]) : undefined);
  const text = source.text.replace(ORIGIN, '');
  const follows = replaces === undefined ? {} : { replaces };
  const outcome = await api.publishConfig({ ...flags, ...source, text, ...follows });
  return { ...outcome, isFromPulled: origin !== null };
}

/** The first line of what was pulled: which revision it is. */
const originLine = (revision: number): string =>
  `# revision ${revision} of the shared configuration\n`;
const ORIGIN = /^# revision (\d{1,15}) of the shared configuration\r?\n/;

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`;
    throw new CliExit(EXIT_USAGE, `${file}: ${why}.`);
  }
}

async function currentRevision(api: ApiClient): Promise<number> {
  const current = (await api.configRevisions()).find(({ isCurrent }) => isCurrent);
  if (current) return current.revision;
  throw new CliExit(
    EXIT_USAGE,
    'The nodes share no configuration yet.',
    'Publish one with: meridian config push FILE',
  );
}

function publicationText(outcome: Pushed): string {
  const { changes, isFromPulled, isServed, published, revision, sharing, shrinks, warnings } =
    outcome;
  const what = published ? `Published revision ${revision}` : `Revision ${revision} would be valid`;
  const lines =
    changes.length === 0
      ? `${what}; nothing ${published ? 'changed' : 'would change'}.\n`
      : `${what}. ${published ? 'Changed' : 'It would change'}:\n${bulleted(changes)}`;
  const gone = shrinks.length === 0 ? '' : `It takes answers away:\n${bulleted(shrinks)}`;
  const refused =
    isServed === false ? 'Note: this node could not serve it; "meridian events" says why.\n' : '';
  const next =
    isFromPulled && published
      ? `Note: before the next push of this file, pull again or let its first line say revision ${revision}.\n`
      : '';
  return lines + gone + refused + next + sharingText(sharing) + warnings.map(warningText).join('');
}

const bulleted = (lines: readonly string[]): string => lines.map((line) => `  ${line}\n`).join('');

function historyText(revisions: readonly ConfigRevision[]): string {
  if (revisions.length === 0) return 'The nodes share no configuration yet.\n';
  return formatTable(
    [
      { title: '' },
      { title: 'REVISION', align: 'right' },
      { title: 'WHEN' },
      { title: 'BY' },
      { title: 'NOTE' },
    ],
    revisions.map(({ atMs, by, isCurrent, note, revision }) => [
      isCurrent ? '*' : '',
      `${revision}`,
      timeText(atMs),
      by,
      note,
    ]),
  );
}

function parseRevision(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError(
    'Give the number of a revision; "meridian config history" lists them.',
  );
}
