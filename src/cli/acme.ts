import type { Command } from 'commander';
import type { AcmeChallenge, AcmeChallengeChange } from '../control/control-plane.ts';
import type { ApiClient } from './api-client.ts';
import { type CliContext, examples, parseSeconds } from './context.ts';
import { CliExit, EXIT_OK, EXIT_USAGE } from './exit.ts';
import { timeText } from './output.ts';
import { formatTable } from './table.ts';
import { showChange, zoneOf } from './zone-writing.ts';

/** `meridian acme`: challenges of certificate authorities, set before they look and gone by themselves. */
export function addAcme(program: Command, context: CliContext): void {
  const acme = program
    .command('acme')
    .description('Prove names to a certificate authority (ACME, dns-01)')
    .addHelpText('after', examples('meridian acme set www.example.com VALUE'));
  addSet(acme, context);
  addClear(acme, context);
  acme
    .command('list')
    .description('List the challenges that zones answer with')
    .argument('[zone]', 'only of this zone')
    .addHelpText('after', examples('meridian acme list'))
    .action(
      context.action(async (zone: string | undefined) => {
        const api = context.api();
        const zones = zone === undefined ? (await api.zones()).map(({ name }) => name) : [zone];
        const all = await Promise.all(zones.map(api.acmeChallenges));
        const challenges = all.flat();
        await context.output().result(challenges, () => challengesText(challenges));
        return EXIT_OK;
      }),
    );
  addHooks(acme, context);
}

const NAME_HELP = 'the name that is proved, for instance www.example.com or *.example.com';

function addSet(acme: Command, context: CliContext): void {
  acme
    .command('set')
    .description('Answer with a challenge; ends when all nodes do')
    .argument('<name>', NAME_HELP)
    .argument('<value>', 'what the certificate authority wants to see')
    .option('--ttl <time>', 'time to live of the record: 30s, 1m', parseSeconds)
    .option('--for <time>', 'it goes by itself after this time: 10m, 1h', parseSeconds)
    .addHelpText(
      'after',
      examples(
        'meridian acme set www.example.com VALUE',
        'meridian acme set example.com VALUE --for 10m',
      ),
    )
    .action(
      context.action(async (name: string, value: string, options: SetFlags) => {
        const change = await set(context.api(), name, value, options);
        return showChange(context, change, linesOf('set', change));
      }),
    );
}

function addClear(acme: Command, context: CliContext): void {
  acme
    .command('clear')
    .description('Answer with a challenge no more')
    .argument('<name>', NAME_HELP)
    .argument('[value]', 'only this one; default: all of the name')
    .addHelpText('after', examples('meridian acme clear www.example.com'))
    .action(
      context.action(async (name: string, value: string | undefined) => {
        const change = await clear(context.api(), name, value);
        return showChange(context, change, linesOf('cleared', change));
      }),
    );
}

/** For `certbot --manual`, which says in the environment what it wants. */
function addHooks(acme: Command, context: CliContext): void {
  const named = (name: string): string => {
    const value = context.io.env[name];
    if (value !== undefined && value !== '') return value;
    throw new CliExit(
      EXIT_USAGE,
      `${name} is not set.`,
      'This is a hook of certbot: see docs/UPDATES.md.',
    );
  };
  const hookExamples = examples(
    'certbot certonly --manual --preferred-challenges dns \\\n    --manual-auth-hook "meridian acme auth-hook" --manual-cleanup-hook "meridian acme cleanup-hook" -d example.com',
  );
  acme
    .command('auth-hook')
    .description('certbot’s --manual-auth-hook: set what CERTBOT_DOMAIN and CERTBOT_VALIDATION say')
    .addHelpText('after', hookExamples)
    .action(
      context.action(async () => {
        const [name, value] = [named('CERTBOT_DOMAIN'), named('CERTBOT_VALIDATION')];
        const change = await set(context.api(), name, value, {});
        return showChange(context, change, linesOf('set', change));
      }),
    );
  acme
    .command('cleanup-hook')
    .description('certbot’s --manual-cleanup-hook: clear it again')
    .addHelpText('after', hookExamples)
    .action(
      context.action(async () => {
        const [name, value] = [named('CERTBOT_DOMAIN'), named('CERTBOT_VALIDATION')];
        const change = await clear(context.api(), name, value);
        await showChange(context, change, linesOf('cleared', change));
        return EXIT_OK;
      }),
    );
}

type SetFlags = { readonly ttl?: number; readonly for?: number };

async function set(api: ApiClient, name: string, value: string, flags: SetFlags) {
  const zone = await zoneOf(api, name);
  return api.setAcmeChallenge(zone, {
    name,
    value,
    ...(flags.ttl === undefined ? {} : { ttlSeconds: flags.ttl }),
    ...(flags.for === undefined ? {} : { expiresInSeconds: flags.for }),
  });
}

async function clear(api: ApiClient, name: string, value: string | undefined) {
  return api.clearAcmeChallenge(await zoneOf(api, name), name, value);
}

function linesOf(did: 'set' | 'cleared', { challenges }: AcmeChallengeChange): readonly string[] {
  return challenges.map(({ name, value }) => `${name} TXT ${value} is ${did}.\n`);
}

function challengesText(challenges: readonly AcmeChallenge[]): string {
  if (challenges.length === 0) return 'There are no challenges.\n';
  return formatTable(
    [{ title: 'NAME' }, { title: 'VALUE' }, { title: 'TTL', align: 'right' }, { title: 'GOES AT' }],
    challenges.map(({ expiresAtMs, name, ttlSeconds, value }) => [
      name,
      value,
      `${ttlSeconds}`,
      expiresAtMs === undefined ? 'stays' : timeText(expiresAtMs),
    ]),
  );
}
