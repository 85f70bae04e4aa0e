import type { Command } from 'commander';
import { type CliContext, examples } from './context.ts';
import { EXIT_NO } from './exit.ts';
import { copiesTable } from './status-copies.ts';

/** `meridian zone refresh ZONE`: the node looks at the zone's primaries now. */
export function addZone(program: Command, context: CliContext): void {
  const zone = program
    .command('zone')
    .description('Zones that are copied from a primary')
    .addHelpText('after', examples('meridian zone refresh gslb.example'));
  zone
    .command('refresh')
    .description('Look now whether the primary has a newer zone, and copy it')
    .argument('<zone>', 'as in the configuration')
    .option('--anew', 'copy all of it, whatever its serial: also an older one, of a backup')
    .addHelpText('after', examples('meridian zone refresh gslb.example'))
    .action(
      context.action(async (name: string, { anew = false }: { readonly anew?: boolean }) => {
        const status = await context.api().refreshZone(name, anew);
        const output = context.output();
        await output.result(status, () => copiesTable([status], context.io.nowMs(), output.paint));
        return status.copy?.problem === undefined ? 0 : EXIT_NO;
      }),
    );
}
