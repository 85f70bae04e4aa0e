/** A zone of the configuration as an update sees it, and what an update leaves as it is kept. */
import type { Config, UpdaterConfig, ZoneConfig } from '../config/config.ts';
import { matchesName, parseNamePattern } from '../config/name-pattern.ts';
import { namesAbove, standBeside, steeredTypes } from '../config/standing.ts';
import { ANY_TYPE } from '../config/update-schema.ts';
import { rrsetsAt } from '../config/zone-rrsets.ts';
import { RCODE_REFUSED } from '../dns/constants.ts';
import type { DecodedMessage } from '../dns/decode.ts';
import { equalNames, formatName, parentName, parseName } from '../dns/name.ts';
import { parseRdata } from '../dns/rdata/registry.ts';
import { typeName, typeNumber } from '../dns/type-names.ts';
import { parsePrefix } from '../ip/prefix.ts';
import { isListed } from './access.ts';
import {
  ADDED_BYTES_MAX,
  ADDED_PER_NAME_MAX,
  ADDED_RECORDS_MAX,
  type AddedRecord,
  isTooLarge,
  overlayOf,
} from './added-records.ts';
import type { Client } from './client.ts';
import { applyUpdate, dataText, type HeldRecord, type Refusal, type UpdateZone } from './update.ts';

/** The rights of whoever holds the key and asks from there. */
export function rightsOf(
  { update }: ZoneConfig,
  keyName: Uint8Array,
  client: Client,
): readonly UpdaterConfig[] {
  return (update?.allow ?? []).filter(({ key, networks }) => {
    const name = parseName(key);
    if (name === undefined || !equalNames(name, keyName)) return false;
    const listed = networks?.flatMap((network) => parsePrefix(network) ?? []);
    return listed === undefined || isListed(listed, client);
  });
}

/** The configured zone that the name belongs to: the closest at or above it; undefined = none. */
export function zoneNameOf(zones: Config['zones'], name: Uint8Array): string | undefined {
  for (let at: Uint8Array | undefined = name; at !== undefined; at = parentName(at)) {
    const text = zoneKey(at);
    if (Object.hasOwn(zones, text)) return text;
  }
  return undefined;
}

/** As zones are called in the configuration. */
export function zoneKey(apex: Uint8Array): string {
  const text = formatName(apex);
  return text === '.' ? text : text.slice(0, -1);
}

/** What an update does to the zone; the records in it that others have added stay. */
export type ZoneUpdate = (
  records: readonly AddedRecord[],
) => { readonly records: readonly AddedRecord[] } | { readonly refusal: Refusal };

/** Prepares the update of the zone `name`; the result may be applied to several states of it. */
export function zoneUpdate(
  config: Config,
  name: string,
  message: Pick<DecodedMessage, 'answer' | 'authority'>,
  rights: readonly UpdaterConfig[],
): ZoneUpdate {
  const zone = config.zones[name]!;
  const apex = parseName(name === '.' ? name : `${name}.`)!;
  const touched = new Set(
    [...message.answer, ...message.authority].map((record) => record.name.toLowerCase()),
  );
  const fixed = fixedView(config, name, apex, touched, rights);
  return (records) => {
    const untouched = records.filter(({ owner }) => !touched.has(owner));
    const there = records.filter(({ owner }) => touched.has(owner));
    const applied = applyUpdate(message, { ...fixed, added: there.flatMap(held) });
    if (!applied.ok) return { refusal: applied };
    if (!applied.isChanged) return { records };
    const known = new Map(there.map((each) => [identityOf(each), each]));
    const next = applied.added.map((each) => kept(each, known));
    const after = [...untouched, ...next];
    const why =
      objection(config, name, zone, after, next, known) ?? hiding(next, known, after, fixed);
    return why === undefined ? { records: after } : { refusal: refused(why) };
  };
}

const refused = (why: string): Refusal => ({ ok: false, rcode: RCODE_REFUSED, why });
const identityOf = ({ data, owner, type }: AddedRecord): string => `${owner} ${type} ${data}`;

function fixedView(
  config: Config,
  name: string,
  apex: Uint8Array,
  touched: ReadonlySet<string>,
  rights: readonly UpdaterConfig[],
): Omit<UpdateZone, 'added'> {
  const zone = config.zones[name]!;
  // One walk over a zone that may be large, for the few names that matter.
  const written = new Map<string, HeldRecord[]>();
  for (const { data, owner, ttl, type } of rrsetsAt(zone, touched)) {
    const list = written.get(owner) ?? [];
    written.set(owner, list);
    for (const text of data) list.push(...held({ owner, type, ttl, data: text }));
  }
  const steered = new Map(
    zone.steered.map((each) => {
      const types = steeredTypes(each, config.pools).flatMap((type) => typeNumber(type) ?? []);
      return [each.owner.toLowerCase(), types] as const;
    }),
  );
  const covers = rights.map(({ names, types }) => ({
    patterns: names.flatMap((text) => parseNamePattern(text) ?? []),
    types: new Set(types),
  }));
  return {
    apex,
    written: (owner) => written.get(owner) ?? [],
    steered: (owner) => steered.get(owner) ?? [],
    isElsewhere: (owner) => zoneNameOf(config.zones, owner) !== name,
    may: (owner, type) =>
      covers.some(
        ({ patterns, types }) =>
          (types.has(ANY_TYPE) || types.has(typeName(type))) &&
          patterns.some((pattern) => matchesName(pattern, owner, apex)),
      ),
  };
}

function held({ data, expiresAtMs, owner, ttl, type }: AddedRecord): readonly HeldRecord[] {
  const read = parseRdata(type, data);
  if (!read.ok) return [];
  const record = { owner, type: typeNumber(type)!, ttlSeconds: ttl, rdata: read.rdata };
  return [{ ...record, isTemporary: expiresAtMs !== undefined }];
}

/** What was there before and is not meant keeps the time that it goes by itself. */
function kept(record: HeldRecord, known: ReadonlyMap<string, AddedRecord>): AddedRecord {
  const { owner, ttlSeconds: ttl, type } = record;
  const added = { owner, type: typeName(type), ttl, data: dataText(record) };
  const there = known.get(identityOf(added));
  return there === undefined || record.isTemporary !== true ? added : { ...there, ttl };
}

/** Why the records that are new cannot be in the zone. */
function objection(
  config: Config,
  name: string,
  zone: ZoneConfig,
  after: readonly AddedRecord[],
  next: readonly AddedRecord[],
  known: ReadonlyMap<string, AddedRecord>,
): string | undefined {
  const fresh = next.filter((each) => !known.has(identityOf(each)));
  if (fresh.length === 0) return undefined;
  return tooMany(after, fresh) ?? misfit(config, name, zone, after, fresh);
}

/** What comes stands for all names below it: also for those that whoever sends it has no right to. */
function hiding(
  next: readonly AddedRecord[],
  known: ReadonlyMap<string, AddedRecord>,
  after: readonly AddedRecord[],
  { apex, may }: Pick<UpdateZone, 'apex' | 'may'>,
): string | undefined {
  const apexText = formatName(apex);
  const cuts = next.filter(
    (each) => each.type === 'NS' && each.owner !== apexText && !known.has(identityOf(each)),
  );
  for (const { owner } of cuts) {
    const below = after.find(
      (each) =>
        each.owner.endsWith(`.${owner}`) &&
        !may(parseName(each.owner)!, typeNumber(each.type) ?? 0),
    );
    if (below !== undefined) return `a delegation of ${owner} would hide ${below.owner}`;
  }
  return undefined;
}

/** Why so many records are too many; `fresh` are those that come. */
export function tooMany(
  after: readonly AddedRecord[],
  fresh: readonly AddedRecord[],
): string | undefined {
  if (after.length > ADDED_RECORDS_MAX) {
    return `the zone would have more than ${ADDED_RECORDS_MAX} added records`;
  }
  const owners = new Set(fresh.map(({ owner }) => owner));
  const counts = new Map<string, number>();
  for (const { owner } of after)
    if (owners.has(owner)) counts.set(owner, (counts.get(owner) ?? 0) + 1);
  const full = [...counts].find(([, count]) => count > ADDED_PER_NAME_MAX);
  if (full !== undefined) {
    return `${full[0]} would have more than ${ADDED_PER_NAME_MAX} added records`;
  }
  return isTooLarge(after)
    ? `the added records of the zone would be more than ${ADDED_BYTES_MAX / 1024} KiB, packed`
    : undefined;
}

/** Why some of the records that come cannot stand beside what is there. */
export function misfit(
  config: Config,
  name: string,
  zone: ZoneConfig,
  after: readonly AddedRecord[],
  fresh: readonly AddedRecord[],
): string | undefined {
  const setOf = ({ owner, type }: Pick<AddedRecord, 'owner' | 'type'>): string =>
    `${owner} ${type}`;
  const coming = new Set(fresh.map(setOf));
  const refusedOf = (all: readonly AddedRecord[]) => {
    const records = all.map((each) => ({ ...each, since: 1 }));
    const { rrsets } = overlayOf(name, { serial: 0, records });
    return standBeside(name, zone, config.pools, rrsets).refused;
  };
  const around = related(after, new Set(fresh.map(({ owner }) => owner)));
  const out = refusedOf(around);
  const found = out.find(({ rrset }) => coming.has(setOf(rrset)));
  if (found !== undefined) return `${setOf(found.rrset)}: ${found.why}`;
  if (out.length === 0) return undefined;
  // Nor may it take the place of what was there before it.
  const freshOnes = new Set(fresh);
  const before = refusedOf(around.filter((each) => !freshOnes.has(each)));
  const was = new Set(before.map(({ rrset }) => setOf(rrset)));
  const ousted = out.find(({ rrset }) => !was.has(setOf(rrset)));
  return ousted && `it would push out ${setOf(ousted.rrset)}: ${ousted.why}`;
}

/** Records at, above and below the names: nothing else can stand in their way, or they in its. */
function related(
  records: readonly AddedRecord[],
  owners: ReadonlySet<string>,
): readonly AddedRecord[] {
  const above = new Set([...owners].flatMap(namesAbove));
  return records.filter(
    ({ owner }) =>
      owners.has(owner) || above.has(owner) || namesAbove(owner).some((each) => owners.has(each)),
  );
}
