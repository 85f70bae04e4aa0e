import type { Command } from 'commander';
import { addShared } from './config-revisions.ts';
import { type CliContext, examples } from './context.ts';

/** `meridian config`: the schema that editors use, what a node runs with, and what the nodes share. */
export function addConfig(program: Command, context: CliContext): void {
  const config = program
    .command('config')
    .description('The schema of the configuration, the one in force, and the one that nodes share');
  addShared(config, context);
  config
    .command('schema')
    .description('Print the JSON Schema of the configuration file')
    .addHelpText('after', examples('meridian config schema > meridian.schema.json'))
    .action(
      context.action(async () => {
        const { configJsonSchemaText } = await import('../config/json-schema.ts');
        context.io.stdout.write(configJsonSchemaText());
        return 0;
      }),
    );
  config
    .command('show')
    .description("Print the running node's configuration, defaults filled in and secrets redacted")
    .addHelpText('after', examples('meridian config show', 'meridian config show -o json'))
    .action(
      context.action(async () => {
        const { stringify } = await import('yaml');
        const answer = await context.api().config();
        await context.output().result(answer, () => stringify(answer));
        return 0;
      }),
    );
}
