import { RCODE_NOERROR, RCODE_NXDOMAIN } from '../dns/constants.ts';
import { rcodeName } from '../dns/mnemonic.ts';
import { bad, type Check, type Found, ok, warn } from './finding.ts';
import type { NameserverSights, Observation } from './observation.ts';
import { ownNameservers, readReferral, soaIn } from './reading.ts';
import { serving, titleOf } from './standing.ts';

/** How long resolvers keep the delegation, and how long they keep that something is not there. */
export const ttl: Check = {
  kind: 'ttl',
  look(observation) {
    return [...delegationFindings(observation), ...negativeFindings(observation)];
  },
};

/** Below this, an hour without nameservers of the parent is an hour without the zone. */
const PARENT_NS_SECONDS_MIN = 3600;
const ZONE_NS_SECONDS_MIN = 300;
/** Above this, a mistake in the delegation stays for days after it was mended. */
const NS_SECONDS_MAX = 172_800;
/** Longer, and a new name stays unknown to those who asked for it too early. */
const NEGATIVE_SECONDS_MAX = 3600;

function delegationFindings(observation: Observation): readonly Found[] {
  const { parent, zone } = observation;
  const ofParent = parent.servers.flatMap(({ ns }) => {
    const referral = ns.ok ? readReferral(ns.message, zone) : undefined;
    if (referral?.kind !== 'delegated' || referral.isAnswer) return [];
    return referral.records.map(({ ttlSeconds }) => ttlSeconds);
  });
  const ofZone = serving(observation).flatMap(({ ns }) =>
    ownNameservers(ns, zone).map(({ ttlSeconds }) => ttlSeconds),
  );
  const found = [
    ...nsFindings('at the parent', ofParent, PARENT_NS_SECONDS_MIN),
    ...nsFindings('in the zone', ofZone, ZONE_NS_SECONDS_MIN),
  ];
  if (found.length > 0 || ofZone.length === 0) return found;
  const parentText = ofParent.length === 0 ? '' : `${Math.min(...ofParent)} s at the parent, `;
  return [ok(`NS records are kept for ${parentText}${Math.min(...ofZone)} s in the zone.`)];
}

function nsFindings(where: string, ttls: readonly number[], least: number): readonly Found[] {
  if (ttls.length === 0) return [];
  const [low, high] = [Math.min(...ttls), Math.max(...ttls)];
  if (low < least) {
    return [
      warn(
        `NS records ${where} have a TTL of ${low} s.`,
        `Make it ${least} s or more: nameservers seldom move, and resolvers get through an outage with what they keep. Lower it only before a move.`,
      ),
    ];
  }
  if (high <= NS_SECONDS_MAX) return [];
  return [
    warn(
      `NS records ${where} have a TTL of ${high} s.`,
      `Make it ${NS_SECONDS_MAX} s or less: for so long a change of nameservers is not seen everywhere.`,
    ),
  ];
}

function negativeFindings(observation: Observation): readonly Found[] {
  const found: Found[] = [];
  const seconds: number[] = [];
  for (const server of serving(observation)) {
    const result = negativeOf(server, observation.zone);
    if (typeof result === 'number') seconds.push(result);
    else if (result !== undefined) found.push(result);
  }
  if (seconds.length === 0) return found;
  const [low, high] = [Math.min(...seconds), Math.max(...seconds)];
  if (high > NEGATIVE_SECONDS_MAX) {
    found.push(
      warn(
        `Resolvers keep for ${high} s that a name is not there.`,
        'Lower "minimum" of the SOA (60 s suits a steered zone): a name that is added later is not seen by those who asked before.',
      ),
    );
  } else if (low === 0) {
    found.push(
      warn(
        'Resolvers do not keep that a name is not there (negative TTL 0).',
        'Raise "minimum" and the TTL of the SOA to about 60 s: every slip of a client becomes a query here.',
      ),
    );
  } else found.push(ok(`Resolvers keep for ${high} s that a name is not there.`));
  return found;
}

/** The negative TTL in seconds (RFC 2308 5), what is wrong, or undefined when it does not show. */
function negativeOf(server: NameserverSights, zone: string): number | Found | undefined {
  const { absent } = server;
  if (!absent.ok) return undefined;
  const { answer, authority, rcode } = absent.message;
  if (rcode !== RCODE_NXDOMAIN && rcode !== RCODE_NOERROR) {
    return bad(
      `${titleOf(server)} answers ${rcodeName(rcode)} for a name that is not there.`,
      'It has to say NXDOMAIN with the SOA: others are asked again and again. Look at its log.',
    );
  }
  // A wildcard answers for every name.
  if (answer.length > 0) return undefined;
  const soa = soaIn(authority, zone);
  if (soa !== undefined) return Math.min(soa.ttlSeconds, soa.minimum);
  return bad(
    `${titleOf(server)} says that a name is not there without the zone's SOA.`,
    'The SOA has to be in the authority section: without it resolvers cannot keep the answer (RFC 2308 3).',
  );
}
