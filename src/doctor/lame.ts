import { RCODE_NOTAUTH, RCODE_REFUSED, RCODE_SERVFAIL } from '../dns/constants.ts';
import { rcodeName } from '../dns/mnemonic.ts';
import { parentNames } from './delegation.ts';
import { bad, type Check, type Found, ok, warn } from './finding.ts';
import type { NameserverSights, Observation } from './observation.ts';
import { standingOf, titleOf } from './standing.ts';

/** Whether everyone who is called a nameserver of the zone is one (a lame delegation: RFC 9499 7). */
export const lame: Check = {
  kind: 'lame',
  look(observation) {
    const { nameservers, zone } = observation;
    const found = nameservers.flatMap((server) => serverFindings(server, zone));
    found.push(...unseenFindings(observation));
    const kinds = nameservers.map((server) => standingOf(server, zone).kind);
    const count = kinds.filter((kind) => kind === 'authoritative').length;
    if (kinds.every((kind) => kind === 'unseen')) found.push(...unaskedFindings(observation));
    else if (count === 0) {
      found.push(
        bad(
          `No nameserver of ${zone} serves it: its names do not exist for anybody.`,
          'Start the nodes, and see that port 53 is open to them by UDP and TCP.',
        ),
      );
    } else if (count === nameservers.length) {
      found.push(ok(`Every address answers with authority (${count}).`));
    }
    return found;
  },
};

function serverFindings(server: NameserverSights, zone: string): readonly Found[] {
  const standing = standingOf(server, zone);
  const title = titleOf(server);
  switch (standing.kind) {
    case 'authoritative':
      return server.soa.ok || server.plain.ok
        ? []
        : [
            bad(
              `${title} answers by TCP only: ${server.plain.reason}.`,
              'Open port 53 UDP to it; resolvers ask by UDP first.',
            ),
          ];
    case 'unseen':
      return [];
    case 'silent':
      return [
        bad(
          `${title} does not answer: ${standing.reason}.`,
          'Start the node, open port 53 to it by UDP and TCP, or take it out of the NS records of the zone and the parent.',
        ),
      ];
    case 'error':
      return [bad(`${title} answers ${rcodeName(standing.rcode)}.`, errorHint(standing.rcode))];
    case 'not-authoritative':
      return [
        bad(
          `${title} answers without authority (no AA bit): it is a resolver, or does not have the zone.`,
          `Configure ${zone} on it, or take it out of the NS records of the zone and the parent.`,
        ),
      ];
    case 'no-zone':
      return [
        bad(
          `${title} answers with authority, but has no SOA of ${zone}.`,
          `Configure ${zone} on it as a zone of its own, not as names of the zone above.`,
        ),
      ];
  }
}

function errorHint(rcode: number): string {
  if (rcode === RCODE_REFUSED || rcode === RCODE_NOTAUTH) {
    return 'It does not have the zone, or may not answer this machine: configure the zone on it, and look at its access rules.';
  }
  if (rcode === RCODE_SERVFAIL) {
    return 'It has the zone and cannot serve it (not loaded, expired): its log says why.';
  }
  return 'Look at its log; take it out of the NS records until it answers.';
}

/** Nobody was asked: that nothing else is found must not look like health. */
function unaskedFindings(observation: Observation): readonly Found[] {
  // Without a delegation there is nobody to ask, and another check says so.
  if (parentNames(observation).length === 0) return [];
  return [
    bad(
      `No nameserver of ${observation.zone} could be asked.`,
      'What is said of glue, addresses and this machine here has to be mended first; then check again.',
    ),
  ];
}

function unseenFindings({ nameservers, zone }: Observation): readonly Found[] {
  const unseen = nameservers.filter((server) => standingOf(server, zone).kind === 'unseen');
  if (unseen.length === 0) return [];
  return [
    warn(
      `Not asked, because this machine has no way to ${unseen.map(({ address }) => address).join(', ')}.`,
      'Run the check once more from a machine that has IPv4 and IPv6.',
    ),
  ];
}
