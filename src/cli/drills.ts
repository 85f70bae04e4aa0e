import type { Command } from 'commander';
import type { DrillStatus } from '../control/control-plane.ts';
import { type CliContext, examples } from './context.ts';
import { type Paint, spanText, stateText, timeText } from './output.ts';
import { formatTable } from './table.ts';

/** `meridian drills`: what was rehearsed, what runs, and the brake. */
export function addDrills(program: Command, context: CliContext): void {
  const drills = program
    .command('drills')
    .description('List the drills that the node remembers, or stop one')
    .addHelpText('after', examples('meridian drills', 'meridian drills stop drill-1'))
    .action(
      context.action(async () => {
        const list = await context.api().drills();
        const output = context.output();
        await output.result(list, () => drillTable(list, output.paint));
        return 0;
      }),
    );
  drills
    .command('stop')
    .description('Stop a running drill; its region comes back at once')
    .argument('<id>', 'the id, as "meridian drills" lists it')
    .addHelpText('after', examples('meridian drills stop drill-1'))
    .action(
      context.action(async (id: string) => {
        const drill = await context.api().stopDrill(id);
        await context
          .output()
          .result(drill, () => `Drill ${drill.id} is ${drill.state}; ${drill.region} is back.\n`);
        return 0;
      }),
    );
}

function drillTable(drills: readonly DrillStatus[], paint: Paint): string {
  if (drills.length === 0) return 'No drill was run yet. Try "meridian drill REGION --dry-run".\n';
  return formatTable(
    [
      { title: 'ID' },
      { title: 'REGION' },
      { title: 'STATE' },
      { title: 'STARTED' },
      { title: 'LENGTH', align: 'right' },
      { title: 'BY' },
      { title: 'NOTE' },
    ],
    drills.map(({ id, region, state, startedAtMs, endsAtMs, by, note }) => [
      id,
      region,
      stateText(state, paint),
      timeText(startedAtMs),
      spanText(endsAtMs - startedAtMs),
      by,
      note,
    ]),
    (heading) => paint('bold', heading),
  );
}
