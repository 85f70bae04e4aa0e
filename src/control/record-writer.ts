/**
 * Records that people add to zones while they are served, and take out again: by the rules of updates
 * (nameserver/update.ts), with a right to everything that anybody may change, and with an end if they want one.
 */
import type { Config, UpdaterConfig } from '../config/config.ts';
import { ANY_TYPE } from '../config/update-schema.ts';
import { CLASS_ANY, CLASS_IN, CLASS_NONE } from '../dns/constants.ts';
import type { DecodedRecord } from '../dns/decode.ts';
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
      const added = { owner: record.name, type: typeName(record.type), data: record.text };
      const isIt = (each: AddedRecord): boolean =>
        each.owner === added.owner && each.type === added.type && each.data === added.data;
      const done = await records.change<Problem>(zone, (there) => {
        const next = updated(config(), zone, record, there);
        if ('refusal' in next) return next;
        if (!next.records.some(isIt)) {
          return { refusal: doesNotFit('it is written already, or other records stand there') };
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
  if (type === undefined) return notARecord(`${mnemonic} is not a type of records`);
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
  const what = `${first?.owner} ${first?.type}`;
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

function notARecord(message: string): Problem {
  return {
    problem: 'invalid',
    code: 'not-a-record',
    message: `${message}.`,
    hint: 'Data are written as in a master file, names in full with a final dot.',
  };
}

function noRecord({ name, type }: DecodedRecord): Problem {
  return {
    problem: 'not-found',
    code: 'no-record',
    message: `There is no such added record: ${name} ${typeName(type)}.`,
    hint: 'GET /api/v1/zones/ZONE/added-records lists those that are there.',
  };
}
