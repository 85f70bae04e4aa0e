import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import type { CapacityView } from '../control/control-plane.ts';
import { type CliContext, examples } from './context.ts';
import { EXIT_OK } from './exit.ts';
import { percent, spanText } from './output.ts';
import { formatTable } from './table.ts';

/** `meridian capacity`: what the plan gives each region, and whom it passes on. */
export function addCapacity(program: Command, context: CliContext): void {
  program
    .command('capacity')
    .description('The capacity plan: what each region has, and which clients are passed on')
    .option('--classes <number>', 'so many classes of clients at most', parseClasses, CLASSES)
    .addHelpText('after', examples('meridian capacity', 'meridian capacity --classes 100'))
    .action(
      context.action(async ({ classes }: { readonly classes: number }) => {
        const view = await context.api().capacity(classes);
        await context.output().result(view, () => viewText(view, context.io.nowMs()));
        return EXIT_OK;
      }),
    );
}

const CLASSES = 20;
const CLASSES_MAX = 2000;

function parseClasses(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= CLASSES_MAX) return value;
  throw new InvalidArgumentError(`It is a whole number up to ${CLASSES_MAX}.`);
}

function viewText(view: CapacityView, nowMs: number): string {
  const { addedMs, classes, demand, generation, madeAtMs, passed, passedCount } = view;
  const head = `plan ${generation}, ${spanText(nowMs - madeAtMs)} old: ${Math.round(demand)} requests/s of ${classes} classes, ${addedMs.toFixed(1)} ms lost on average`;
  const some = passed.length < passedCount ? `, ${passed.length} of them are shown` : '';
  const told =
    passedCount === 0
      ? 'Nobody is passed on: everybody is in the region that is nearest.\n'
      : `${passedCount} classes have clients that are passed on${some}:\n\n${passedTable(view)}`;
  return `${head}\n\n${regionTable(view)}\n${told}`;
}

function regionTable({ regions }: CapacityView): string {
  return formatTable(
    [
      { title: 'REGION' },
      { title: 'LOAD', align: 'right' },
      { title: 'CAPACITY', align: 'right' },
      { title: 'USE', align: 'right' },
      { title: 'ONE MORE REQUEST WOULD SAVE', align: 'right' },
    ],
    regions.map(({ capacity, load, name, priceMs }) => [
      name,
      String(Math.round(load)),
      capacity === 0 ? 'any' : String(Math.round(capacity)),
      capacity === 0 ? '' : percent(load / capacity),
      priceMs === 0 ? '' : `${Math.round(priceMs)} ms`,
    ]),
  );
}

function passedTable({ passed }: CapacityView): string {
  return formatTable(
    [
      { title: 'POOL' },
      { title: 'CLASS' },
      { title: 'REQUESTS/S', align: 'right' },
      { title: 'PASSED ON', align: 'right' },
      { title: 'LOST', align: 'right' },
      { title: 'GO TO' },
    ],
    passed.map(({ demand, key, lostMs, passed: away, pool, regions }) => [
      pool,
      key,
      String(Math.round(demand)),
      percent(away / demand),
      `${Math.round(lostMs)} ms`,
      regions.map(({ name, share }) => `${name} ${percent(share)}`).join(', '),
    ]),
  );
}
