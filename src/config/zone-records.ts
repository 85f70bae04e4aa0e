import { equalNames, formatName, isSubdomain, lowerName, parseName } from '../dns/name.ts';
import { formatRdata, parseRdata, rdataTypes } from '../dns/rdata/registry.ts';
import { CHARACTER_STRING_LENGTH_MAX, quote } from '../dns/token.ts';
import { typeName, typeNumber } from '../dns/type-names.ts';
import { isMetaType, WITHOUT_MEANING } from './allowed-records.ts';
import type {
  DnssecConfig,
  PrimaryConfig,
  SoaConfig,
  SteeredConfig,
  TransferConfig,
  ZoneConfig,
} from './config.ts';
import type { DnssecFile } from './dnssec-schema.ts';
import type { ConfigPath, Report } from './issue.ts';
import {
  openMasterFile,
  type PlainMasterFile,
  readMasterFile,
  readPlainFile,
  type ZoneFiles,
} from './master-file.ts';
import type { PlainZoneReader } from './plain-zone.ts';
import { present } from './present.ts';
import { didYouMean } from './spelling.ts';
import { resolveUpdate } from './update-schema.ts';
import type { NamedZone } from './zone-folders.ts';
import type { ZonePlaces } from './zone-places.ts';
import { soa as soaSchema, type ZoneFile } from './zone-schema.ts';

/**
 * Gives a zone of the file its meaning: owners and rdata become absolute and canonical, and every
 * record's text is read by its type. What only shows when records are seen together (a CNAME beside
 * other data, missing glue) is in zone-consistency.ts, which works on the `placed` sets.
 */
export type ResolvedZone = {
  /** As configured, lower case, without the final dot. */
  readonly name: string;
  readonly config: ZoneConfig;
  /** The zone's name in wire form, lower case. */
  readonly apex: Uint8Array;
  readonly path: ConfigPath;
  /** Not those of a plain file, of which there is nothing to say. */
  readonly placed: readonly PlacedSet[];
  readonly steered: readonly PlacedSteered[];
};

/** An RRset with its place in the file; `rdata` in wire form, in the order of `data`. */
export type PlacedSet = {
  readonly path: ConfigPath;
  readonly owner: Uint8Array;
  readonly ownerText: string;
  readonly type: string;
  readonly rdata: readonly Uint8Array[];
  /** `rdata[i]` was written at `dataPaths[i]`. */
  readonly dataPaths: readonly ConfigPath[];
};
export type PlacedSteered = {
  readonly path: ConfigPath;
  readonly owner: Uint8Array;
  readonly ownerText: string;
  readonly config: SteeredConfig;
  /** Where these stand. */
  readonly paths: {
    readonly pool: ConfigPath;
    readonly policy: ConfigPath;
    readonly ttlMin: ConfigPath;
  };
};
/** An RRset before it is a part of the zone; `data` are canonical text. */
export type ReadSet = {
  readonly placed: PlacedSet;
  readonly ttl: number;
  readonly data: readonly string[];
};
/** The zones' master files: which there are, places in them, and who reads the plain ones. */
export type MasterFiles = {
  readonly files: ZoneFiles;
  readonly places: ZonePlaces;
  readonly plain: PlainZoneReader;
};

const NAME_HINT =
  'labels are 1 to 63 characters, a name at most 255; escape odd characters with \\';

/** Reads one zone; undefined when its own name is no domain name. */
export function resolveZone(
  { file, master: masterPath, name: zoneName, path }: NamedZone,
  masters: MasterFiles,
  hasZonesBelow: (apexText: string) => boolean,
  error: Report,
  warn: Report,
): ResolvedZone | undefined {
  const apex = readZoneName(zoneName);
  if (!apex) {
    error(path, `"${zoneName}" is not a domain name`, NAME_HINT);
    return undefined;
  }
  const reader: ZoneReader = { zoneName, apex, path, file, error, warn };
  const nameservers = readNameservers(reader);
  const fileReader = { ...reader, path: [...path, 'file'], ...masters };
  const text = masterPath === undefined ? undefined : openMasterFile(fileReader, masterPath);
  const isAlone = isEmpty(file.records) && isEmpty(file.steered) && !hasZonesBelow(zoneText(apex));
  // What a zone below hides, and what stands beside the file, is for those who look at each record.
  const plain = text && isAlone ? readPlainFile(fileReader, masters.plain, text) : undefined;
  if (plain !== undefined) return plainZone(reader, plain);
  const master = text && readMasterFile(fileReader, text);
  const own = [nameservers, ...readRecords(reader)].filter((set) => set !== undefined);
  const sets = joined(reader, master?.sets ?? [], own);
  const steered = joinedSteered(reader, master?.steered ?? [], readSteered(reader));
  return {
    name: zoneText(apex),
    config: {
      ttl: master?.ttl ?? file.ttl,
      soa: master?.soa ?? readSoa(reader, nameservers),
      rrsets: sets.map(({ placed, ttl, data }) => ({
        owner: placed.ownerText,
        type: placed.type,
        ttl,
        data,
      })),
      steered: steered.map(({ config }) => config),
      ...resolveRest(file),
    },
    apex,
    path,
    placed: sets.map(({ placed }) => placed),
    steered,
  };
}

const isEmpty = (record: object): boolean => Object.keys(record).length === 0;

const NOTHING: readonly PlacedSet[] = [];

function plainZone({ apex, file, path }: ZoneReader, master: PlainMasterFile): ResolvedZone {
  const { filed, soa, steered, ttl } = master;
  const own = { ttl, soa, rrsets: [], filed, steered: steered.map(({ config }) => config) };
  const config = { ...own, ...resolveRest(file) };
  return { name: zoneText(apex), config, apex, path, placed: NOTHING, steered };
}

function resolveRest(
  file: ZoneFile,
): Pick<ZoneConfig, 'primary' | 'transfer' | 'update' | 'dnssec'> {
  return present({
    primary: file.primary && resolvePrimary(file.primary),
    transfer: file.transfer && resolveTransfer(file.transfer),
    update: file.update && resolveUpdate(file.update),
    dnssec: file.dnssec && resolveDnssec(file.dnssec),
  });
}

function resolveTransfer({
  allow,
  notify,
  steered,
}: NonNullable<ZoneFile['transfer']>): TransferConfig {
  return {
    networks: allow.flatMap((each) => ('network' in each ? each.network : [])),
    keys: allow.flatMap((each) => ('key' in each ? each.key : [])),
    notify: notify.map((each) => present({ key: undefined, source: undefined, ...each })),
    steered,
  };
}

function resolvePrimary({ servers, whenExpired }: NonNullable<ZoneFile['primary']>): PrimaryConfig {
  return {
    servers: servers.map((each) => present({ key: undefined, source: undefined, ...each })),
    whenExpired,
  };
}

function resolveDnssec({ keys, refresh, validity, ...rest }: DnssecFile): DnssecConfig {
  return present({
    folder: undefined,
    ...rest,
    scheme: keys,
    validitySeconds: Math.floor(validity / 1000),
    refreshSeconds: Math.floor(refresh / 1000),
  });
}

/** Records of the master file and those beside it; a type of a name has one place. */
function joined(
  { error }: ZoneReader,
  master: readonly ReadSet[],
  own: readonly ReadSet[],
): readonly ReadSet[] {
  if (master.length === 0) return own;
  const known = new Set(master.map(({ placed }) => `${placed.ownerText} ${placed.type}`));
  const added = own.filter(({ placed }) => {
    const identity = `${placed.ownerText} ${placed.type}`;
    if (!known.has(identity)) return true;
    error(placed.path, `${identity} is in the zone's file too`, 'keep one of the two', 'key');
    return false;
  });
  return [...master, ...added];
}

function joinedSteered(
  { error }: ZoneReader,
  ...sources: readonly (readonly PlacedSteered[])[]
): readonly PlacedSteered[] {
  const seen = new Set<string>();
  return sources.flat().filter(({ ownerText, path }) => {
    if (!seen.has(ownerText)) return seen.add(ownerText);
    error(path, `${ownerText} is steered twice`, 'keep one of the two', 'key');
    return false;
  });
}

/** The wire form, lower case, of a zone's name with or without the final dot. */
function readZoneName(text: string): Uint8Array | undefined {
  const wire = text === '@' ? undefined : parseName(text, Uint8Array.of(0));
  return wire && lowerName(wire);
}

/** The key of a zone in Config: `gslb.example`. */
function zoneText(apex: Uint8Array): string {
  const text = formatName(apex);
  return text === '.' ? text : text.slice(0, -1);
}

type ZoneReader = {
  readonly zoneName: string;
  readonly apex: Uint8Array;
  readonly path: ConfigPath;
  readonly file: ZoneFile;
  readonly error: Report;
  readonly warn: Report;
};
function readNameservers(reader: ZoneReader): ReadSet | undefined {
  const { error, file } = reader;
  const path = [...reader.path, 'nameservers'];
  const { nameservers, ttl } = file;
  reportBesidePrimary(reader);
  if (file.file !== undefined) {
    for (const key of ['nameservers', 'soa'] as const) {
      const hint = 'remove one of the two';
      if (file[key])
        error([...reader.path, key], `${key} and file exclude each other`, hint, 'key');
    }
    return undefined;
  }
  if (nameservers === undefined) return undefined;
  return readSet(reader, {
    path,
    owner: reader.apex,
    type: 'NS',
    ttl,
    data: nameservers,
    dataPath: path,
  });
}

/** A zone has one source of records: two would be two opinions about one serial. */
function reportBesidePrimary({ error, file, path }: ZoneReader): void {
  if (file.primary === undefined) return;
  const written = {
    file: file.file,
    soa: file.soa,
    nameservers: file.nameservers,
    records: Object.keys(file.records).length > 0 ? file.records : undefined,
  };
  for (const key of ['file', 'soa', 'nameservers', 'records'] as const) {
    if (written[key] === undefined) continue;
    const hint = 'the primary has them: remove one of the two';
    error([...path, key], `${key} and primary exclude each other`, hint, 'key');
  }
}

function readRecords(reader: ZoneReader): readonly (ReadSet | undefined)[] {
  const { file, error, path } = reader;
  const seen = new Map<string, string>();
  return Object.entries(file.records).flatMap(([ownerKey, types]) => {
    const ownerPath = [...path, 'records', ownerKey];
    const owner = readOwner(reader, ownerKey, ownerPath);
    if (!owner) return [];
    return Object.entries(types).map(([typeKey, { ttl, data }]) => {
      const typePath = [...ownerPath, typeKey];
      const type = readType(reader, owner, typeKey, typePath);
      if (type === undefined) return undefined;
      const identity = `${formatName(owner)} ${type}`;
      const before = seen.get(identity);
      if (before !== undefined) {
        error(
          typePath,
          `${type} of this name is given twice`,
          `the other one is at ${before}`,
          'key',
        );
        return undefined;
      }
      seen.set(identity, typePath.slice(2).join('.'));
      const dataPath = dataPathOf(typePath, ttl);
      return readSet(reader, { path: typePath, owner, type, ttl: ttl ?? file.ttl, data, dataPath });
    });
  });
}

/** Where the data stand: below `data` when the set was written as a map. A TTL shows that it was. */
function dataPathOf(typePath: ConfigPath, ttl: number | undefined): ConfigPath {
  return ttl === undefined ? typePath : [...typePath, 'data'];
}

type SetText = {
  readonly path: ConfigPath;
  readonly owner: Uint8Array;
  readonly type: string;
  readonly ttl: number;
  readonly data: readonly string[];
  readonly dataPath: ConfigPath;
};

function readSet(reader: ZoneReader, set: SetText): ReadSet | undefined {
  const { error, warn, apex } = reader;
  const type = typeNumber(set.type)!;
  const rdata: Uint8Array[] = [];
  const dataPaths: ConfigPath[] = [];
  const texts = new Set<string>();
  for (const [index, text] of set.data.entries()) {
    const at = [...set.dataPath, index];
    const result = parseRdata(set.type, set.type === 'TXT' ? textData(text) : text, apex);
    if (!result.ok) {
      error(at, result.message, result.hint);
      continue;
    }
    const canonical = formatRdata(type, result.rdata);
    if (texts.has(canonical)) {
      warn(at, 'the same data are given twice', 'remove one of the two');
      continue;
    }
    texts.add(canonical);
    rdata.push(result.rdata);
    dataPaths.push(at);
  }
  if (rdata.length === 0) return undefined;
  const { path, owner } = set;
  const placed = { path, owner, ownerText: formatName(owner), type: set.type, rdata, dataPaths };
  return { placed, ttl: set.ttl, data: [...texts] };
}

function readType(
  { error, apex }: ZoneReader,
  owner: Uint8Array,
  typeKey: string,
  path: ConfigPath,
): string | undefined {
  const type = typeKey.toUpperCase();
  if (type === 'SOA') {
    error(path, 'the SOA is not a record here', 'it is the key "soa" of the zone', 'key');
    return undefined;
  }
  if (type === 'NS' && equalNames(owner, apex)) {
    error(
      path,
      'the NS records of the zone itself are not records here',
      'list them in "nameservers"',
      'key',
    );
    return undefined;
  }
  const number = typeNumber(type);
  if (number !== undefined && WITHOUT_MEANING.has(number)) {
    const name = typeName(number);
    error(path, `${name} records are not written by hand`, 'remove them', 'key');
    return undefined;
  }
  if (number !== undefined && !isMetaType(number)) return typeName(number);
  if (number !== undefined) {
    error(path, `${type} exists in messages only, not as a record`, 'remove it', 'key');
    return undefined;
  }
  const known = rdataTypes.map(({ kind }) => kind);
  error(path, `unknown record type "${typeKey}"`, didYouMean(type, known), 'key');
  return undefined;
}

/**
 * YAML has quotes of its own, so TXT data without the quotes of a zone file are one text, blanks and
 * semicolons included, cut into strings of the length that a record can hold.
 */
function textData(text: string): string {
  if (/^\s*"|^\\#/.test(text)) return text;
  const octets = new TextEncoder().encode(text);
  const strings: string[] = [];
  for (let start = 0; start === 0 || start < octets.length; start += CHARACTER_STRING_LENGTH_MAX) {
    strings.push(quote(octets.subarray(start, start + CHARACTER_STRING_LENGTH_MAX)));
  }
  return strings.join(' ');
}

function readSteered(reader: ZoneReader): readonly PlacedSteered[] {
  const { file, path } = reader;
  return Object.entries(file.steered).flatMap(([ownerKey, { pool, policy, ttl, https, svcb }]) => {
    const ownerPath = [...path, 'steered', ownerKey];
    const owner = readOwner(reader, ownerKey, ownerPath);
    if (!owner) return [];
    const ownerText = formatName(owner);
    return {
      path: ownerPath,
      owner,
      ownerText,
      config: {
        ...{ owner: ownerText, pool, policy, ttlMin: ttl.min, ttlMax: ttl.max },
        ...present({ https: https && present(https), svcb: svcb && present(svcb) }),
      },
      paths: {
        pool: [...ownerPath, 'pool'],
        policy: [...ownerPath, 'policy'],
        ttlMin: [...ownerPath, 'ttl', 'min'],
      },
    };
  });
}

/** The owner in wire form, lower case, when it is a name inside the zone. */
function readOwner(
  { apex, zoneName, error, warn }: ZoneReader,
  text: string,
  path: ConfigPath,
): Uint8Array | undefined {
  const parsed = parseName(text, apex);
  if (!parsed) {
    error(path, `"${text}" is not a domain name`, NAME_HINT, 'key');
    return undefined;
  }
  const owner = lowerName(parsed);
  const zoneText = formatName(apex);
  if (!isSubdomain(owner, apex)) {
    error(
      path,
      `${formatName(owner)} is not inside the zone ${zoneText}`,
      `owners end in ${zoneText}`,
      'key',
    );
    return undefined;
  }
  const bareZone = zoneName.replace(/\.$/, '').toLowerCase();
  const restated = text.toLowerCase() === bareZone || text.toLowerCase().endsWith(`.${bareZone}`);
  // In the root zone every absolute owner ends like that, and is right.
  if (bareZone !== '' && restated) {
    const hint = 'owners are relative to the zone: drop its name, or end the owner with a dot';
    warn(path, `this owner is ${formatName(owner)}`, hint, 'key');
  }
  return owner;
}

function readSoa(reader: ZoneReader, nameservers: ReadSet | undefined): SoaConfig {
  const { file, apex } = reader;
  const { mname, rname, ...numbers } = file.soa ?? soaSchema.parse({});
  const first = nameservers?.data[0] ?? formatName(apex);
  return {
    mname: mname === undefined ? first : readSoaName(reader, 'mname', mname),
    rname: readSoaName(reader, 'rname', rname),
    ...numbers,
  };
}

function readSoaName(
  { apex, path, error }: ZoneReader,
  key: 'mname' | 'rname',
  text: string,
): string {
  const wire = text.includes('@') && text !== '@' ? undefined : parseName(text, apex);
  if (wire) return formatName(lowerName(wire));
  const mailbox = text.includes('@')
    ? `write a dot for the @: ${text.replace('@', '.')}.`
    : NAME_HINT;
  error([...path, 'soa', key], `"${text}" is not a domain name`, mailbox);
  return formatName(apex);
}
