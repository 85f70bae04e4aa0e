/**
 * ACME challenges (RFC 8555 8.4) by the API: TXT records of `_acme-challenge` names that go by themselves, and
 * that every node answers with before whoever set one is told so.
 */
import type { Config } from '../config/config.ts';
import type { AddedRecord, ZoneAdditions } from '../nameserver/added-records.ts';
import { misfit, tooMany } from '../nameserver/update-view.ts';
import type {
  AcmeChallenge,
  AcmeChallengeChange,
  AcmeChallengeClear,
  AcmeChallengeRequest,
  Problem,
} from './control-plane.ts';
import type { RecordWriterParts } from './record-writer.ts';
import { doesNotFit, findZone, notInZone, notKept, ownerIn } from './zone-place.ts';
import type { Decision } from './zone-records.ts';

export type AcmeChallenges = {
  list(zone: string): readonly AcmeChallenge[] | Problem;
  set(request: AcmeChallengeRequest): Promise<AcmeChallengeChange | Problem>;
  clear(request: AcmeChallengeClear): Promise<AcmeChallengeChange | Problem>;
};

export const CHALLENGE_TTL_SECONDS = 30;
export const CHALLENGE_EXPIRES_SECONDS = 3600;
export const CHALLENGE_EXPIRES_SECONDS_MAX = 7 * 24 * 3600;

const LABEL = '_acme-challenge';

export function createAcmeChallenges(parts: RecordWriterParts): AcmeChallenges {
  const { config, records } = parts;
  return {
    list(asked) {
      const place = placeOf(config(), asked, undefined);
      if ('problem' in place) return place;
      const { records: added } = records.additions(place.zone);
      return added.filter(isChallenge).map((record) => described(place.zone, record));
    },
    async set(request) {
      const place = placeOf(config(), request.zone, request.name);
      if ('problem' in place) return place;
      const { by, expiresInSeconds = CHALLENGE_EXPIRES_SECONDS } = request;
      const { owner, zone } = place;
      const record: AddedRecord = {
        owner,
        type: 'TXT',
        ttl: request.ttlSeconds ?? CHALLENGE_TTL_SECONDS,
        data: `"${request.value}"`,
        expiresAtMs: parts.clock.nowMs() + expiresInSeconds * 1000,
      };
      const done = await records.change(zone, (there) => added(config(), zone, there, record));
      if (!done.ok) return done.refusal ?? notKept(done.reason);
      const message = `A challenge of ${owner.slice(0, -1)} was set by ${by}, for ${expiresInSeconds} s.`;
      parts.events.record('zone.acme-challenge', zone, message);
      return changeOf(parts, zone, [described(zone, record)], done.state);
    },
    async clear(request) {
      const place = placeOf(config(), request.zone, request.name);
      if ('problem' in place) return place;
      const { owner, zone } = place;
      let gone: readonly AddedRecord[] = [];
      const data = request.value === undefined ? undefined : `"${request.value}"`;
      const isMeant = (each: AddedRecord): boolean =>
        each.owner === owner && each.type === 'TXT' && (data === undefined || each.data === data);
      const done = await records.change<Problem>(zone, (there) => {
        gone = there.filter(isMeant);
        return { records: there.filter((each) => !isMeant(each)) };
      });
      if (!done.ok) return done.refusal ?? notKept(done.reason);
      if (gone.length === 0) return noChallenge(owner);
      const message = `A challenge of ${owner.slice(0, -1)} was cleared by ${request.by}.`;
      parts.events.record('zone.acme-challenge', zone, message);
      const cleared = gone.map((each) => described(zone, each));
      return changeOf(parts, zone, cleared, done.state);
    },
  };
}

type Place = { readonly zone: string; readonly owner: string };

/** The zone as configured, and the name of the challenge in it; of the zone itself without a name. */
function placeOf(config: Config, asked: string, name: string | undefined): Place | Problem {
  const place = findZone(config, asked);
  if ('problem' in place) return place;
  const { zone } = place;
  const owner = ownerIn(config, zone, challengeName(name ?? zone));
  return owner === undefined ? notInZone(`${name}`, zone) : { zone, owner };
}

/** `*.example.com` is proved at `_acme-challenge.example.com` (RFC 8555 8.4). */
function challengeName(name: string): string {
  const bare = name.replace(/\.$/, '').replace(/^\*\./, '');
  return bare.toLowerCase().startsWith(`${LABEL}.`) ? bare : `${LABEL}.${bare}`;
}

function isChallenge({ owner, type }: AddedRecord): boolean {
  return type === 'TXT' && owner.startsWith(`${LABEL}.`);
}

function added(
  config: Config,
  zone: string,
  there: readonly AddedRecord[],
  record: AddedRecord,
): Decision<Problem> {
  const isSame = ({ data, owner, type }: AddedRecord): boolean =>
    owner === record.owner && type === record.type && data === record.data;
  const records = [...there.filter((each) => !isSame(each)), record];
  const why =
    tooMany(records, [record]) ?? misfit(config, zone, config.zones[zone]!, records, [record]);
  return why === undefined ? { records } : { refusal: doesNotFit(why) };
}

function described(zone: string, { data, expiresAtMs, owner, ttl }: AddedRecord): AcmeChallenge {
  // What updates have written may be several strings; a challenge is one.
  const value = data.replaceAll(/^"|"$/g, '').replaceAll('" "', '');
  return { zone, name: owner.slice(0, -1), value, ttlSeconds: ttl, expiresAtMs };
}

async function changeOf(
  { serialOf, shown }: RecordWriterParts,
  zone: string,
  challenges: readonly AcmeChallenge[],
  state: ZoneAdditions,
): Promise<AcmeChallengeChange> {
  return { challenges, serial: serialOf(zone), ...(await shown(zone, state)) };
}

function noChallenge(owner: string): Problem {
  return {
    problem: 'not-found',
    code: 'no-challenge',
    message: `There is no such challenge of ${owner.slice(0, -1)}.`,
    hint: 'GET /api/v1/zones/ZONE/acme-challenges lists those that are there.',
  };
}
