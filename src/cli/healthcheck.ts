import type { Command } from 'commander';
import { type CliContext, examples } from './context.ts';
import { CliExit, EXIT_NO, EXIT_OK } from './exit.ts';

/** `meridian healthcheck`: 0 or 1 and nothing else, as Docker's HEALTHCHECK wants it. */
export function addHealthcheck(program: Command, context: CliContext): void {
  program
    .command('healthcheck')
    .description('Exit 0 when the node is ready, 1 when it is not or does not answer (for Docker)')
    .addHelpText('after', examples('meridian healthcheck --admin http://127.0.0.1:8053'))
    .action(
      context.action(async () => {
        const { ready, detail } = await readiness(context);
        await context.output().result({ ready, detail }, () => `${detail}\n`);
        return ready ? EXIT_OK : EXIT_NO;
      }),
    );
}

async function readiness(
  context: CliContext,
): Promise<{ readonly ready: boolean; readonly detail: string }> {
  try {
    return await context.api().ready();
  } catch (error) {
    if (error instanceof CliExit) return { ready: false, detail: error.message };
    throw error;
  }
}
