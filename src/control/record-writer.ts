/**
 * Records that people add to zones while they are served, and take out again: by the rules of updates
 * (nameserver/update.ts), with a right to everything that anybody may change, and with an end if they want one.
 */
import { isMetaType } from '../config/allowed-records.ts';
import type { Config, UpdaterConfig } from '../config/config.ts';
import { ANY_TYPE } from '../config/update-schema.ts';
import {
  CLASS_ANY,
  CLASS_IN,
  CLASS_NONE,
  TYPE_ANY,
  TYPE_CNAME,
  TYPE_SOA,
} from '../dns/constants.ts';
import type { DecodedRecord } from '../dns/decode.ts';
import { canonicalRdata, compareOctets } from '../dns/dnssec/canonical.ts';
import { formatRdata, parseRdata } from '../dns/rdata/registry.ts';
import { typeName, typeNumber } from '../dns/type-names.ts';
import type { AddedRecord, ZoneAdditions } from '../nameserver/added-records.ts';
import { zoneUpdate } from '../nameserver/update-view.ts';
import type { Clock } from './clock.ts';
import type {
  AddedRecordStatus,
  AddRecordRequest,
  Problem,
  RecordChange,
  RemoveRecordsRequest,
} from './control-plane.ts';
import type { Events } from './events.ts';
import { doesNotFit, findZone, notInZone, notKept, ownerIn } from './zone-place.ts';
import type { Decision, Visibility, ZoneRecords } from './zone-records.ts';

export type RecordWriter = {
  list(zone: string): readonly AddedRecordStatus[] | Problem;
  add(request: AddRecordRequest): Promise<RecordChange | Problem>;
  remove(request: RemoveRecordsRequest): Promise<RecordChange | Problem>;
};

export type RecordWriterParts = {
  /** As it is served. */
  config(): Config;
  /** That a zone is served with. */
  serialOf(zone: string): number;
  readonly records: ZoneRecords;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly events: Pick<Events, 'record'>;
  /** Settles when all nodes serve it, or after a while. */
  shown(zone: string, state: ZoneAdditions): Promise<Visibility>;
};

export const RECORD_TTL_SECONDS = 300;
export const RECORD_EXPIRES_SECONDS_MAX = 366 * 24 * 3600;

const EVERYTHING: readonly UpdaterConfig[] = [{ key: '.', names: ['**'], types: [ANY_TYPE] }];

export function createRecordWriter(parts: RecordWriterParts): RecordWriter {
  const { config, records } = parts;
  return {
    list(asked) {
      const place = findZone(config(), asked);
      if ('problem' in place) return place;
      const { records: added } = records.additions(place.zone);
      return added.map((each) => described(place.zone, each));
    },
    async add(request) {
      const { by, expiresInSeconds, ttlSeconds = RECORD_TTL_SECONDS } = request;
      const found = wanted(config(), request, CLASS_IN, ttlSeconds);
      if ('problem' in found) return found;
      const { record, zone } = found;
      const expiresAtMs =
        expiresInSeconds === undefined ? undefined : parts.clock.nowMs() + expiresInSeconds * 1000;
      const isIt = sameAs(record);
      const done = await records.change<Problem>(zone, (there) => {
        const next = updated(config(), zone, record, there);
        if ('refusal' in next) return next;
        if (!next.records.some(isIt)) {
          return { refusal: doesNotFit(whyIgnored(record)) };
        }
        return {
          records: next.records.map((each) => (isIt(each) ? { ...each, expiresAtMs } : each)),
        };
      });
      if (!done.ok) return done.refusal ?? notKept(done.reason);
      const kept = done.state.records.filter(isIt);
      return changeOf(parts, zone, kept, done.state, by, 'added');
    },
    async remove(request) {
      const found = wanted(config(), request, CLASS_NONE, 0);
      if ('problem' in found) return found;
      const { record, zone } = found;
      let gone: readonly AddedRecord[] = [];
      const done = await records.change<Problem>(zone, (there) => {
        const next = updated(config(), zone, record, there);
        if ('refusal' in next) return next;
        const left = new Set(next.records.map(identityOf));
        gone = there.filter((each) => !left.has(identityOf(each)));
        return next;
      });
      if (!done.ok) return done.refusal ?? notKept(done.reason);
      if (gone.length === 0) return noRecord(record);
      return changeOf(parts, zone, gone, done.state, request.by, 'removed');
    },
  };
}

const identityOf = ({ data, owner, type }: AddedRecord): string => `${owner} ${type} ${data}`;

/** Names in data are compared without their case, as everywhere. */
function sameAs({ name, rdata, type }: DecodedRecord): (each: AddedRecord) => boolean {
  const mnemonic = typeName(type);
  const wanted = canonicalRdata(type, rdata);
  return (each) => {
    if (each.owner !== name || each.type !== mnemonic) return false;
    const read = parseRdata(each.type, each.data);
    return read.ok && compareOctets(canonicalRdata(type, read.rdata), wanted) === 0;
  };
}

/** Updates leave out without a word what people should hear of (RFC 2136 3.4.2.2). */
function whyIgnored({ name, type }: DecodedRecord): string {
  const what = `${withoutDot(name)} ${typeName(type)}`;
  if (type === TYPE_SOA) return 'the SOA is that of the zone, and its serial is counted';
  if (type !== TYPE_CNAME) return `${what}: it is in the configuration, or the name is a CNAME`;
  return `${what}: it is in the configuration, or the name has other records`;
}

const withoutDot = (name: string): string => name.replace(/(.)\.$/, '$1');

type Wanted = { readonly zone: string; readonly record: DecodedRecord };

/** The line of an update that says the same. */
function wanted(
  config: Config,
  { data, name: asked, type: mnemonic, zone }: RemoveRecordsRequest | AddRecordRequest,
  recordClass: number,
  ttlSeconds: number,
): Wanted | Problem {
  const place = findZone(config, zone);
  if ('problem' in place) return place;
  const name = ownerIn(config, place.zone, asked);
  if (name === undefined) return notInZone(asked, place.zone);
  const type = typeNumber(mnemonic.toUpperCase());
  if (type === undefined || (isMetaType(type) && !(type === TYPE_ANY && data === undefined))) {
    return notARecord(
      `${mnemonic} is not a type of records`,
      'A, AAAA, CNAME, TXT, … or TYPE65280',
    );
  }
  if (data === undefined) {
    const all = { name, type, class: CLASS_ANY, ttlSeconds: 0, rdata: new Uint8Array(), text: '' };
    return { zone: place.zone, record: all };
  }
  const read = parseRdata(typeName(type), data);
  if (!read.ok) return notARecord(`${data} is not what ${typeName(type)} records hold`);
  const text = formatRdata(type, read.rdata);
  return {
    zone: place.zone,
    record: { name, type, class: recordClass, ttlSeconds, rdata: read.rdata, text },
  };
}

function updated(
  config: Config,
  zone: string,
  record: DecodedRecord,
  there: readonly AddedRecord[],
): Decision<Problem> {
  const message = { answer: [], authority: [record] };
  const next = zoneUpdate(config, zone, message, EVERYTHING)(there);
  return 'refusal' in next ? { refusal: doesNotFit(next.refusal.why) } : next;
}

async function changeOf(
  { events, serialOf, shown }: RecordWriterParts,
  zone: string,
  records: readonly AddedRecord[],
  state: ZoneAdditions,
  by: string,
  did: 'added' | 'removed',
): Promise<RecordChange> {
  const serial = serialOf(zone);
  const [first] = records;
  const what = `${withoutDot(first?.owner ?? '')} ${first?.type}`;
  events.record('zone.update', zone, `${by} ${did} ${what}; the serial is ${serial}.`);
  const told = records.map((each) => described(zone, each));
  return { records: told, serial, ...(await shown(zone, state)) };
}

function described(
  zone: string,
  { data, expiresAtMs, owner, ttl, type }: AddedRecord,
): AddedRecordStatus {
  return { zone, name: owner.slice(0, -1), type, ttlSeconds: ttl, data, expiresAtMs };
}

function notARecord(
  message: string,
  hint = 'Data are written as in a master file, names in full with a final dot.',
): Problem {
  return { problem: 'invalid', code: 'not-a-record', message: `${message}.`, hint };
}

function noRecord({ name, type }: DecodedRecord): Problem {
  return {
    problem: 'not-found',
    code: 'no-record',
    message: `There is no such added record: ${withoutDot(name)} ${typeName(type)}.`,
    hint: 'GET /api/v1/zones/ZONE/added-records lists those that are there.',
  };
}
