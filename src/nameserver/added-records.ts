/**
 * Records that have been added to a zone while it is served, as all nodes know them: one value per zone. Two of
 * them can be joined whatever order they come in: each record has the change that it came with, a number and
 * who made it, and each state says up to which change of everybody it has seen all. So a record that only one of
 * them has is news to the other, or has gone there; nodes that were apart lose nothing of each other's.
 */
import { createHash } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { z } from 'zod';
import type { RrsetConfig } from '../config/config.ts';
import type { ZoneOverlay } from '../config/overlay.ts';
import { laterSerial, nextSerial } from '../dns/serial.ts';

export type AddedRecord = {
  /** Absolute, lower case. */
  readonly owner: string;
  /** Mnemonic. */
  readonly type: string;
  readonly ttl: number;
  /** Master-file text. */
  readonly data: string;
  /** When it goes by itself; absent = it stays. */
  readonly expiresAtMs?: number | undefined;
};

export type ZoneAdditions = {
  /** Counts changes; higher than that of any state that it came from. */
  readonly version: number;
  /** That the zone is served with at least. */
  readonly serial: number;
  /** The configuration's serial that `serial` has been counted on from. */
  readonly base: number;
  readonly records: readonly DatedRecord[];
  /** Of the same records, what others said of them at the same moment, and what does not count. */
  readonly outdone: readonly DatedRecord[];
  /** The last change of each writer that is in here; what is older and not among the records has gone. */
  readonly seen: readonly (readonly [writer: string, version: number])[];
};
/** `by` whom, and in which version. */
type DatedRecord = AddedRecord & { readonly since: number; readonly by: string };
type Identity = Pick<AddedRecord, 'owner' | 'type' | 'data'>;

/** Records that one zone may have been given. */
export const ADDED_RECORDS_MAX = 5000;
/** Of one name. */
export const ADDED_PER_NAME_MAX = 500;
/** Of a zone, packed: beyond it they could not be one value of the store and of every node. */
export const ADDED_BYTES_MAX = 128 * 1024;
/**
 * Writers that are remembered, each a process that has changed something: beyond it the one that did so longest
 * ago is forgotten, and who was away for so long may bring a record of it back.
 */
export const WRITERS_MAX = 1000;
/** What a value may become when it is read. */
const TEXT_BYTES_MAX = 16 * 1024 * 1024;

export const NO_ADDITIONS: ZoneAdditions = {
  version: 0,
  serial: 0,
  base: 0,
  records: [],
  outdone: [],
  seen: [],
};

const identityOf = ({ data, owner, type }: Identity): string => `${owner} ${type} ${data}`;

/**
 * The state after a change of the records; the same when there is none.
 * @param configured the serial that the configuration gives the zone now
 * @param writer who makes the change: nobody else is called so, and it does not forget its changes
 */
export function changed(
  before: ZoneAdditions,
  records: readonly AddedRecord[],
  configured: number,
  writer: string,
): ZoneAdditions {
  const version = before.version + 1;
  const known = new Map(before.records.map((each) => [identityOf(each), each]));
  const next = records.map((record) => {
    const there = known.get(identityOf(record));
    if (there !== undefined && isSame(there, record)) return there;
    return { ...record, since: version, by: writer };
  });
  const present = new Set(next.map(identityOf));
  const hasGone = before.records.some((each) => !present.has(identityOf(each)));
  const isKept = new Set(next.filter(({ since }) => since < version).map(identityOf));
  const outdone = before.outdone.filter((each) => isKept.has(identityOf(each)));
  if (!hasGone && next.every(({ since }) => since < version)) return before;
  const last = before.version === 0 ? configured : laterSerial(before.serial, configured);
  const seen = allSeen(before.seen, [[writer, version]]);
  return { version, serial: nextSerial(last), base: configured, records: next, outdone, seen };
}

/** The records as they were before a change, but for what others have changed since. */
export function reverted(
  now: ZoneAdditions,
  before: ZoneAdditions,
  after: ZoneAdditions,
): readonly AddedRecord[] {
  const wordsBefore = new Set(before.records.map(wordOf));
  const wordsAfter = new Set(after.records.map(wordOf));
  const kept = now.records.filter(
    (each) => !wordsAfter.has(wordOf(each)) || wordsBefore.has(wordOf(each)),
  );
  const present = new Set(kept.map(identityOf));
  const lost = before.records.filter(
    (each) => !(wordsAfter.has(wordOf(each)) || present.has(identityOf(each))),
  );
  return [...kept, ...lost];
}

/** Another serial for the same records, when the configuration has another that is not later than it. */
export function recounted(before: ZoneAdditions, configured: number): ZoneAdditions {
  const { base, serial, version } = before;
  const isNews = laterSerial(base, configured) !== base;
  if (version === 0 || !isNews || laterSerial(serial, configured) !== serial) return before;
  return { ...before, version: version + 1, serial: nextSerial(serial), base: configured };
}

function isSame(one: AddedRecord, other: AddedRecord): boolean {
  return one.ttl === other.ttl && one.expiresAtMs === other.expiresAtMs;
}

/** Both in one; the same object as either when the other has nothing more. */
export function joined(one: ZoneAdditions, other: ZoneAdditions): ZoneAdditions {
  if (one === other || other.version === 0) return one;
  if (one.version === 0) return other;
  const seen = allSeen(one.seen, other.seen);
  const { outdone, records } = joinedRecords(one, other);
  const digest = digestOf([...records, ...outdone]);
  for (const [state, stale] of [[one, other] as const, [other, one] as const]) {
    const isAhead = laterSerial(stale.serial, state.serial) === state.serial;
    const isAll = digest === digestOf(wordsOf(state)) && isSeen(seen, state);
    if (state.version >= stale.version && isAhead && isAll) return state;
  }
  return {
    version: Math.max(one.version, other.version) + 1,
    serial: nextSerial(laterSerial(one.serial, other.serial)),
    base: laterSerial(one.base, other.base),
    records,
    outdone,
    seen,
  };
}

const wordsOf = ({ outdone, records }: ZoneAdditions): readonly DatedRecord[] => [
  ...records,
  ...outdone,
];
const wordOf = (each: DatedRecord): string => `${each.by} ${each.since} ${identityOf(each)}`;

/** What both say, and what only one says and the other has not seen: of each record the last word counts. */
function joinedRecords(
  one: ZoneAdditions,
  other: ZoneAdditions,
): Pick<ZoneAdditions, 'records' | 'outdone'> {
  const there = new Map(wordsOf(other).map((each) => [wordOf(each), each]));
  const [seenHere, seenThere] = [new Map(one.seen), new Map(other.seen)];
  const words: DatedRecord[] = [];
  for (const word of wordsOf(one)) {
    if (there.delete(wordOf(word)) || isNews(word, seenThere)) words.push(word);
  }
  for (const word of there.values()) if (isNews(word, seenHere)) words.push(word);
  const last = new Map<string, DatedRecord>();
  for (const word of words.sort(orderOf)) last.set(identityOf(word), word);
  const outdone = words.filter((word) => last.get(identityOf(word)) !== word);
  return { records: [...last.values()].sort(byIdentity), outdone };
}

const isNews = ({ by, since }: DatedRecord, lastSeen: ReadonlyMap<string, number>): boolean =>
  since > (lastSeen.get(by) ?? 0);

type Seen = ZoneAdditions['seen'];

/** The later of each writer, the latest first. */
function allSeen(one: Seen, other: Seen): Seen {
  const last = new Map(one);
  for (const [writer, version] of other) {
    last.set(writer, Math.max(version, last.get(writer) ?? 0));
  }
  const inOrder = [...last].toSorted(
    ([a, one], [b, other]) => other - one || (a < b ? -1 : Number(a > b)),
  );
  return inOrder.slice(0, WRITERS_MAX);
}

function isSeen(all: Seen, { seen }: ZoneAdditions): boolean {
  const last = new Map(seen);
  return all.every(([writer, version]) => last.get(writer) === version);
}

/** Whether so many records are more than can be kept. */
export function isTooLarge(records: readonly AddedRecord[]): boolean {
  let length = 0;
  for (const each of records) length += identityOf(each).length;
  return (
    length > ADDED_BYTES_MAX && deflateRawSync(JSON.stringify(records)).length > ADDED_BYTES_MAX
  );
}

/** The later change of a record counts; of two at once what keeps it longer. */
function orderOf(a: DatedRecord, b: DatedRecord): number {
  if (a.since !== b.since) return a.since - b.since;
  const endOf = ({ expiresAtMs = Number.POSITIVE_INFINITY }: AddedRecord): number => expiresAtMs;
  if (endOf(a) !== endOf(b)) return endOf(a) > endOf(b) ? 1 : -1;
  if (a.ttl !== b.ttl) return a.ttl - b.ttl;
  return a.by < b.by ? -1 : Number(a.by > b.by);
}

function byIdentity(a: Identity, b: Identity): number {
  const [one, other] = [identityOf(a), identityOf(b)];
  return one < other ? -1 : Number(one > other);
}

/** The records without those whose time is over. */
export function unexpired({ records }: ZoneAdditions, nowMs: number): readonly AddedRecord[] {
  return records.filter(({ expiresAtMs }) => expiresAtMs === undefined || expiresAtMs > nowMs);
}

/** When the next record goes by itself. */
export function nextExpiryMs({ records }: ZoneAdditions): number | undefined {
  let next: number | undefined;
  for (const { expiresAtMs } of records) {
    if (expiresAtMs !== undefined && expiresAtMs < (next ?? Number.POSITIVE_INFINITY)) {
      next = expiresAtMs;
    }
  }
  return next;
}

/** As it is served: records of one name and type with one TTL (RFC 2181 5.2), the newest one's. */
export function overlayOf(
  zone: string,
  {
    records,
    serial,
  }: {
    readonly records: readonly (AddedRecord & { readonly since: number })[];
    readonly serial: number;
  },
): ZoneOverlay {
  const sets = new Map<string, RrsetConfig & { readonly since: number }>();
  for (const { data, owner, since, ttl, type } of records) {
    const key = `${owner} ${type}`;
    const there = sets.get(key);
    const isNewer = there === undefined || since > there.since;
    const kept = isNewer ? { ttl, since } : { ttl: there.ttl, since: there.since };
    sets.set(key, { owner, type, ...kept, data: [...(there?.data ?? []), data] });
  }
  const rrsets = [...sets.values()].map(({ since: _since, ...rrset }) => rrset);
  return { zone, serial, rrsets, yields: true };
}

/** The same for the same records, whatever order they are in. */
export function digestOf(records: ZoneAdditions['records']): string {
  const lines = records.map((each) =>
    JSON.stringify([identityOf(each), each.ttl, each.since, each.by, each.expiresAtMs]),
  );
  return createHash('sha256').update(lines.toSorted().join('\n')).digest('hex').slice(0, 12);
}

/** Packed: texts of records are much alike. */
export function packAdditions(state: ZoneAdditions): Uint8Array {
  return deflateRawSync(JSON.stringify(state));
}

/** Undefined for anything else. */
export function unpackAdditions(bytes: Uint8Array): ZoneAdditions | undefined {
  try {
    const text = inflateRawSync(bytes, { maxOutputLength: TEXT_BYTES_MAX }).toString();
    return stateSchema.safeParse(JSON.parse(text)).data;
  } catch {
    // Not packed, or not JSON: not ours.
    return undefined;
  }
}

const count = z.int().min(0);
const serial = z.int().min(0).max(0xffffffff);
const writer = z.string().max(64);
const identity = { owner: z.string().max(1024), type: z.string().max(32), data: z.string() };
const dated = z.object({
  ...identity,
  ttl: z.int().min(0).max(0x7fffffff),
  expiresAtMs: z.number().optional(),
  since: count,
  by: writer,
});
/** Unknown words are left out: a newer version may say more. */
const stateSchema = z.object({
  version: count,
  serial,
  base: serial,
  records: z.array(dated),
  outdone: z.array(dated),
  seen: z.array(z.tuple([writer, count])),
});
