import { parseName } from '../../dns/name.ts';
import type { Places } from '../../geo/places.ts';
import type { Notes, Place } from '../notes.ts';
import {
  childOf,
  describeTree,
  expectMap,
  type Tree,
  type TreeMap,
  textOf,
  warnOfOthers,
  wholeNumber,
} from '../tree.ts';
import { reportDifferences } from './agreement.ts';
import { asciiName, ownerName } from './domain-name.ts';
import type { Draft, DraftZone } from './draft.ts';
import { type DynamicRecord, readDynamicRecord } from './dynamic-record.ts';
import { readGeoRecord } from './geo-record.ts';
import type { RecordContext } from './record-context.ts';
import { isKnownType, recordData, recordTexts, WITHOUT_COUNTERPART } from './record-data.ts';
import { readSettings } from './settings.ts';
import { readSoa } from './soa.ts';
import { addSteered, hasChecked } from './steered-name.ts';

/** Types that octoDNS steers. */
const DYNAMIC_TYPES = ['A', 'AAAA', 'CNAME'];
const GEO_TYPES = ['A', 'AAAA'];
const RECORD_KEYS = ['type', 'ttl', 'value', 'values', 'dynamic', 'geo', 'octodns'];
const TTL_MAX = 2 ** 31 - 1;

/** Of a zone as a whole. */
export type ZoneReader = {
  /** Without the final dot, as the configuration has it. */
  readonly name: string;
  readonly zone: DraftZone;
  readonly draft: Draft;
  readonly notes: Notes;
  readonly places: Places;
  /** Of records that state none. */
  readonly ttl: number;
  /** Whether what octoDNS refuses is taken with a warning, whatever records say. */
  readonly isLenient: boolean;
  /** Those that are to serve the zone; [] = those of the file. */
  readonly nameservers: readonly string[];
};

/**
 * The zone that a file is of: `example.com.yaml`. Where a zone is split over files, they are in a folder with the
 * zone's name and a final dot: `example.com./www.yaml`.
 */
export function zoneOfFile(file: string): string | undefined {
  const parts = file.split('/');
  const folder = parts.at(-2) ?? '';
  const own = (parts.at(-1) ?? '').replace(/\.ya?ml$/, '');
  const name = /[^.]\.$/.test(folder) ? folder : own;
  const bare = asciiName(name.replace(/\.$/, ''))?.toLowerCase() ?? '';
  return bare !== '' && /^[^$\s]+$/.test(bare) && parseName(`${bare}.`) ? bare : undefined;
}

/** Adds the records of a file to its zone. */
export function readZoneFile(reader: ZoneReader, tree: Tree): void {
  const { notes } = reader;
  if (tree.kind === 'nothing') {
    notes.warn(tree.at, 'the file has no records');
    return;
  }
  const names = expectMap(tree, 'the file', notes, 'records by name: www: { type: A, … }');
  if (names?.entries.has('providers') && names.entries.has('zones')) {
    const hint = 'give the files of the zones: config/example.com.yaml';
    notes.error(tree.at, 'this is the configuration of octoDNS itself, not a zone', hint);
    return;
  }
  for (const [key, { key: at, value }] of names?.entries ?? []) {
    const owner = ownerName(key, at, notes);
    if (owner !== undefined) readOwner(reader, owner, value);
  }
}

type SteeredRecords = Map<string, DynamicRecord>;

function readOwner(reader: ZoneReader, owner: string, tree: Tree): void {
  const { notes } = reader;
  const steered: SteeredRecords = new Map();
  for (const each of tree.kind === 'list' ? tree.items : [tree]) {
    const record = expectMap(each, 'a record', notes, '{ type: A, value: … }');
    if (record !== undefined) readRecord(reader, owner, record, steered);
  }
  if (steered.size > 0) steerOwner(reader, owner, [...steered.values()]);
}

const fullName = (owner: string, zone: string): string =>
  owner === '' ? zone : `${owner}.${zone}`;

/** Of a record in the configuration. */
const pathOf = ({ name }: ZoneReader, owner: string, type: string): string =>
  `zones.${name}.records.${owner === '' ? '@' : owner}.${type}`;

function readRecord(
  reader: ZoneReader,
  owner: string,
  record: TreeMap,
  steered: SteeredRecords,
): void {
  const { draft, name: zoneName, notes, places } = reader;
  const type = textOf(childOf(record, 'type'));
  if (type === undefined) {
    notes.error(record.at, 'a record has no type', 'type: A');
    return;
  }
  const name = fullName(owner, zoneName);
  const settings = readSettings(record, name, reader.isLenient, notes);
  const sayStrict = settings.isLenient ? notes.warn : notes.error;
  const ttl = readTtl(reader, record);
  const context = { type, record, settings, ttl, notes, places, sayStrict };
  draft.sources.set(pathOf(reader, owner, type), record.at);
  warnOfOthers(record, RECORD_KEYS, 'a record', notes);
  if (settings.isIgnored) {
    notes.warn(record.at, `${type} of ${name} is left out: octoDNS ignores it`);
  } else if (type === 'SOA') reader.zone.soa = readSoa(context);
  else if (!isKnownType(type)) warnOfType(context, name);
  else if (steered.has(type) || reader.zone.records.get(owner)?.has(type)) {
    notes.error(record.at, `${name} has ${type} twice`, 'give one record all values');
  } else if (isSteered(context)) {
    const read = record.entries.has('dynamic') ? readDynamicRecord : readGeoRecord;
    const dynamic = read(context);
    if (dynamic !== undefined) steered.set(type, dynamic);
  } else if (type === 'NS' && owner === '') readNameservers(reader, context);
  else addStatic(reader, owner, name, context);
}

/** As `geo: {}`, which steers nobody; a `dynamic` without anything is a mistake. */
const isEmpty = (tree: Tree): boolean => tree.kind === 'map' && tree.entries.size === 0;

/** Warns of what would steer a type that is not steered. */
function isSteered({ notes, record, type }: RecordContext): boolean {
  const isOne = (key: string, types: readonly string[]): boolean => {
    const entry = record.entries.get(key);
    if (entry === undefined || (key === 'geo' && isEmpty(entry.value))) return false;
    if (types.includes(type)) return true;
    notes.warn(entry.key, `"${key}" means nothing at ${type}, and is not carried over`);
    return false;
  };
  const isDynamic = isOne('dynamic', DYNAMIC_TYPES);
  return isOne('geo', GEO_TYPES) || isDynamic;
}

function warnOfType({ notes, record, type }: RecordContext, name: string): void {
  const why = WITHOUT_COUNTERPART[type];
  if (why !== undefined) notes.warn(record.at, `${type} of ${name} is left out`, why);
  else if (type.includes('/')) {
    const message = `${type} of ${name} is left out: it is a type of one provider`;
    notes.warn(record.at, message, 'write what it stands for as records, or steer the name');
  } else notes.warn(record.at, `${type} of ${name} is left out: the type is not known`);
}

function readTtl({ notes, ttl }: ZoneReader, record: TreeMap): number {
  const tree = childOf(record, 'ttl');
  if (tree === undefined) return ttl;
  const own = wholeNumber(tree, 0, TTL_MAX);
  if (own !== undefined) return own;
  notes.error(
    tree.at,
    `"${textOf(tree) ?? describeTree(tree)}" is not a TTL`,
    'whole seconds: 300',
  );
  return ttl;
}

function addStatic(reader: ZoneReader, owner: string, name: string, context: RecordContext): void {
  const { notes, record, ttl, type } = context;
  const healthcheck = record.entries.get('octodns')?.value;
  if (healthcheck?.kind === 'map' && healthcheck.entries.has('healthcheck')) {
    const { key } = healthcheck.entries.get('healthcheck')!;
    notes.warn(key, `nothing checks ${type} of ${name}: it is not dynamic`);
  }
  const { records } = reader.zone;
  const own = records.get(owner) ?? new Map();
  const data = recordData(context);
  if (data.length === 0) return;
  const path = pathOf(reader, owner, type);
  for (const [index, { at }] of data.entries()) {
    for (const where of [index, `data.${index}`]) {
      reader.draft.sources.set(`${path}.${where}`, at);
    }
  }
  own.set(type, { ttl, data: data.map(({ text }) => text) });
  records.set(owner, own);
}

function readNameservers(reader: ZoneReader, context: RecordContext): void {
  const { notes, record, ttl } = context;
  if (reader.nameservers.length > 0) return;
  if (reader.zone.nameservers.length > 0) notes.error(record.at, `${reader.name} has NS twice`);
  reader.zone.nameservers = recordTexts(context);
  if (ttl === reader.ttl) return;
  const at: Place = childOf(record, 'ttl')?.at ?? record.at;
  notes.warn(at, `the NS records of the zone get its TTL, ${reader.ttl}, instead of ${ttl}`);
}

/** A and AAAA of a name are one; beside them stand no static ones. */
function steerOwner(reader: ZoneReader, owner: string, records: readonly DynamicRecord[]): void {
  const { draft, name: zoneName, notes } = reader;
  const name = fullName(owner, zoneName);
  const [first, second] = records;
  if (first === undefined) return;
  const { records: statics, steered } = reader.zone;
  for (const type of GEO_TYPES) {
    if (!statics.get(owner)?.has(type)) continue;
    const message = `${name} is steered by ${first.type}, and has ${type} that is the same for everybody`;
    const hint =
      'both families are answered from one decision here: make both dynamic, or take one out';
    notes.error(first.at, message, hint);
  }
  if (second !== undefined && [first.type, second.type].includes('CNAME')) {
    notes.error(second.at, `${name} has a CNAME beside other records`, 'a CNAME stands alone');
  } else if (second !== undefined) {
    reportDifferences(name, first, second, notes);
    if (first.ttl !== second.ttl) {
      const least = Math.min(first.ttl, second.ttl);
      notes.warn(second.at, `A and AAAA of ${name} have one TTL here: ${least}`);
    }
  }
  if (first.type === 'CNAME' && hasChecked(first)) {
    const message = `nothing checks what ${name} leads to, so its pools count as up: octoDNS asks the names, probes here want addresses`;
    notes.warn(first.at, message, 'give the endpoints "addresses" to probe, and a monitor');
  }
  if (notes.errors.length > 0) return;
  steered.set(owner, addSteered(draft, name, records));
  draft.sources.set(`zones.${zoneName}.steered.${owner === '' ? '@' : owner}`, first.at);
}
