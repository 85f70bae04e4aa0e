import type { Command } from 'commander';
import { type CliContext, examples } from './context.ts';
import { overrideText, TARGET_HELP, targetOf } from './target.ts';

/** `meridian undrain`: clears a drain or a force; the judged health decides again. */
export function addUndrain(program: Command, context: CliContext): void {
  program
    .command('undrain')
    .description("Clear a drain or a force: the target's judged health decides again")
    .argument('<target>', TARGET_HELP)
    .addHelpText('after', examples('meridian undrain frankfurt'))
    .action(
      context.action(async (target: string) => {
        const override = await context.api().clearOverride(targetOf(target));
        await context.output().result(override, () => overrideText(override));
        return 0;
      }),
    );
}
