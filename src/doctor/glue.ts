import { isPrivate, parseAddress } from '../ip/address.ts';
import { parentNames } from './delegation.ts';
import { bad, type Check, type Found, ok, warn } from './finding.ts';
import type { Host, Observation } from './observation.ts';
import { isInZone, readReferral } from './reading.ts';

/** Glue at the parent against the addresses that the owner of the name gives (RFC 1034 4.2.1, RFC 9471). */
export const glue: Check = {
  kind: 'glue',
  look(observation) {
    const delegated = parentNames(observation);
    const found = observation.hosts.flatMap((host) => hostFindings(observation, host, delegated));
    const isWell = !found.some(({ severity }) => severity === 'bad');
    const glued = observation.hosts.filter((host) => host.glue.length > 0).length;
    if (isWell && glued > 0) {
      found.push(
        ok(`Glue of ${glued} nameserver${glued === 1 ? '' : 's'} compared with its own addresses.`),
      );
    }
    return [...found, ...privateFindings(observation)];
  },
};

function hostFindings(
  observation: Observation,
  host: Host,
  delegated: readonly string[],
): readonly Found[] {
  const { zone } = observation;
  const { addresses, isAlias, name, problem } = host;
  const isInside = isInZone(name, zone);
  const found: Found[] = [];
  if (isAlias) {
    found.push(
      bad(
        `${name} is an alias (CNAME), which a nameserver's name must not be (RFC 2181 10.3).`,
        `Give ${name} A and AAAA records of its own.`,
      ),
    );
  }
  if (
    isInside &&
    delegated.includes(name) &&
    host.glue.length === 0 &&
    !isServedByParent(observation)
  ) {
    found.push(
      bad(
        `The parent has no glue for ${name}, whose name is in the zone: nobody can find it.`,
        `Have the parent add the address records of ${name}${addresses.length > 0 ? ` (${addresses.join(', ')})` : ''} beside its NS record.`,
      ),
    );
  }
  if (problem !== undefined) {
    found.push(
      warn(
        `The addresses of ${name} could not be asked for: ${problem}.`,
        'Name a resolver that answers with --resolver ADDRESS, or mend what is said elsewhere here first.',
      ),
    );
    return found;
  }
  if (addresses.length === 0) {
    found.push(
      bad(
        `${name} has no address${isInside ? ' in the zone' : ''}.`,
        isInside
          ? `Add A and AAAA records of ${name} to ${zone}.`
          : `Have the owner of ${name} add its address records, or take it out of the NS records.`,
      ),
    );
    return found;
  }
  // The parent's word about names elsewhere is a courtesy that resolvers do not go by.
  return isInside && host.glue.length > 0 ? [...found, ...differences(host)] : found;
}

function differences({ addresses, glue, name }: Host): readonly Found[] {
  const wrong = glue.filter((address) => !addresses.includes(address));
  const missing = addresses.filter((address) => !glue.includes(address));
  const found: Found[] = [];
  if (wrong.length > 0) {
    found.push(
      bad(
        `Glue at the parent says that ${name} is at ${wrong.join(', ')}; the zone says ${addresses.join(', ')}.`,
        `Have the glue of ${name} at the parent (or registrar) changed to ${addresses.join(', ')}, or correct the address records in the zone.`,
      ),
    );
  } else if (missing.length > 0) {
    found.push(
      warn(
        `The parent has no glue for ${name} at ${missing.join(', ')}, which the zone gives as its address.`,
        `Have ${missing.join(', ')} added to the glue of ${name} at the parent (or registrar).`,
      ),
    );
  }
  return found;
}

/** Such a server answers by the zone's own records and shows no delegation. */
function isServedByParent({ parent, zone }: Observation): boolean {
  return parent.servers.every(({ ns }) => {
    if (!ns.ok) return true;
    const referral = readReferral(ns.message, zone);
    return referral.kind === 'delegated' && referral.isAnswer;
  });
}

function privateFindings({ hosts }: Observation): readonly Found[] {
  const inside = hosts.flatMap(({ addresses, glue, name }) =>
    [...new Set([...addresses, ...glue])]
      .filter((text) => {
        const address = parseAddress(text);
        return address !== undefined && isPrivate(address);
      })
      .map((text) => `${name} ${text}`),
  );
  if (inside.length === 0) return [];
  return [
    warn(
      `Addresses that only this network reaches: ${inside.join(', ')}.`,
      'Well for a trial or a zone of your own network; resolvers of the world need public addresses.',
    ),
  ];
}
