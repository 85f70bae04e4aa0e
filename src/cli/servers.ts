import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import type { ServerChange, ServerMode, UpstreamStatus } from '../control/control-plane.ts';
import { type CliContext, examples } from './context.ts';
import { EXIT_OK } from './exit.ts';
import { serverState } from './server-state.ts';
import { formatTable } from './table.ts';

/** `meridian servers`: the servers behind the balancer, as people want them used. */
export function addServers(program: Command, context: CliContext): void {
  const servers = program
    .command('servers')
    .description('The servers of the balancer’s upstreams: list, add, remove, drain')
    .addHelpText('after', examples('meridian servers list', 'meridian servers help drain'));
  addList(servers, context);
  addAdd(servers, context);
  addRemove(servers, context);
  addWeight(servers, context);
  for (const [mode, description] of MODES) addMode(servers, context, mode, description);
}

const MODES: readonly (readonly [ServerMode, string])[] = [
  ['drain', 'Send nobody new to a server; who is kept on it may stay'],
  ['maintenance', 'Send nobody to a server, whoever was kept on it; what is in flight finishes'],
  ['ready', 'Let a server take requests again'],
];
const UPSTREAM_HELP = 'the upstream’s name';
const SERVER_HELP = 'the server’s name, as "meridian servers list" shows it';
const REASON = ['--reason <text>', 'why, for whoever looks at it later', ''] as const;
const FORCE = ['--force', 'although no other server of the upstream takes requests'] as const;

type Flags = { readonly reason: string; readonly force?: true; readonly weight?: number };

function addList(servers: Command, context: CliContext): void {
  servers
    .command('list')
    .description('Every server, where it comes from, and how it is used')
    .argument('[upstream]', 'only of this one')
    .action(
      context.action(async (upstream: string | undefined) => {
        const all = await context.api().balancers();
        const some = all.filter(({ name }) => upstream === undefined || name === upstream);
        await context.output().result(some, () => serversText(some));
        return EXIT_OK;
      }),
    );
}

function addAdd(servers: Command, context: CliContext): void {
  servers
    .command('add')
    .description('Add a server to an upstream; it stays until it is removed')
    .argument('<upstream>', UPSTREAM_HELP)
    .argument('<server>', 'address:port')
    .option('--weight <number>', 'share of the requests; default 1', parseWeight)
    .option(...REASON)
    .addHelpText('after', examples('meridian servers add web 192.0.2.10:8080 --weight 2'))
    .action(
      context.action(async (upstream: string, server: string, { reason, weight }: Flags) => {
        const more = weight === undefined ? {} : { weight };
        return show(context, await context.api().addServer(upstream, { server, reason, ...more }));
      }),
    );
}

function addRemove(servers: Command, context: CliContext): void {
  servers
    .command('remove')
    .description('Remove a server that was added; what is in flight on it finishes')
    .argument('<upstream>', UPSTREAM_HELP)
    .argument('<server>', SERVER_HELP)
    .option(...REASON)
    .option(...FORCE)
    .addHelpText('after', examples('meridian servers remove web 192.0.2.10:8080'))
    .action(
      context.action(async (upstream: string, server: string, flags: Flags) =>
        show(context, await context.api().removeServer(upstream, server, flags)),
      ),
    );
}

function addWeight(servers: Command, context: CliContext): void {
  servers
    .command('weight')
    .description('Give a server another share of the requests')
    .argument('<upstream>', UPSTREAM_HELP)
    .argument('<server>', SERVER_HELP)
    .argument('<weight>', '0 = none', parseWeight)
    .option(...REASON)
    .option(...FORCE)
    .addHelpText('after', examples('meridian servers weight web 192.0.2.10:8080 0.5'))
    .action(
      context.action(async (upstream: string, server: string, weight: number, flags: Flags) =>
        show(context, await context.api().changeServer(upstream, server, { ...flags, weight })),
      ),
    );
}

function addMode(
  servers: Command,
  context: CliContext,
  mode: ServerMode,
  description: string,
): void {
  servers
    .command(mode)
    .description(description)
    .argument('<upstream>', UPSTREAM_HELP)
    .argument('<server>', SERVER_HELP)
    .option(...REASON)
    .option(...FORCE)
    .addHelpText('after', examples(`meridian servers ${mode} web 192.0.2.10:8080`))
    .action(
      context.action(async (upstream: string, server: string, flags: Flags) =>
        show(context, await context.api().changeServer(upstream, server, { ...flags, mode })),
      ),
    );
}

async function show(context: CliContext, change: ServerChange): Promise<number> {
  await context.output().result(change, () => changeText(change));
  return EXIT_OK;
}

function changeText({ isThere, mode, server, sharing, upstream, weight }: ServerChange): string {
  const state = isThere ? `${MODE_WORDS[mode]}, with weight ${weight}` : 'is removed';
  const beyond = sharing.shared ? '' : `Other nodes may not know yet: ${sharing.detail}.\n`;
  return `${server} of ${upstream} ${state}.\n${beyond}`;
}

const MODE_WORDS: Readonly<Record<ServerMode, string>> = {
  ready: 'takes requests',
  drain: 'drains',
  maintenance: 'is in maintenance',
};

function serversText(upstreams: readonly UpstreamStatus[]): string {
  const rows = upstreams.flatMap(({ name, servers }) =>
    servers.map((server) => [
      ...[name, server.name, server.origin, server.mode, serverState(server)],
      ...[`${server.weight}`, `${server.priority}`, `${server.active}`],
    ]),
  );
  if (rows.length === 0) return 'There are no servers.\n';
  const words = ['UPSTREAM', 'SERVER', 'FROM', 'MODE', 'STATE'].map((title) => ({ title }));
  const numbers = ['WEIGHT', 'PRIORITY', 'ACTIVE'].map(
    (title) => ({ title, align: 'right' }) as const,
  );
  return formatTable([...words, ...numbers], rows);
}

function parseWeight(text: string): number {
  const weight = Number(text);
  if (text.trim() !== '' && weight >= 0 && Number.isFinite(weight)) return weight;
  throw new InvalidArgumentError('It is a number from 0.');
}
