import type { Command } from 'commander';
import { type CliContext, examples } from './context.ts';
import { warningText } from './issue-text.ts';
import { revisionText } from './output.ts';

/** `meridian reload`: the node reads its configuration again; an invalid one changes nothing. */
export function addReload(program: Command, context: CliContext): void {
  program
    .command('reload')
    .argument('[zone]', 'read only the file of this zone again; nothing else has changed')
    .description('Let the node read its configuration again; an invalid one changes nothing')
    .addHelpText(
      'after',
      examples(
        'meridian check /etc/meridian/meridian.yaml && meridian reload',
        'meridian reload shop.example',
      ),
    )
    .action(
      context.action(async (zone: string | undefined) => {
        const result = await context.api().reload(zone);
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
