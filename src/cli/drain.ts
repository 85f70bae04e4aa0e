import type { Command } from 'commander';
import { type CliContext, examples, parseSeconds } from './context.ts';
import { overrideText, TARGET_HELP, targetOf } from './target.ts';

/** `meridian drain`: new answers avoid the target, requests in flight finish. */
export function addDrain(program: Command, context: CliContext): void {
  program
    .command('drain')
    .description('Take a region (or pool/region) out of new answers; requests in flight finish')
    .argument('<target>', TARGET_HELP)
    .option('--for <time>', 'come back by itself after this time: 90s, 10m, 1h', parseSeconds)
    .option('--reason <text>', 'why, for whoever looks at it later', '')
    .option('--force', 'although a pool would be left without any usable endpoint')
    .addHelpText(
      'after',
      examples(
        'meridian drain frankfurt --for 10m --reason "kernel update"',
        'meridian drain web/frankfurt',
      ),
    )
    .action(
      context.action(async (target: string, options: OverrideFlags) => {
        const override = await context.api().setOverride({
          target: targetOf(target),
          action: 'drain',
          ...overrideOptions(options),
        });
        await context.output().result(override, () => overrideText(override));
        return 0;
      }),
    );
}

export type OverrideFlags = {
  readonly for?: number;
  readonly reason: string;
  readonly force?: true;
};

/** Flags as the API wants them; what was not given stays out. */
export function overrideOptions({ for: forSeconds, reason, force }: OverrideFlags) {
  return {
    reason,
    ...(forSeconds === undefined ? {} : { forSeconds }),
    ...(force === undefined ? {} : { force }),
  };
}
