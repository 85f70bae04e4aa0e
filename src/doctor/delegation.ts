import { rcodeName } from '../dns/mnemonic.ts';
import { bad, type Check, type Found, ok, warn } from './finding.ts';
import type { Observation, ParentServerSights } from './observation.ts';
import { isInZone, namesOf, ownNameservers, type Referral, readReferral } from './reading.ts';
import { serving, titlesOf } from './standing.ts';

/** The parent's NS records against the zone's own: they have to be the same (RFC 1034 4.2.2). */
export const delegation: Check = {
  kind: 'delegation',
  look(observation) {
    const found = [...parentFindings(observation)];
    const ofParent = parentNames(observation);
    const ofZone = zoneNames(observation);
    if (ofParent.length > 0) found.push(...ownFindings(observation));
    if (ofParent.length === 0 || ofZone.length === 0) return found;
    const differences = [
      ...onlyAtParent(observation, ofParent, ofZone),
      ...onlyInZone(observation, ofParent, ofZone),
    ];
    if (differences.length > 0 || found.some(({ severity }) => severity === 'bad'))
      return [...found, ...differences];
    return [...found, ok(`The parent and the zone name the same ${countOf(ofZone)}.`)];
  },
};

/** Names that any server of the parent delegates to. */
export function parentNames({ parent, zone }: Observation): readonly string[] {
  const all = referrals(parent.servers, zone).flatMap(({ referral }) =>
    referral.kind === 'delegated' ? namesOf(referral.records) : [],
  );
  return [...new Set(all)].sort();
}

/** Names that any nameserver of the zone gives for it. */
export function zoneNames(observation: Observation): readonly string[] {
  const { zone } = observation;
  return [
    ...new Set(serving(observation).flatMap(({ ns }) => namesOf(ownNameservers(ns, zone)))),
  ].sort();
}

function parentFindings({ hosts, parent, zone }: Observation): readonly Found[] {
  const found: Found[] = [];
  for (const { address, ns } of parent.servers) {
    if (ns.ok || ns.isLocal === true) continue;
    found.push(
      warn(
        `The parent's server ${address} does not answer: ${ns.reason}.`,
        "Ask the parent's operator; the check goes by the servers that answer.",
      ),
    );
  }
  const sets = new Map<string, string[]>();
  for (const { address, message, referral } of referrals(parent.servers, zone)) {
    if (referral.kind === 'delegated') {
      const names = namesOf(referral.records).join(' ');
      sets.set(names, [...(sets.get(names) ?? []), address]);
    } else if (referral.kind === 'elsewhere') {
      found.push(
        bad(
          `${address} is no server of the parent: it refers to ${referral.zone}.`,
          `Give the servers of the closest zone above ${zone} with --parent, or none.`,
        ),
      );
    } else {
      found.push(
        bad(
          `The parent's server ${address} does not delegate ${zone}: it says ${rcodeName(message.rcode)} and names no nameserver.`,
          wantedRecords(zone, hosts),
        ),
      );
    }
  }
  if (sets.size > 1) {
    const said = [...sets].map(([names, servers]) => `${servers.join(', ')}: ${names}`).join('; ');
    found.push(
      bad(
        `The parent's servers do not agree about the nameservers (${said}).`,
        "Wait until the parent's change is everywhere; when it stays, tell the parent's operator.",
      ),
    );
  }
  return found;
}

/** The zone's servers among themselves. */
function ownFindings(observation: Observation): readonly Found[] {
  const { zone } = observation;
  const sets = new Map<string, string[]>();
  const without = [];
  for (const server of serving(observation)) {
    const names = namesOf(ownNameservers(server.ns, zone)).join(' ');
    if (names === '') without.push(server);
    else sets.set(names, [...(sets.get(names) ?? []), server.address]);
  }
  const found: Found[] = [];
  if (without.length > 0) {
    found.push(
      bad(
        `${titlesOf(without)}: no NS records of ${zone} in the answer.`,
        `Give the zone NS records for all of its nameservers.`,
      ),
    );
  }
  if (sets.size > 1) {
    const said = [...sets].map(([names, servers]) => `${servers.join(', ')}: ${names}`).join('; ');
    found.push(
      bad(
        `The zone's nameservers do not agree about its NS records (${said}).`,
        'Give all nodes the same configuration; "meridian nodes" shows which has which.',
      ),
    );
  }
  return found;
}

function onlyAtParent(
  { zone }: Observation,
  ofParent: readonly string[],
  ofZone: readonly string[],
): readonly Found[] {
  const extra = ofParent.filter((name) => !ofZone.includes(name));
  if (extra.length === 0) return [];
  const all = extra.length === ofParent.length;
  const message = `The parent delegates to ${extra.join(', ')}, which the zone does not name${all ? ': they have no nameserver in common' : ''}.`;
  const hint = `Add ${extra.length === 1 ? 'it' : 'them'} to the NS records of ${zone}, or have the parent take ${extra.length === 1 ? 'it' : 'them'} out.`;
  return [all ? bad(message, hint) : warn(message, hint)];
}

function onlyInZone(
  { zone }: Observation,
  ofParent: readonly string[],
  ofZone: readonly string[],
): readonly Found[] {
  const missing = ofZone.filter((name) => !ofParent.includes(name));
  if (missing.length === 0) return [];
  const glue = missing.some((name) => isInZone(name, zone)) ? ', with glue,' : '';
  return [
    warn(
      `The zone names ${missing.join(', ')}, which the parent does not delegate to.`,
      `Have the parent add NS records${glue} for ${missing.length === 1 ? 'it' : 'them'}, or take ${missing.length === 1 ? 'it' : 'them'} out of the zone.`,
    ),
  ];
}

function referrals(servers: readonly ParentServerSights[], zone: string) {
  return servers.flatMap(({ address, ns }) => {
    if (!ns.ok) return [];
    const { message } = ns;
    const referral: Referral = readReferral(message, zone);
    return [{ address, message, referral }];
  });
}

function wantedRecords(zone: string, hosts: Observation['hosts']): string {
  const [first] = hosts;
  const name = first?.name ?? `ns1.${zone}`;
  return `Have the parent add NS records, such as "${zone} NS ${name}", and glue for nameservers whose names are in the zone.`;
}

const countOf = (names: readonly string[]): string =>
  names.length === 1 ? 'nameserver' : `${names.length} nameservers`;
