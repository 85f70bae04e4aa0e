/**
 * Answers the updates (RFC 2136) that DNS workers hand over: who has signed it and may do so, what it changes, and
 * that it is kept and served before the answer says so.
 */
import type { Config } from '../config/config.ts';
import type { Events } from '../control/events.ts';
import type { ZoneRecords } from '../control/zone-records.ts';
import { RCODE_NOERROR, RCODE_NOTAUTH, RCODE_REFUSED, RCODE_SERVFAIL } from '../dns/constants.ts';
import type { DecodedMessage } from '../dns/decode.ts';
import { formatName } from '../dns/name.ts';
import { TSIG_FUDGE_SECONDS, type TsigKey } from '../dns/tsig.ts';
import { formatAddress } from '../ip/address.ts';
import { type Client, createClient, TRANSPORT_TCP, TRANSPORT_UDP } from '../nameserver/client.ts';
import { DEFER_LIMITS } from '../nameserver/defer.ts';
import { type OpenedUpdate, readUpdate } from '../nameserver/signed-update.ts';
import { type Refusal, zoneOf } from '../nameserver/update.ts';
import { rightsOf, zoneKey, zoneUpdate } from '../nameserver/update-view.ts';
import type { DeferredQuery } from '../workers/dns-messages.ts';

export type UpdateDeskParts = {
  /** As it is served. */
  config(): Config;
  /** That a zone is served with. */
  serialOf(zone: string): number;
  keys(): readonly TsigKey[];
  readonly records: ZoneRecords;
  readonly events: Pick<Events, 'record'>;
  /** The machine's wall clock, by which messages are signed. */
  wallMs(): number;
};

/** An update is remembered for as long as its signature is taken: the same again is not done again. */
export const REMEMBERED_MS = 2 * TSIG_FUDGE_SECONDS * 1000;
/** As many as can come in that time. */
export const REMEMBERED_MAX = (DEFER_LIMITS.update.nodePerSecond * REMEMBERED_MS) / 1000;
/** Updates under way at once; beyond that they are dropped. */
export const UNDER_WAY_MAX = 200;
/** The same refusal is told once in so long. */
export const COMPLAINT_MS = 60_000;
const COMPLAINTS_MAX = 1000;

/** Undefined = no reply. */
export type UpdateDesk = (query: DeferredQuery) => Promise<Uint8Array | undefined>;

export function createUpdateDesk(parts: UpdateDeskParts): UpdateDesk {
  const complain = createComplaints(parts);
  const remembered = createMemory(parts);
  let underWay = 0;
  return async (query) => {
    const opened = readUpdate(query.query, parts.keys(), query.nowMs);
    if (!opened?.ok) return opened?.reply;
    const known = remembered.find(opened.mac);
    if (known !== undefined) return known;
    if (underWay >= UNDER_WAY_MAX) return undefined;
    underWay += 1;
    const answer = perform(parts, opened, clientOf(query), complain).then((rcode) => {
      // What may come to be later may be asked for again.
      if (rcode === RCODE_SERVFAIL) remembered.forget(opened.mac);
      return opened.reply(rcode, parts.wallMs());
    });
    remembered.keep(opened.mac, answer);
    try {
      return await answer;
    } catch (error) {
      // A mistake of ours: whoever asks again is to be heard again.
      remembered.forget(opened.mac);
      throw error;
    } finally {
      underWay -= 1;
    }
  };
}

type Opened = OpenedUpdate & { readonly ok: true };
type Complain = (subject: string, message: string) => void;

/** The RCODE to answer with. */
async function perform(
  parts: UpdateDeskParts,
  { key, message }: Opened,
  client: Client,
  complain: Complain,
): Promise<number> {
  const apex = zoneOf(message);
  if ('rcode' in apex) return apex.rcode;
  const config = parts.config();
  const name = zoneKey(apex);
  const zone = Object.hasOwn(config.zones, name) ? config.zones[name] : undefined;
  if (zone === undefined) return RCODE_NOTAUTH;
  const by = `key ${formatName(key.name)} at ${addressOf(client)}`;
  const rights = rightsOf(zone, key.name, client);
  if (rights.length === 0) {
    complain(name, `An update of ${name} by ${by} was refused: it has no right to it.`);
    return RCODE_REFUSED;
  }
  const update = zoneUpdate(config, name, message, rights);
  const done = await parts.records.change<Refusal>(name, update);
  if (done.ok) {
    if (done.isChanged) tellChange(parts, name, message, by);
    return RCODE_NOERROR;
  }
  if (done.refusal === undefined) {
    complain(name, `An update of ${name} by ${by} was not done: ${done.reason}.`);
    return RCODE_SERVFAIL;
  }
  const { rcode, why } = done.refusal;
  // A prerequisite that is not met is what prerequisites are for.
  if (rcode === RCODE_REFUSED) {
    complain(name, `An update of ${name} by ${by} was refused: ${why}.`);
  }
  return rcode;
}

const NAMES_SHOWN_MAX = 3;

function tellChange(
  { events, serialOf }: UpdateDeskParts,
  zone: string,
  { authority }: DecodedMessage,
  by: string,
): void {
  const names = [...new Set(authority.map(({ name }) => name))];
  const more = names.length > NAMES_SHOWN_MAX ? ` and ${names.length - NAMES_SHOWN_MAX} more` : '';
  const shown = `${names.slice(0, NAMES_SHOWN_MAX).join(', ')}${more}`;
  events.record('zone.update', zone, `${by} changed ${shown}; the serial is ${serialOf(zone)}.`);
}

function clientOf({ address, family, isStream }: DeferredQuery): Client {
  const client = createClient(isStream ? TRANSPORT_TCP : TRANSPORT_UDP);
  client.family = family;
  client.address.set(address);
  return client;
}

function addressOf({ address, family }: Client): string {
  return formatAddress({ family, bytes: address.slice(0, family === 4 ? 4 : 16) });
}

/** Somebody who keeps asking for what is refused does not fill the log. */
function createComplaints({ events, wallMs }: UpdateDeskParts): Complain {
  const told = new Map<string, number>();
  return (subject, message) => {
    const nowMs = wallMs();
    if (Math.abs(nowMs - (told.get(message) ?? Number.NEGATIVE_INFINITY)) < COMPLAINT_MS) return;
    if (told.size >= COMPLAINTS_MAX) told.clear();
    told.set(message, nowMs);
    events.record('zone.update-refused', subject, message, 'warn');
  };
}

/**
 * A datagram may come twice, and somebody may send it once more who has only seen it: what was
 * signed once is done once.
 */
function createMemory({ wallMs }: UpdateDeskParts) {
  const answers = new Map<
    string,
    { readonly atMs: number; readonly answer: Promise<Uint8Array> }
  >();
  const keyOf = (mac: Uint8Array): string => Buffer.from(mac).toString('base64');
  return {
    find: (mac: Uint8Array): Promise<Uint8Array> | undefined => answers.get(keyOf(mac))?.answer,
    forget: (mac: Uint8Array): void => void answers.delete(keyOf(mac)),
    keep(mac: Uint8Array, answer: Promise<Uint8Array>): void {
      const nowMs = wallMs();
      for (const [key, { atMs }] of answers) {
        if (answers.size < REMEMBERED_MAX && Math.abs(nowMs - atMs) < REMEMBERED_MS) break;
        answers.delete(key);
      }
      answers.set(keyOf(mac), { atMs: nowMs, answer });
    },
  };
}
