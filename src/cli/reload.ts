import type { Command } from 'commander';
import { type CliContext, examples } from './context.ts';

/** `meridian reload`: the node reads its configuration again; an invalid one changes nothing. */
export function addReload(program: Command, context: CliContext): void {
  program
    .command('reload')
    .description('Let the node read its configuration again; an invalid one changes nothing')
    .addHelpText('after', examples('meridian check /etc/meridian/meridian.yaml && meridian reload'))
    .action(
      context.action(async () => {
        const result = await context.api().reload();
        await context.output().result(result, () => {
          if (result.changes.length === 0)
            return `Reloaded as revision ${result.revision}; nothing changed.\n`;
          const changes = result.changes.map((change) => `  ${change}\n`).join('');
          return `Reloaded as revision ${result.revision}. Changed:\n${changes}`;
        });
        return 0;
      }),
    );
}
