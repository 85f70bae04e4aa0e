import { type Command, Option } from 'commander';
import type { ZoneDnssec } from '../control/control-plane.ts';
import { type CliContext, examples, parseSeconds } from './context.ts';
import { CliExit, EXIT_NO, EXIT_OK, EXIT_UNAVAILABLE, EXIT_USAGE } from './exit.ts';
import { type Paint, sharingText, timeText } from './output.ts';
import { formatTable } from './table.ts';

/** `meridian dnssec`: the keys of a signed zone, what its parent is to know of them, and their change. */
export function addDnssec(program: Command, context: CliContext): void {
  const dnssec = program
    .command('dnssec')
    .description('Show the keys of a signed zone, print its DS records, replace its keys')
    .addHelpText(
      'after',
      examples(
        'meridian dnssec status gslb.example.com',
        'meridian dnssec ds gslb.example.com',
        'meridian dnssec roll start gslb.example.com --key zsk',
      ),
    );
  const show = async (status: ZoneDnssec): Promise<number> => {
    const output = context.output();
    await output.result(status, () => statusText(status, output.paint, context.io.nowMs()));
    return EXIT_OK;
  };
  dnssec
    .command('status')
    .description('Show the keys, what they do, and what a change of them waits for')
    .argument('<zone>', 'the zone')
    .addHelpText('after', examples('meridian dnssec status gslb.example.com'))
    .action(
      context.action(async (zone: string) => show(await context.api().zoneDnssec(bare(zone)))),
    );
  addDs(dnssec, context);
  const roll = dnssec.command('roll').description('Replace a key, step by step');
  roll
    .command('start')
    .description('Begin to replace a key')
    .argument('<zone>', 'the zone')
    .addOption(
      new Option('--key <role>', 'which; `csk` is all, by those that the configuration asks for')
        .choices(['csk', 'ksk', 'zsk'])
        .makeOptionMandatory(),
    )
    .addHelpText('after', examples('meridian dnssec roll start gslb.example.com --key ksk'))
    .action(
      context.action(async (zone: string, { key }: { readonly key: 'csk' | 'ksk' | 'zsk' }) =>
        show(await context.api().startKeyRoll({ zone: bare(zone), key })),
      ),
    );
  addNext(roll, context, show);
}

const bare = (zone: string): string =>
  zone === '.' ? zone : zone.replace(/\.$/, '').toLowerCase();

function addDs(dnssec: Command, context: CliContext): void {
  dnssec
    .command('ds')
    .description('Print the DS records that the parent (or registrar) is to have')
    .argument('<zone>', 'the zone')
    .option('--cds', 'as the zone says it to its parent: CDS records')
    .option('--cdnskey', 'likewise CDNSKEY records')
    .addHelpText('after', examples('meridian dnssec ds gslb.example.com'))
    .action(
      context.action(
        async (zone: string, options: { readonly cds?: boolean; readonly cdnskey?: boolean }) => {
          const status = await context.api().zoneDnssec(bare(zone));
          const type = options.cds ? 'CDS' : options.cdnskey ? 'CDNSKEY' : 'DS';
          const data = options.cds ? status.cds : options.cdnskey ? status.cdnskey : status.ds;
          const owner = status.zone === '.' ? '.' : `${status.zone}.`;
          if (data.length === 0) {
            const why = status.problem ?? 'none of its keys is to be known there';
            throw new CliExit(EXIT_NO, `There is no ${type} record for ${owner}: ${why}.`);
          }
          if (status.dsFromMs !== undefined) {
            const from = timeText(status.dsFromMs);
            context.io.stderr.write(
              `Not before ${from}: until then caches may hold unsigned answers.\n`,
            );
          }
          await context
            .output()
            .result(data, () => data.map((one) => `${owner} IN ${type} ${one}\n`).join(''));
          return EXIT_OK;
        },
      ),
    );
}

type NextFlags = {
  readonly dsSeen?: boolean;
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

function addNext(
  roll: Command,
  context: CliContext,
  show: (status: ZoneDnssec) => Promise<number>,
): void {
  roll
    .command('next')
    .description('Take the next step; looks at the DS records of the parent when it waits for them')
    .argument('<zone>', 'the zone')
    .option('--ds-seen', 'do not look: the parent has the DS records that it is to have')
    .option('--resolver <address[:port]>', "finds the parent, in place of the system's", repeat)
    .option('--parent <address[:port]>', 'a server of the zone above (repeatable)', repeat)
    .option('--port <port>', 'where servers of the zone above listen, for trials', '53')
    .option('--timeout <time>', 'how long an answer may take', parseSeconds, TIMEOUT_SECONDS)
    .addHelpText(
      'after',
      examples(
        'meridian dnssec roll next gslb.example.com',
        'meridian dnssec roll next gslb.example.com --ds-seen',
      ),
    )
    .action(
      context.action(async (zone: string, flags: NextFlags) => {
        const api = context.api();
        const status = await api.zoneDnssec(bare(zone));
        const seen =
          status.roll?.waitsFor !== 'parent'
            ? {}
            : flags.dsSeen
              ? { dsSeen: true }
              : await lookAtParent(status, flags);
        return show(await api.advanceKeyRoll({ zone: status.zone, ...seen }));
      }),
    );
}

async function lookAtParent({ ds, roll, zone }: ZoneDnssec, flags: NextFlags) {
  const { askParent, parentLacks } = await import('./parent-ds.ts');
  const { readServer, systemResolvers } = await import('./dns-servers.ts');
  const serverOf = (text: string) => {
    const server = readServer(text);
    if (server !== undefined) return server;
    const hint = 'Give an address, with a port or without: 192.0.2.1, 127.0.0.1:5300, [::1]:5300.';
    throw new CliExit(EXIT_USAGE, `"${text}" will not do.`, hint);
  };
  const answers = await askParent({
    zone,
    parents: (flags.parent ?? []).map(serverOf),
    resolvers: flags.resolver?.map(serverOf) ?? systemResolvers(),
    port: serverOf(`127.0.0.1:${flags.port}`).port,
    timeoutMs: flags.timeout * 1000,
  });
  const seen = '--ds-seen says that they are as they should be.';
  if (typeof answers === 'string') {
    const hint = `Name its servers with --parent ADDRESS, or a resolver with --resolver ADDRESS; ${seen}`;
    throw new CliExit(EXIT_UNAVAILABLE, `The parent was not asked: ${answers}.`, hint);
  }
  const lack = parentLacks(ds, answers, roll?.step === 'withdrawn');
  if (lack !== undefined) {
    const hint = `It is to have what "meridian dnssec ds ${zone}" prints, and no other DS at the end. ${seen}`;
    throw new CliExit(EXIT_NO, `${lack}: nothing is changed.`, hint);
  }
  return { dsSeen: true, dsTtlSeconds: Math.max(...answers.map(({ ttlSeconds }) => ttlSeconds)) };
}

const PLACES: Readonly<Record<ZoneDnssec['kept'], string>> = {
  shared: 'shared by all nodes',
  file: 'in a file of this node',
  folder: 'files in a folder',
};

function statusText(status: ZoneDnssec, paint: Paint, nowMs: number): string {
  const { dsFromMs, ds, keys, kept, problem, roll, sharing, warnings, zone } = status;
  const lines = [`${paint('bold', zone)}: keys ${PLACES[kept]}\n`];
  if (problem !== undefined) lines.push(paint('red', `x ${problem}\n`));
  if (keys.length > 0) {
    const table = formatTable(
      [
        { title: 'KEY', align: 'right' },
        { title: 'ROLE' },
        { title: 'ALGORITHM' },
        { title: 'STAGE' },
        { title: 'SINCE' },
      ],
      keys.map(({ algorithm, role, sinceMs, stage, tag }) => [
        String(tag),
        role,
        algorithm,
        stage,
        timeText(sinceMs),
      ]),
      (heading) => paint('bold', heading),
    );
    lines.push(`\n${table}`);
  }
  const owner = zone === '.' ? zone : `${zone}.`;
  if (ds.length > 0) {
    const from =
      dsFromMs !== undefined && nowMs < dsFromMs ? `, not before ${timeText(dsFromMs)}` : '';
    lines.push(`\nThe parent is to have${from}:\n`);
    for (const one of ds) lines.push(`  ${owner} IN DS ${one}\n`);
  }
  if (roll !== undefined) {
    const until = roll.untilMs === undefined ? '' : ` (until ${timeText(roll.untilMs)})`;
    lines.push(`\n${roll.key} is being replaced, ${roll.step}: ${roll.detail}${until}\n`);
  }
  for (const warning of warnings) lines.push(paint('yellow', `! ${warning}\n`));
  const shared = sharing?.shared === false ? sharingText(sharing) : '';
  return lines.join('') + (shared === '' ? '' : `${shared.trimEnd()}\n`);
}
