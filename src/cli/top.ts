import { type Command, Option } from 'commander';
import type { TrafficStatus, UpstreamStatus } from '../control/control-plane.ts';
import { type CliContext, examples, parseSeconds } from './context.ts';
import { CliExit, EXIT_OK } from './exit.ts';
import { topText, UNBOUNDED } from './top-text.ts';
import { sortedView, TOP_SORTS, type TopSort, type TopView, topView } from './top-view.ts';

/** `meridian top`: what goes through a node's balancers now, by route, upstream and server. */
export function addTop(program: Command, context: CliContext): void {
  program
    .command('top')
    .description('Routes, upstreams and servers of a node’s balancers at work, repainted until q')
    .option('-i, --interval <time>', 'from one reading to the next', parseSeconds, 2)
    .addOption(
      new Option('-s, --sort <column>', 'what comes first').choices(TOP_SORTS).default('rate'),
    )
    .option('--once', 'print what one interval held, and end; so it does without a terminal')
    .option('--json', 'numbers for programs: a line of JSON for each interval')
    .addHelpText('after', KEYS_HELP)
    .addHelpText(
      'after',
      examples('meridian top', 'meridian top --sort p99', 'meridian top --once --json'),
    )
    .action(context.action((options: TopOptions) => runTop(context, options)));
}

type TopOptions = {
  /** Seconds. */
  readonly interval: number;
  readonly sort: TopSort;
  readonly once?: true;
  readonly json?: true;
};

const KEYS: Readonly<Record<string, TopSort>> = {
  r: 'rate',
  e: 'errors',
  '5': 'p50',
  '9': 'p99',
  a: 'active',
  n: 'name',
};
const CTRL_C = '\x03';
const QUIT: readonly string[] = ['q', 'Q', CTRL_C];
const HINT = 'q quit, sort by: r rate, e errors, 5 p50, 9 p99, a active, n name';
const KEYS_HELP = `
Keys: ${HINT}.
Durations are of whole requests for routes, until the first octet for upstreams and servers.
`;
const HOME = '\x1b[H';
const ERASE_LINE = '\x1b[K';
const ERASE_BELOW = '\x1b[J';

async function runTop(context: CliContext, options: TopOptions): Promise<number> {
  const { io } = context;
  const stop = new AbortController();
  const offs = [io.onInterrupt(() => stop.abort())];
  try {
    const isForPrograms = options.json === true || context.output().format !== 'table';
    const isOnce = options.once === true || !(io.isTTY || isForPrograms);
    if (isOnce || isForPrograms) await print(context, options, isOnce, stop.signal);
    else await watch(context, options, stop, offs);
  } finally {
    for (const off of offs) off();
  }
  return EXIT_OK;
}

type Reading = {
  readonly traffic: TrafficStatus;
  readonly upstreams: readonly UpstreamStatus[];
};

async function read(context: CliContext): Promise<Reading> {
  const api = context.api();
  const [traffic, upstreams] = await Promise.all([api.traffic(), api.balancers()]);
  return { traffic, upstreams };
}

/** What each interval held, or one. */
async function print(
  context: CliContext,
  { interval, json, sort }: TopOptions,
  isOnce: boolean,
  signal: AbortSignal,
): Promise<void> {
  const { io } = context;
  let { traffic: before } = await read(context);
  do {
    await io.sleep(interval * 1000, signal);
    if (signal.aborted) return;
    const { traffic, upstreams } = await read(context);
    const view = topView(before, traffic, upstreams, sort);
    before = traffic;
    if (json === true) io.stdout.write(`${JSON.stringify(view)}\n`);
    else {
      const output = context.output();
      await output.result(view, () => topText(view, sort, UNBOUNDED, output.paint, ''));
    }
  } while (!isOnce);
}

/** Repaints until somebody ends it. A node that does not answer for a while is waited for. */
async function watch(
  context: CliContext,
  options: TopOptions,
  stop: AbortController,
  offs: (() => void)[],
): Promise<void> {
  const { io } = context;
  let { sort } = options;
  let view: TopView | undefined;
  let problem = '';
  let before: TrafficStatus | undefined;
  const paint = (): void => {
    const text = screenText(context, view, sort, problem);
    io.stdout.write(`${HOME}${text.replaceAll('\n', `${ERASE_LINE}\n`)}${ERASE_BELOW}`);
  };
  offs.push(
    io.onResize(paint),
    io.onKey((key) => {
      if (QUIT.includes(key)) stop.abort();
      sort = KEYS[key] ?? sort;
      view = view && sortedView(view, sort);
      if (!stop.signal.aborted) paint();
    }),
  );
  const stopped = new Promise<undefined>((resolve) => {
    stop.signal.addEventListener('abort', () => resolve(undefined));
  });
  while (!stop.signal.aborted) {
    const reading = await Promise.race([readOrProblem(context), stopped]);
    if (reading === undefined) break;
    problem = typeof reading === 'string' ? reading : '';
    if (typeof reading !== 'string') {
      view = topView(before, reading.traffic, reading.upstreams, sort);
      before = reading.traffic;
    }
    paint();
    await io.sleep(options.interval * 1000, stop.signal);
  }
}

async function readOrProblem(context: CliContext): Promise<Reading | string> {
  try {
    return await read(context);
  } catch (error) {
    if (error instanceof CliExit) return error.message;
    throw error;
  }
}

/** One line less than the terminal has: the cursor needs one. */
function screenText(
  context: CliContext,
  view: TopView | undefined,
  sort: TopSort,
  problem: string,
): string {
  const { columns, rows } = context.io.size();
  const { paint } = context.output();
  const trouble = problem === '' ? '' : `${paint('red', problem.slice(0, columns))}\n`;
  if (view === undefined) return trouble;
  const size = { columns, rows: rows - (problem === '' ? 1 : 2) };
  return trouble + topText(view, sort, size, paint, HINT);
}
