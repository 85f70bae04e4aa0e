import type { Command } from 'commander';
import type { AddedRecordStatus, RecordChange } from '../control/control-plane.ts';
import { type CliContext, examples, parseSeconds } from './context.ts';
import { EXIT_OK } from './exit.ts';
import { timeText } from './output.ts';
import { formatTable } from './table.ts';
import { showChange, zoneOf } from './zone-writing.ts';

/** `meridian records`: what zones have besides their configuration. */
export function addRecords(program: Command, context: CliContext): void {
  const records = program
    .command('records')
    .description('Add records to zones while they are served, besides the configuration')
    .addHelpText('after', examples('meridian records add blue.example.com A 192.0.2.80 --for 1d'));
  records
    .command('list')
    .description('List the records that were added: by updates, challenges, people')
    .argument('[zone]', 'only of this zone')
    .addHelpText('after', examples('meridian records list', 'meridian records list example.com'))
    .action(
      context.action(async (zone: string | undefined) => {
        const api = context.api();
        const zones = zone === undefined ? (await api.zones()).map(({ name }) => name) : [zone];
        const all = (await Promise.all(zones.map(api.addedRecords))).flat();
        await context.output().result(all, () => recordsText(all));
        return EXIT_OK;
      }),
    );
  addAdd(records, context);
  addRemove(records, context);
}

const NAME_HELP = 'the name in full, for instance blue.example.com';
const DATA_HELP = 'as in a master file; names in full, with a final dot';
type AddFlags = { readonly ttl?: number; readonly for?: number };

function addAdd(records: Command, context: CliContext): void {
  records
    .command('add')
    .description('Add a record; ends when all nodes answer with it')
    .argument('<name>', NAME_HELP)
    .argument('<type>', 'A, TXT, CNAME, …')
    .argument('<data>', DATA_HELP)
    .option('--ttl <time>', 'time to live of the record: 30s, 5m', parseSeconds)
    .option('--for <time>', 'it goes by itself after this time: 10m, 1d', parseSeconds)
    .addHelpText(
      'after',
      examples(
        'meridian records add blue.example.com A 192.0.2.80',
        'meridian records add example.com TXT \'"verify=1"\' --ttl 60s --for 1d',
      ),
    )
    .action(
      context.action(async (name: string, type: string, data: string, flags: AddFlags) => {
        const api = context.api();
        const change = await api.addRecord(await zoneOf(api, name), {
          name,
          type,
          data,
          ...(flags.ttl === undefined ? {} : { ttlSeconds: flags.ttl }),
          ...(flags.for === undefined ? {} : { expiresInSeconds: flags.for }),
        });
        return showChange(context, change, linesOf('added', change));
      }),
    );
}

function addRemove(records: Command, context: CliContext): void {
  records
    .command('remove')
    .description('Remove records that were added')
    .argument('<name>', NAME_HELP)
    .argument('<type>', 'A, TXT, CNAME, …')
    .argument('[data]', 'only this one; default: all of the name and type')
    .addHelpText('after', examples('meridian records remove blue.example.com A'))
    .action(
      context.action(async (name: string, type: string, data: string | undefined) => {
        const api = context.api();
        const change = await api.removeRecords(await zoneOf(api, name), name, type, data);
        return showChange(context, change, linesOf('removed', change));
      }),
    );
}

function linesOf(did: 'added' | 'removed', { records }: RecordChange): readonly string[] {
  return records.map(({ data, name, type }) => `${name} ${type} ${data} is ${did}.\n`);
}

function recordsText(records: readonly AddedRecordStatus[]): string {
  if (records.length === 0) return 'No records were added.\n';
  const [name, type, data] = [{ title: 'NAME' }, { title: 'TYPE' }, { title: 'DATA' }];
  return formatTable(
    [name, { title: 'TTL', align: 'right' }, type, data, { title: 'GOES AT' }],
    records.map((each) => [
      each.name,
      `${each.ttlSeconds}`,
      each.type,
      each.data,
      each.expiresAtMs === undefined ? 'stays' : timeText(each.expiresAtMs),
    ]),
  );
}
