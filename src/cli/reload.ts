import type { Command } from 'commander';
import { type CliContext, examples } from './context.ts';
import { warningText } from './issue-text.ts';

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
          const { changes, issues, revision } = result;
          const what = changes.map((change) => `  ${change}\n`).join('');
          return [
            what === ''
              ? `Reloaded as revision ${revision}; nothing changed.\n`
              : `Reloaded as revision ${revision}. Changed:\n${what}`,
            ...issues.map(warningText),
          ].join('');
        });
        return 0;
      }),
    );
}
