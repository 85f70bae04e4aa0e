import type { Command } from 'commander';
import { type CliContext, examples, parseSeconds } from './context.ts';

/** `meridian doctor`: a delegation as the world sees it, and what to mend. */
export function addDoctor(program: Command, context: CliContext): void {
  program
    .command('doctor')
    .description('Check the delegation of a zone from the outside, and say what to mend')
    .argument('<zone>', 'the delegated zone')
    .option('--name <name>', 'a steered name: ask it on behalf of clients all over the world')
    .option('--type <type>', 'A or AAAA, of that name', 'A')
    .option(
      '--client <network>',
      'one of those clients, in place of the usual (repeatable)',
      repeat,
    )
    .option('--resolver <address[:port]>', "finds the parent, in place of the system's", repeat)
    .option('--parent <address[:port]>', 'a server of the zone above (repeatable)', repeat)
    .option('--port <port>', 'where nameservers listen, for trials', '53')
    .option(
      '--timeout <time>',
      'how long an answer may take, in seconds',
      parseSeconds,
      TIMEOUT_SECONDS,
    )
    .addHelpText(
      'after',
      examples(
        'meridian doctor gslb.example.com',
        'meridian doctor gslb.example.com --name www.gslb.example.com',
        'meridian doctor gslb.example.com --resolver 192.0.2.1 --output json',
        'meridian doctor gslb.example --parent 127.0.0.1:5301 --port 5300',
      ),
    )
    .action(
      context.action(async (zone: string, flags: DoctorFlags) => {
        const { examine } = await import('./doctor-report.ts');
        return examine({ zone, ...flags }, context.output(), () => context.io.nowMs());
      }),
    );
}

/** As typed, but for the time. */
export type DoctorFlags = {
  readonly name?: string;
  readonly type: string;
  readonly client?: readonly string[];
  readonly resolver?: readonly string[];
  readonly parent?: readonly string[];
  readonly port: string;
  /** Seconds. */
  readonly timeout: number;
};

const TIMEOUT_SECONDS = 3;

const repeat = (text: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  text,
];
