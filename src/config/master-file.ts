import { TYPE_SOA } from '../dns/constants.ts';
import { equalNames, formatName, isSubdomain, lowerName } from '../dns/name.ts';
import { formatRdata } from '../dns/rdata/registry.ts';
import { typeName } from '../dns/type-names.ts';
import {
  readZoneFile,
  type ZoneFileExtension,
  type ZoneFileRecord,
  type ZonePlace,
  type ZoneText,
} from '../dns/zone-file.ts';
import type { PackedRrsets } from '../zone/packed-rrsets.ts';
import { isMetaType, WITHOUT_MEANING } from './allowed-records.ts';
import type { ServiceBindingConfig, SoaConfig } from './config.ts';
import type { ConfigPath, Report } from './issue.ts';
import type { PlainZoneReader } from './plain-zone.ts';
import { present } from './present.ts';
import type { ZonePlaces } from './zone-places.ts';
import type { PlacedSet, PlacedSteered, ReadSet } from './zone-records.ts';
import { DEFAULT_POLICY, TTL_MAX_DEFAULT, TTL_MIN_DEFAULT } from './zone-schema.ts';

/**
 * A zone's master file as RRsets with their places. It has what the zone's other keys have else: SOA, NS
 * and records; and steered names, as records of a type of its own:
 *
 *   www  30  IN  STEER  web  policy=closest  ttl-min=5  https=h2,h3
 */
export type MasterFile = {
  readonly soa: SoaConfig | undefined;
  readonly ttl: number | undefined;
  readonly sets: readonly ReadSet[];
  readonly steered: readonly PlacedSteered[];
};

/** What a file says in which nothing is out of the ordinary. */
export type PlainMasterFile = Pick<MasterFile, 'steered'> & {
  readonly soa: SoaConfig;
  readonly ttl: number;
  readonly filed: PackedRrsets;
};

/** Reads a plain file; undefined when it is not. */
export function readPlainFile(
  reader: MasterFileReader,
  plain: PlainZoneReader,
  text: ZoneText,
): PlainMasterFile | undefined {
  const read = plain.read(text, reader.apex, STEER);
  if (read === undefined) return undefined;
  const steered = read.extensions.flatMap((each) => readSteer(reader, each) ?? []);
  return { soa: readSoa(read.soa), ttl: read.ttl, filed: read.packed, steered };
}

/** Which zone files there are: the text, or why there is none. Nothing in this room opens files. */
export type ZoneFiles = {
  (path: string, from?: ZoneText): ZoneText | { readonly message: string };
  /** Names of the files in a folder, or why there are none. */
  list?(folder: string): readonly string[] | { readonly message: string };
};

export type MasterFileReader = {
  /** Wire form, lower case. */
  readonly apex: Uint8Array;
  /** Of the key that names the file. */
  readonly path: ConfigPath;
  readonly files: ZoneFiles;
  readonly places: ZonePlaces;
  readonly error: Report;
  readonly warn: Report;
};

const STEER = 'STEER';
const STEER_HINT = 'www 30 STEER web policy=closest ttl-min=5';

/** The file's text; undefined when there is none, which is reported. */
export function openMasterFile(reader: MasterFileReader, path: string): ZoneText | undefined {
  const text = reader.files(path);
  if (!('message' in text)) return text;
  reader.error(reader.path, text.message, 'paths are relative to the folder of this file');
  return undefined;
}

/** Reads the file. All that is wrong with it is reported. */
export function readMasterFile(reader: MasterFileReader, text: ZoneText): MasterFile {
  const { apex, error, files, places } = reader;
  const file = readZoneFile(text, { origin: apex, include: files, extensions: new Set([STEER]) });
  for (const { hint, message, ...place } of file.problems) {
    error([...reader.path, places.part(place)], message, hint);
  }
  const own = file.records.filter((record) => isOwn(reader, record));
  const soas = own.filter(({ type }) => typeName(type) === 'SOA');
  for (const extra of soas.slice(1)) {
    error([...reader.path, places.part(extra)], 'a second SOA', 'keep one, at the top');
  }
  const [soa] = soas;
  const isWhole = file.problems.length === 0;
  if (soa === undefined && isWhole) {
    error(reader.path, `${text.name} has no SOA`, 'its first record is the SOA of the zone');
  }
  const sets = rrsetsOf(reader, own);
  const hasServers = sets.some(({ placed }) => isApexNs(placed, apex));
  if (!hasServers && isWhole) {
    error(reader.path, `${text.name} has no NS records of the zone`, '@ NS ns1.example.com.');
  }
  return {
    soa: soa && readSoa(soa.rdata),
    ttl: soa?.ttlSeconds,
    sets,
    steered: file.extensions.flatMap((each) => readSteer(reader, each) ?? []),
  };
}

function isApexNs({ owner, type }: PlacedSet, apex: Uint8Array): boolean {
  return type === 'NS' && equalNames(owner, apex);
}

/** Whether a record is to be served; the SOA only where it belongs. */
function isOwn({ apex, error, path, places, warn }: MasterFileReader, record: ZoneFileRecord) {
  const at = [...path, places.part(record)];
  const kind = typeName(record.type);
  if (!isSubdomain(record.owner, apex)) {
    const message = `${formatName(record.owner)} is not inside the zone ${formatName(apex)}`;
    warn(at, message, 'it is left out');
    return false;
  }
  if (WITHOUT_MEANING.has(record.type)) {
    warn(at, `${kind} records are left out`, 'signatures of others are not taken over');
    return false;
  }
  if (kind === 'SOA' && !equalNames(record.owner, apex)) {
    error(at, `a SOA below the zone, at ${formatName(record.owner)}`, 'remove it');
    return false;
  }
  if (isMetaType(record.type)) {
    error(at, `${kind} exists in messages only, not as a record`, 'remove it');
    return false;
  }
  return true;
}

type DraftSet = {
  readonly placed: PlacedSet & { readonly rdata: Uint8Array[]; readonly dataPaths: ConfigPath[] };
  readonly ttl: number;
  readonly texts: Set<string>;
};

function rrsetsOf(reader: MasterFileReader, records: readonly ZoneFileRecord[]): ReadSet[] {
  const { path, places, warn } = reader;
  const sets = new Map<string, DraftSet>();
  for (const record of records) {
    const type = typeName(record.type);
    if (type === 'SOA') continue;
    const at = [...path, places.part(record)];
    const owner = lowerName(record.owner);
    const ownerText = formatName(owner);
    const identity = `${ownerText} ${type}`;
    let set = sets.get(identity);
    if (set === undefined) {
      const placed = { path: at, owner, ownerText, type, rdata: [], dataPaths: [] };
      set = { placed, ttl: record.ttlSeconds, texts: new Set() };
      sets.set(identity, set);
    }
    if (record.ttlSeconds !== set.ttl) {
      const message = `${identity} has the TTL ${set.ttl} above and ${record.ttlSeconds} here`;
      warn(at, message, `records of one name and type have one TTL: ${set.ttl} is used`);
    }
    const text = formatRdata(record.type, record.rdata);
    // The same record twice is one record (RFC 2181 5).
    if (set.texts.has(text)) continue;
    set.texts.add(text);
    set.placed.rdata.push(record.rdata);
    set.placed.dataPaths.push(at);
  }
  return [...sets.values()].map(({ placed, texts, ttl }) => ({ placed, ttl, data: [...texts] }));
}

function readSoa(rdata: Uint8Array): SoaConfig {
  const [mname, rname, ...numbers] = formatRdata(TYPE_SOA, rdata).split(' ') as [string, string];
  const [serial, refresh, retry, expire, minimum] = numbers.map(Number) as Numbers;
  return { mname, rname, serial, refresh, retry, expire, minimum };
}
type Numbers = [number, number, number, number, number];

/** `<pool> [policy=NAME] [ttl-min=SECONDS] [https=PROTOCOLS]`; its TTL is the largest. */
function readSteer(reader: MasterFileReader, steer: ZoneFileExtension): PlacedSteered | undefined {
  const { apex, error, path, places } = reader;
  const at = (place: ZonePlace): ConfigPath => [...path, places.part(place)];
  const [pool, ...options] = steer.tokens;
  const owner = lowerName(steer.owner);
  const ownerText = formatName(owner);
  if (pool === undefined) {
    error(at(steer), `the steered name ${ownerText} names no pool`, STEER_HINT);
    return undefined;
  }
  if (!isSubdomain(owner, apex)) {
    error(at(steer), `${ownerText} is not inside the zone ${formatName(apex)}`);
    return undefined;
  }
  const paths = { pool: at({ ...steer, at: pool.at }), policy: at(steer), ttlMin: at(steer) };
  const ttlMax = steer.ttlSeconds ?? TTL_MAX_DEFAULT;
  const draft = { policy: DEFAULT_POLICY, ttlMin: Math.min(TTL_MIN_DEFAULT, ttlMax) };
  let https: ServiceBindingConfig | undefined;
  for (const { at: index, text } of options) {
    const place = at({ ...steer, at: index });
    const [, key, value] = /^(policy|ttl-min|https)=([!-~]+)$/.exec(text) ?? [];
    if (key === 'policy') {
      draft.policy = value!;
      paths.policy = place;
    } else if (key === 'ttl-min' && /^[0-9]{1,9}$/.test(value!)) {
      draft.ttlMin = Number(value);
      paths.ttlMin = place;
    } else if (key === 'https') {
      https = { priority: 1, alpn: value!.split(','), hints: true };
    } else {
      error(place, `"${text}" is not an option of a steered name`, STEER_HINT);
    }
  }
  const config = { owner: ownerText, pool: pool.text, ...draft, ttlMax, ...present({ https }) };
  return { path: at(steer), owner, ownerText, config, paths };
}
