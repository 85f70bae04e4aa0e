import { type Command, InvalidArgumentError, Option } from 'commander';
import type { EventRecord } from '../control/control-plane.ts';
import { type CliContext, examples } from './context.ts';
import { CliExit, EXIT_OK, EXIT_UNAVAILABLE } from './exit.ts';
import { type Paint, timeText } from './output.ts';

/** `meridian events`: what changed and when; `--follow` as it happens. */
export function addEvents(program: Command, context: CliContext): void {
  program
    .command('events')
    .description('What changed and when')
    .option('-f, --follow', 'go on with events as they happen, until Ctrl-C')
    .addOption(new Option('-a, --all', 'of all nodes that share the store').conflicts('follow'))
    .option('-n, --count <number>', 'how many of the newest', parseCount, 20)
    .addHelpText(
      'after',
      examples(
        'meridian events -n 50',
        'meridian events --all',
        'meridian events --follow -o json',
      ),
    )
    .action(
      context.action(async ({ all, follow, count }: EventsFlags) => {
        const output = context.output();
        const { io } = context;
        const events = await context.api().events(count, all);
        if (follow !== true) {
          await output.result(events, () =>
            events.map((event) => eventText(event, output.paint, all)).join(''),
          );
          return EXIT_OK;
        }
        // One line a record, so that a program reads them as they come; YAML would never end either.
        const write = (event: EventRecord): void => {
          const text =
            output.format === 'table'
              ? eventText(event, output.paint)
              : `${JSON.stringify(event)}\n`;
          io.stdout.write(text);
        };
        events.forEach(write);
        return followEvents(context, write);
      }),
    );
}

type EventsFlags = { readonly all?: true; readonly follow?: true; readonly count: number };

/** Ends with Ctrl-C; a stream that the node ends is an error that says so. */
async function followEvents(
  context: CliContext,
  write: (event: EventRecord) => void,
): Promise<number> {
  const stop = new AbortController();
  const off = context.io.onInterrupt(() => stop.abort());
  try {
    for await (const event of context.api().follow(stop.signal)) write(event);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    off();
  }
  if (stop.signal.aborted) return EXIT_OK;
  throw new CliExit(
    EXIT_UNAVAILABLE,
    'The node ended the stream of events.',
    'It may be stopping; try again.',
  );
}

function eventText(event: EventRecord, paint: Paint, isOfAll = false): string {
  const { atMs, kind, message, node, subject } = event;
  const whose = isOfAll ? `${node.padEnd(12)}  ` : '';
  return `${paint('dim', timeText(atMs))}  ${whose}${kind.padEnd(16)}  ${subject}: ${message}\n`;
}

function parseCount(text: string): number {
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= 1000) return count;
  throw new InvalidArgumentError('Give a number from 1 to 1000.');
}
