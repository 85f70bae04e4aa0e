import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import type { LoadChange, RegionStatus } from '../control/control-plane.ts';
import { type CliContext, examples, parseSeconds } from './context.ts';
import { CliExit, EXIT_OK, EXIT_USAGE } from './exit.ts';
import { sharingText, timeText } from './output.ts';
import { formatTable } from './table.ts';

/** `meridian load`: what somebody else knows of the load and the capacity of regions. */
export function addLoad(program: Command, context: CliContext): void {
  const load = program
    .command('load')
    .description('Report the load or the capacity of a region, in place of what is counted')
    .addHelpText(
      'after',
      examples(
        'meridian load set frankfurt --requests 1200',
        'meridian load set frankfurt --capacity 2500 --for 1h',
        'meridian load clear frankfurt',
      ),
    );
  load
    .command('set')
    .description('Report it; it holds on all nodes until its time is over')
    .argument('<region>', REGION_HELP)
    .option(
      '--requests <number>',
      'requests a second that come, in place of what balancers count',
      parseRate,
    )
    .option('--capacity <number>', 'requests a second that it can carry; 0 = any', parseRate)
    .option('--for <time>', 'how long it holds, up to 1h; default 60s', parseSeconds)
    .action(
      context.action(async (region: string, { capacity, for: forSeconds, requests }: Flags) => {
        if (requests === undefined && capacity === undefined) {
          throw new CliExit(EXIT_USAGE, 'Nothing is reported.', 'Give --requests or --capacity.');
        }
        const change = await context.api().reportLoad(region, {
          ...(requests === undefined ? {} : { requestsPerSecond: requests }),
          ...(capacity === undefined ? {} : { capacity }),
          ...(forSeconds === undefined ? {} : { forSeconds }),
        });
        const until = ` until ${timeText(change.expiresAtMs)}.`;
        await context
          .output()
          .result(change, () => changeText(change, `${wordsOf(change)}${until}`));
        return EXIT_OK;
      }),
    );
  load
    .command('clear')
    .description('Forget it: what balancers count and what is configured holds again')
    .argument('<region>', REGION_HELP)
    .action(
      context.action(async (region: string) => {
        const change = await context.api().clearLoad(region);
        await context.output().result(change, () => changeText(change, 'is as it is counted.'));
        return EXIT_OK;
      }),
    );
  load
    .command('list')
    .description('What is reported of regions now')
    .action(
      context.action(async () => {
        const regions = await context.api().regions();
        const some = regions.filter(({ reported }) => reported !== undefined);
        const shown = some.map(({ name, reported }) => ({ region: name, ...reported }));
        await context.output().result(shown, () => reportedTable(some));
        return EXIT_OK;
      }),
    );
}

const REGION_HELP = 'the region’s name';

type Flags = { readonly requests?: number; readonly capacity?: number; readonly for?: number };

function parseRate(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
  throw new InvalidArgumentError('It is a number of requests a second, from 0.');
}

function changeText(change: LoadChange, told: string): string {
  return `The load of region ${change.region} ${told}\n${sharingText(change.sharing)}`;
}

function wordsOf({ capacity, requestsPerSecond }: LoadChange): string {
  const load =
    requestsPerSecond === undefined ? 'is as it is counted' : `is ${requestsPerSecond}/s`;
  if (capacity === undefined) return load;
  return `${load}, and it can carry ${capacity === 0 ? 'any' : `${capacity}/s`}`;
}

function reportedTable(regions: readonly RegionStatus[]): string {
  if (regions.length === 0) return 'Nothing is reported.\n';
  return formatTable(
    [
      { title: 'REGION' },
      { title: 'REQUESTS/S', align: 'right' },
      { title: 'CAPACITY', align: 'right' },
      { title: 'UNTIL' },
      { title: 'BY' },
    ],
    regions.map(({ name, reported }) => [
      name,
      String(reported?.requestsPerSecond ?? ''),
      String(reported?.capacity ?? ''),
      timeText(reported?.expiresAtMs ?? 0),
      reported?.by ?? '',
    ]),
  );
}
