import { Argument, type Command } from 'commander';
import { type CliContext, examples, parseSeconds } from './context.ts';
import { type OverrideFlags, overrideOptions } from './drain.ts';
import { overrideText, TARGET_HELP, targetOf } from './target.ts';

/** `meridian force`: a person's word, up or down, over what the probes say. */
export function addForce(program: Command, context: CliContext): void {
  program
    .command('force')
    .description('Say that a region (or pool/region) is up or down, whatever the probes say')
    .argument('<target>', TARGET_HELP)
    .addArgument(new Argument('<state>', 'what it shall count as').choices(['up', 'down']))
    .option('--for <time>', 'lapse by itself after this time: 90s, 10m, 1h', parseSeconds)
    .option('--reason <text>', 'why, for whoever looks at it later', '')
    .option('--force', 'although a pool would be left without any usable endpoint')
    .addHelpText(
      'after',
      examples('meridian force singapore down --for 1h', 'meridian force web/virginia up'),
    )
    .action(
      context.action(async (target: string, state: 'up' | 'down', options: OverrideFlags) => {
        const override = await context.api().setOverride({
          target: targetOf(target),
          action: state,
          ...overrideOptions(options),
        });
        await context.output().result(override, () => overrideText(override));
        return 0;
      }),
    );
}
