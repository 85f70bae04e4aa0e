import { type Command, InvalidArgumentError } from 'commander';
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
    .option('-n, --count <number>', 'how many of the newest', parseCount, 20)
    .addHelpText('after', examples('meridian events -n 50', 'meridian events --follow -o json'))
    .action(
      context.action(async ({ follow, count }: { follow?: true; count: number }) => {
        const output = context.output();
        const { io } = context;
        const events = await context.api().events(count);
        if (follow !== true) {
          await output.result(events, () =>
            events.map((event) => eventText(event, output.paint)).join(''),
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

function eventText({ atMs, kind, subject, message }: EventRecord, paint: Paint): string {
  return `${paint('dim', timeText(atMs))}  ${kind.padEnd(16)}  ${subject}: ${message}\n`;
}

function parseCount(text: string): number {
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= 1000) return count;
  throw new InvalidArgumentError('Give a number from 1 to 1000.');
}
