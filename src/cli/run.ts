import { type Command, InvalidArgumentError } from 'commander';
import { ROLES, type Role } from '../config/config.ts';
import { type CliContext, examples } from './context.ts';
import type { Handlers } from './io.ts';

/** The commands that start something. What they start is the program's root's business, not the CLI's. */
export function addRun(program: Command, context: CliContext, handlers: Handlers): void {
  program
    .command('run')
    .description('Run a node: nameserver, balancer, prober, admin API, as its configuration says')
    .option('-c, --config <file>', 'the configuration file')
    .option(
      '--roles <list>',
      "the roles to start, with commas between them, instead of the file's",
      parseRoles,
    )
    .option('--region <name>', 'the region that this node stands in')
    .addHelpText(
      'after',
      examples(
        'meridian run --config /etc/meridian/meridian.yaml',
        'meridian run --roles nameserver,prober --region frankfurt',
      ),
    )
    .action(
      context.action((options: { config?: string; roles?: readonly Role[]; region?: string }) =>
        handlers.run(options),
      ),
    );
  program
    .command('quickstart')
    .description('Run a worked example on this machine: three regions with origins behind them')
    .option('-c, --config <file>', 'another configuration than the shipped config/quickstart.yaml')
    .addHelpText('after', examples('meridian quickstart'))
    .action(context.action((options: { config?: string }) => handlers.quickstart(options)));
  program
    .command('origin')
    .description('Run a small HTTP server to balance to; it says its name in every answer')
    .argument('<name>', 'the name that its answers carry')
    .argument('<address:port...>', 'where to listen')
    .addHelpText('after', examples('meridian origin frankfurt-1 127.0.2.1:9001'))
    .action(
      context.action((name: string, listen: readonly string[]) =>
        handlers.origin({ name, listen }),
      ),
    );
}

function parseRoles(text: string): readonly Role[] {
  const words = text.split(',').map((word) => word.trim());
  const roles = words.flatMap((word) => ROLES.find((role) => role === word) ?? []);
  if (roles.length === words.length) return [...new Set(roles)];
  throw new InvalidArgumentError(`Roles are ${ROLES.join(', ')}, with commas between them.`);
}
