import type { Command } from 'commander';
import type { DrillPrediction, DrillStatus, Shares } from '../control/control-plane.ts';
import type { ApiClient } from './api-client.ts';
import { type CliContext, examples, parseSeconds } from './context.ts';
import { CliExit, EXIT_NO, EXIT_OK, EXIT_UNAVAILABLE } from './exit.ts';
import { type Output, type Paint, percent, spanText, stateText, timeText } from './output.ts';
import { formatTable } from './table.ts';

/**
 * `meridian drill`: predict, drain, watch, revert, report. The node keeps the deadline: when this
 * command or its terminal dies, the region comes back all the same. Ctrl-C reverts at once.
 */
export function addDrill(program: Command, context: CliContext): void {
  program
    .command('drill')
    .description('Rehearse the loss of a region: predict, drain, watch, revert, report')
    .argument('<region>', 'the region to lose for a while')
    .option('--for <time>', 'how long it is drained: 90s, 10m, 1h', parseSeconds, 60)
    .option('--reason <text>', 'why, for whoever looks at it later', 'drill')
    .option('--dry-run', 'only predict')
    .option('-y, --yes', 'do not ask before it starts')
    .option('--force', 'although the node has objections that a person may overrule')
    .addHelpText(
      'after',
      examples('meridian drill frankfurt --dry-run', 'meridian drill frankfurt --for 60s --yes'),
    )
    .action(context.action((region: string, flags: DrillFlags) => drill(context, region, flags)));
}

type DrillFlags = {
  readonly for: number;
  readonly reason: string;
  readonly dryRun?: true;
  readonly yes?: true;
  readonly force?: true;
};

const POLL_MS = 1000;

async function drill(context: CliContext, region: string, flags: DrillFlags): Promise<number> {
  const { io } = context;
  const output = context.output();
  const api = context.api();
  const request = {
    region,
    durationSeconds: flags.for,
    reason: flags.reason,
    ...(flags.force === undefined ? {} : { force: flags.force }),
  };
  const prediction = await api.predictDrill(request);
  if (flags.dryRun === true) {
    await output.result(prediction, () => predictionText(prediction, output.paint));
    return EXIT_OK;
  }
  if (output.format === 'table') {
    io.stdout.write(predictionText(prediction, output.paint));
    const mayAsk = io.isTTY && flags.yes !== true;
    if (mayAsk && !(await io.confirm(`\nDrain ${region} for ${spanText(flags.for * 1000)}?`))) {
      io.stdout.write('Nothing was started.\n');
      return EXIT_NO;
    }
  }
  const started = await api.startDrill(request);
  const ended = await follow(context, api, output, started);
  const { reportDrill } = await import('../drill/report.ts');
  const { sentences } = reportDrill(ended.prediction, ended.observed);
  await output.result(ended, () => reportText(ended, sentences, output.paint));
  return ended.state === 'finished' ? EXIT_OK : EXIT_NO;
}

/** Watches the drill until it is over. A lost API is said, with when the node reverts by itself. */
async function follow(
  context: CliContext,
  api: ApiClient,
  output: Output,
  started: DrillStatus,
): Promise<DrillStatus> {
  const { io } = context;
  const interrupt = new AbortController();
  const off = io.onInterrupt(() => interrupt.abort());
  const progress = io.isTTY && output.format === 'table';
  if (output.format === 'table')
    io.stdout.write(`\nStarted ${started.id}; Ctrl-C reverts at once.\n`);
  let current = started;
  try {
    while (current.state === 'running') {
      if (progress) io.stdout.write(`${ERASE_LINE}${progressText(current, io.nowMs())}`);
      await io.sleep(POLL_MS, interrupt.signal);
      if (interrupt.signal.aborted) current = await api.stopDrill(current.id);
      else current = (await api.drills()).find(({ id }) => id === current.id) ?? lost(current);
    }
    return current;
  } catch (error) {
    throw error instanceof CliExit ? stillRunning(error, current) : error;
  } finally {
    off();
    if (progress) io.stdout.write(ERASE_LINE);
  }
}

const ERASE_LINE = '\r\x1b[K';

function stillRunning(error: CliExit, { id, endsAtMs }: DrillStatus): CliExit {
  const promise = `The node ends the drill ${id} by itself, at the latest at ${timeText(endsAtMs)}.`;
  return new CliExit(error.code, `${error.message} ${promise}`, error.hint);
}

function lost({ id }: DrillStatus): never {
  throw new CliExit(
    EXIT_UNAVAILABLE,
    `The node no longer knows the drill ${id}; it was probably restarted.`,
    'Look at "meridian status": the drain of a drill lapses by itself.',
  );
}

function progressText({ region, endsAtMs, observed }: DrillStatus, nowMs: number): string {
  const phase = observed.during.some(({ answers }) => answers > 0)
    ? observed.during
    : observed.before;
  const counts = phase.map(({ region: name, answers }) => `${name} ${answers}`).join('  ');
  return `${region}: over in ${spanText(endsAtMs - nowMs)}; answers ${counts}`;
}

/** Shares by region, before and during, one table a name; and what the node warns of. */
function predictionText({ names, warnings }: DrillPrediction, paint: Paint): string {
  const tables = names.map(({ name, before, during }) => {
    const regions = [...new Set([...before, ...during].map(({ region }) => region))];
    const rows = regions.map((region) => [
      region,
      percent(shareOf(before, region)),
      '->',
      percent(shareOf(during, region)),
    ]);
    const columns = [
      { title: 'REGION' },
      { title: 'BEFORE', align: 'right' },
      { title: '' },
      { title: 'DURING', align: 'right' },
    ] as const;
    const heading = `Predicted for ${paint('bold', name)} (share of the address space):\n`;
    return heading + formatTable(columns, rows, (line) => paint('bold', line));
  });
  const cautions = warnings.map((warning) => `${paint('yellow', 'warning:')} ${warning}\n`);
  return [...tables, ...(cautions.length === 0 ? [] : [cautions.join('')])].join('\n');
}

const shareOf = (shares: Shares, region: string): number =>
  shares.find((one) => one.region === region)?.share ?? 0;

/** What was answered before, during and after, and what that says. */
function reportText(drill: DrillStatus, sentences: readonly string[], paint: Paint): string {
  const { id, state, note, observed } = drill;
  const regions = [
    ...new Set(
      [...observed.before, ...observed.during, ...observed.after].map(({ region }) => region),
    ),
  ];
  const phases = [observed.before, observed.during, observed.after];
  const rows = regions.map((region) => [
    region,
    ...phases.map((counts) => {
      const total = counts.reduce((sum, { answers }) => sum + answers, 0);
      const answers = counts.find((count) => count.region === region)?.answers ?? 0;
      return total === 0 ? '0' : `${answers} (${percent(answers / total)})`;
    }),
  ]);
  const columns = [
    { title: 'ANSWERED WITH' },
    { title: 'BEFORE', align: 'right' },
    { title: 'DURING', align: 'right' },
    { title: 'AFTER', align: 'right' },
  ] as const;
  return [
    `Drill ${id}: ${stateText(state, paint)}${note === '' ? '' : `. ${note}`}\n`,
    formatTable(columns, rows, (line) => paint('bold', line)),
    sentences.map((sentence) => `${sentence}\n`).join(''),
  ].join('\n');
}
