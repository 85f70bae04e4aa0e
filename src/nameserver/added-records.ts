/**
 * Records that have been added to a zone while it is served, as all nodes know them: one value per zone. Two of
 * them can be joined whatever order they come in: each record has the number of the change that it came or
 * went with, and the later change of a record wins. So nodes that were apart lose nothing of each other's.
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
  readonly records: readonly (AddedRecord & { readonly since: number })[];
  /** Those that have gone, for a while. */
  readonly removed: readonly (Identity & { readonly since: number })[];
};
type Identity = Pick<AddedRecord, 'owner' | 'type' | 'data'>;

/** Records that one zone may have been given. */
export const ADDED_RECORDS_MAX = 5000;
/** Of one name. */
export const ADDED_PER_NAME_MAX = 500;
/** Of a zone, packed: beyond it they could not be one value of the store and of every node. */
export const ADDED_BYTES_MAX = 128 * 1024;
/** How many that have gone are remembered: who was away for longer brings one of them back. */
export const REMOVED_KEPT_MAX = 1000;
/** And in how many characters. */
export const REMOVED_LENGTH_MAX = 64 * 1024;
/** What a value may become when it is read. */
const TEXT_BYTES_MAX = 16 * 1024 * 1024;

export const NO_ADDITIONS: ZoneAdditions = {
  version: 0,
  serial: 0,
  base: 0,
  records: [],
  removed: [],
};

const identityOf = ({ data, owner, type }: Identity): string => `${owner} ${type} ${data}`;

/**
 * The state after a change of the records; the same when there is none.
 * @param configured the serial that the configuration gives the zone now
 */
export function changed(
  before: ZoneAdditions,
  records: readonly AddedRecord[],
  configured: number,
): ZoneAdditions {
  const version = before.version + 1;
  const known = new Map(before.records.map((each) => [identityOf(each), each]));
  const next = records.map((record) => {
    const there = known.get(identityOf(record));
    return there !== undefined && isSame(there, record) ? there : { ...record, since: version };
  });
  const present = new Set(next.map(identityOf));
  const gone = before.records.filter((each) => !present.has(identityOf(each)));
  if (gone.length === 0 && next.every(({ since }) => since < version)) return before;
  const removed = [
    ...gone.map(({ data, owner, type }) => ({ owner, type, data, since: version })),
    ...before.removed.filter((each) => !present.has(identityOf(each))),
  ];
  const last = before.version === 0 ? configured : laterSerial(before.serial, configured);
  const serial = nextSerial(last);
  return { version, serial, base: configured, records: next, removed: remembered(removed) };
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
  const words = new Map<string, Word>();
  for (const state of [one, other]) {
    for (const record of state.records) hear(words, { ...record, record });
    for (const gone of state.removed) hear(words, gone);
  }
  const all = [...words.values()];
  const records = all.flatMap(({ record }) => record ?? []).toSorted(byIdentity);
  const gone = all
    .flatMap(({ record, ...gone }) => (record === undefined ? gone : []))
    .toSorted((a, b) => b.since - a.since || byIdentity(a, b));
  const removed = remembered(gone);
  for (const [state, stale] of [[one, other] as const, [other, one] as const]) {
    const isAhead = laterSerial(stale.serial, state.serial) === state.serial;
    const isAll = knows(state, records, removed);
    if (state.version >= stale.version && isAhead && isAll) return state;
  }
  return {
    version: Math.max(one.version, other.version) + 1,
    serial: nextSerial(laterSerial(one.serial, other.serial)),
    base: laterSerial(one.base, other.base),
    records,
    removed,
  };
}

/** Also what has gone: whoever forgets it would take it back from a third. */
function knows(
  state: ZoneAdditions,
  records: ZoneAdditions['records'],
  removed: ZoneAdditions['removed'],
): boolean {
  if (digestOf(records) !== digestOf(state.records)) return false;
  const known = new Set(state.removed.map((each) => `${each.since} ${identityOf(each)}`));
  return removed.every((each) => known.has(`${each.since} ${identityOf(each)}`));
}

/** The latest of what has gone. */
function remembered(removed: ZoneAdditions['removed']): ZoneAdditions['removed'] {
  let length = 0;
  const isKept = (each: Identity): boolean => {
    length += identityOf(each).length;
    return length <= REMOVED_LENGTH_MAX;
  };
  const end = removed.findIndex((each) => !isKept(each));
  return removed.slice(0, Math.min(end < 0 ? removed.length : end, REMOVED_KEPT_MAX));
}

/** Whether so many records are more than can be kept. */
export function isTooLarge(records: readonly AddedRecord[]): boolean {
  let length = 0;
  for (const each of records) length += identityOf(each).length;
  return (
    length > ADDED_BYTES_MAX && deflateRawSync(JSON.stringify(records)).length > ADDED_BYTES_MAX
  );
}

type Word = Identity & {
  readonly since: number;
  readonly record?: ZoneAdditions['records'][number];
};

/** The later word of a record counts; of two at once what keeps it, then what keeps it longer. */
function hear(words: Map<string, Word>, word: Word): void {
  const key = identityOf(word);
  const there = words.get(key);
  if (there === undefined || orderOf(word, there) > 0) words.set(key, word);
}

function orderOf(a: Word, b: Word): number {
  if (a.since !== b.since) return a.since - b.since;
  if (a.record === undefined || b.record === undefined) {
    return Number(a.record !== undefined) - Number(b.record !== undefined);
  }
  const endOf = ({ expiresAtMs = Number.POSITIVE_INFINITY }: AddedRecord): number => expiresAtMs;
  if (endOf(a.record) !== endOf(b.record)) return endOf(a.record) > endOf(b.record) ? 1 : -1;
  return a.record.ttl - b.record.ttl;
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
export function overlayOf(zone: string, { records, serial }: ZoneAdditions): ZoneOverlay {
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
    JSON.stringify([identityOf(each), each.ttl, each.since, each.expiresAtMs]),
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
const identity = { owner: z.string().max(1024), type: z.string().max(32), data: z.string() };
/** Unknown words are left out: a newer version may say more. */
const stateSchema = z.object({
  version: count,
  serial,
  base: serial,
  records: z.array(
    z.object({
      ...identity,
      ttl: z.int().min(0).max(0x7fffffff),
      expiresAtMs: z.number().optional(),
      since: count,
    }),
  ),
  removed: z.array(z.object({ ...identity, since: count })),
});
