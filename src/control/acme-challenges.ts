/**
 * ACME challenges (RFC 8555 8.4) by the API: TXT records of `_acme-challenge` names that go by themselves, and
 * that every node answers with before whoever set one is told so.
 */
import type { Config } from '../config/config.ts';
import { formatName, isSubdomain, lowerName, parseName } from '../dns/name.ts';
import type { AddedRecord, ZoneAdditions } from '../nameserver/added-records.ts';
import { misfit, tooMany, zoneNameOf } from '../nameserver/update-view.ts';
import type { Clock } from './clock.ts';
import type {
  AcmeChallenge,
  AcmeChallengeChange,
  AcmeChallengeClear,
  AcmeChallengeRequest,
  Problem,
} from './control-plane.ts';
import type { Events } from './events.ts';
import type { Decision, Visibility, ZoneRecords } from './zone-records.ts';

export type AcmeChallenges = {
  list(zone: string): readonly AcmeChallenge[] | Problem;
  set(request: AcmeChallengeRequest): Promise<AcmeChallengeChange | Problem>;
  clear(request: AcmeChallengeClear): Promise<AcmeChallengeChange | Problem>;
};

export type AcmeChallengeParts = {
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

export const CHALLENGE_TTL_SECONDS = 30;
export const CHALLENGE_EXPIRES_SECONDS = 3600;
export const CHALLENGE_EXPIRES_SECONDS_MAX = 7 * 24 * 3600;

const LABEL = '_acme-challenge';

export function createAcmeChallenges(parts: AcmeChallengeParts): AcmeChallenges {
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
      if (!done.ok) return done.refusal ?? away(done.reason);
      const message = `A challenge of ${owner} was set by ${by}, for ${expiresInSeconds} s.`;
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
      if (!done.ok) return done.refusal ?? away(done.reason);
      if (gone.length === 0) return noChallenge(owner);
      const message = `A challenge of ${owner} was cleared by ${request.by}.`;
      parts.events.record('zone.acme-challenge', zone, message);
      const cleared = gone.map((each) => described(zone, each));
      return changeOf(parts, zone, cleared, done.state);
    },
  };
}

type Place = { readonly zone: string; readonly owner: string };

/** The zone as configured, and the name of the challenge in it; of the zone itself without a name. */
function placeOf({ zones }: Config, asked: string, name: string | undefined): Place | Problem {
  const zone = asked === '.' ? asked : asked.toLowerCase().replace(/\.$/, '');
  if (!Object.hasOwn(zones, zone)) {
    return {
      problem: 'not-found',
      code: 'no-zone',
      message: `There is no zone ${zone}.`,
      hint: 'GET /api/v1/zones lists the zones.',
    };
  }
  const owner = challengeName(name ?? zone);
  const wire = owner === undefined ? undefined : parseName(owner);
  const apex = parseName(zone === '.' ? zone : `${zone}.`)!;
  if (wire === undefined || !isSubdomain(wire, apex) || zoneNameOf(zones, wire) !== zone) {
    return {
      problem: 'invalid',
      code: 'name-not-in-zone',
      message: `${name} is not a name in the zone ${zone}.`,
      hint: `Give the name that is to be proved in full, for instance www.${zone}.`,
    };
  }
  return { zone, owner: owner! };
}

/** Absolute and lower case: `*.example.com` is proved at `_acme-challenge.example.com.` (RFC 8555 8.4). */
function challengeName(name: string): string | undefined {
  const bare = name.replace(/\.$/, '').replace(/^\*\./, '');
  const full = bare.toLowerCase().startsWith(`${LABEL}.`) ? bare : `${LABEL}.${bare}`;
  const wire = parseName(`${full}.`);
  return wire && formatName(lowerName(wire));
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
  { serialOf, shown }: AcmeChallengeParts,
  zone: string,
  challenges: readonly AcmeChallenge[],
  state: ZoneAdditions,
): Promise<AcmeChallengeChange> {
  return { challenges, serial: serialOf(zone), ...(await shown(zone, state)) };
}

function doesNotFit(why: string): Problem {
  return {
    problem: 'conflict',
    code: 'record-does-not-fit',
    message: `The record cannot be in the zone: ${why}.`,
    hint: 'Look at what the configuration says of that name.',
  };
}

function away(reason: string): Problem {
  return {
    problem: 'unavailable',
    code: 'records-not-kept',
    message: `Nothing was changed: ${reason}.`,
    hint: 'Try again when the store answers; "meridian nodes" shows it.',
  };
}

function noChallenge(owner: string): Problem {
  return {
    problem: 'not-found',
    code: 'no-challenge',
    message: `There is no such challenge of ${owner}.`,
    hint: 'GET /api/v1/zones/ZONE/acme-challenges lists those that are there.',
  };
}
