import type { Command } from 'commander';
import { type CliContext, examples } from './context.ts';
import { warningText } from './issue-text.ts';
import { revisionText } from './output.ts';

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
          const { changes, generation, issues, revision } = result;
          const as = `generation ${generation} (${revisionText(revision)})`;
          const what = changes.map((change) => `  ${change}\n`).join('');
          return [
            what === ''
              ? `Reloaded as ${as}; nothing changed.\n`
              : `Reloaded as ${as}. Changed:\n${what}`,
            ...issues.map(warningText),
          ].join('');
        });
        return 0;
      }),
    );
}
