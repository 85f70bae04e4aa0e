import {
  OPTION_CLIENT_SUBNET,
  RCODE_BADVERS,
  UDP_SIZE_DEFAULT,
  UDP_SIZE_MIN,
} from '../dns/constants.ts';
import type { DecodedMessage } from '../dns/decode.ts';
import { rcodeName } from '../dns/mnemonic.ts';
import { bad, type Check, type Found, ok, warn } from './finding.ts';
import type { NameserverSights, Observation, Sight } from './observation.ts';
import { serving, titleOf } from './standing.ts';

/** EDNS as resolvers rely on it (RFC 6891); the client subnet and DNSSEC travel in it. */
export const edns: Check = {
  kind: 'edns',
  look(observation) {
    const servers = serving(observation);
    const found = servers.flatMap((server) => {
      const refusal = refusalOf(server);
      return refusal === undefined ? detailsOf(server, observation) : [refusal];
    });
    if (found.length > 0 || servers.length === 0) return found;
    return [
      ok(
        `Every address answers with EDNS, refuses its version 1, and keeps to ${UDP_SIZE_DEFAULT} octets (${servers.length}).`,
      ),
    ];
  },
};

/** Queries with EDNS get no answer, or one without it; the rest need not be looked at then. */
function refusalOf(server: NameserverSights): Found | undefined {
  const { plain, soa } = server;
  const title = titleOf(server);
  if (!soa.ok) {
    // A server that only TCP reaches is another check's.
    if (!plain.ok) return undefined;
    return bad(
      `${title} does not answer queries with EDNS: ${soa.reason}.`,
      'Look for a firewall that drops DNS packets with an OPT record; resolvers lose seconds at every query.',
    );
  }
  if (soa.message.rcode !== 0 && plain.ok && plain.message.rcode === 0) {
    return bad(
      `${title} answers ${rcodeName(soa.message.rcode)} to queries with EDNS.`,
      'Replace the server or the box before it by one that knows EDNS (RFC 6891).',
    );
  }
  if (soa.message.edns !== undefined) return undefined;
  return bad(
    `${title} answers without EDNS: no OPT record comes back.`,
    'Switch EDNS on, or look for a firewall that removes it: without it no client network and no DNSSEC arrive.',
  );
}

function detailsOf(server: NameserverSights, observation: Observation): readonly Found[] {
  return [
    ...versionFindings(server),
    ...uninvitedFindings(server),
    ...sizeFindings(server),
    ...lengthFindings(server, observation),
  ];
}

/** RFC 6891 6.1.3. */
function versionFindings(server: NameserverSights): readonly Found[] {
  const { nextVersion } = server;
  if (!server.soa.ok || (nextVersion.ok && nextVersion.message.rcode === RCODE_BADVERS)) return [];
  const what = nextVersion.ok
    ? `answers ${rcodeName(nextVersion.message.rcode)} to EDNS version 1, not BADVERS`
    : `does not answer a query with EDNS version 1: ${nextVersion.reason}`;
  return [
    warn(
      `${titleOf(server)} ${what}.`,
      'Look for an old server or a firewall that judges EDNS: it stands in the way of what comes next.',
    ),
  ];
}

/** What nobody asked for (RFC 6891 7, RFC 7871 7.2.1). */
function uninvitedFindings(server: NameserverSights): readonly Found[] {
  const found: Found[] = [];
  if (messageOf(server.plain)?.edns !== undefined) {
    found.push(
      warn(
        `${titleOf(server)} sends OPT to a client that sent none.`,
        'Look for a box that adds it: clients without EDNS may drop the answer.',
      ),
    );
  }
  const options = messageOf(server.soa)?.edns?.options ?? [];
  if (options.some(({ code }) => code === OPTION_CLIENT_SUBNET)) {
    found.push(
      warn(
        `${titleOf(server)} sends a client subnet to a client that sent none.`,
        'It must not (RFC 7871 7.2.1); look for what adds it.',
      ),
    );
  }
  return found;
}

/** What the server itself is ready to receive (RFC 9715 3.2). */
function sizeFindings(server: NameserverSights): readonly Found[] {
  const size = messageOf(server.soa)?.edns?.udpSize;
  if (size === undefined || (size >= UDP_SIZE_MIN && size <= UDP_SIZE_DEFAULT)) return [];
  return [
    warn(
      `${titleOf(server)} offers a UDP size of ${size} octets.`,
      size < UDP_SIZE_MIN
        ? `Set it to ${UDP_SIZE_DEFAULT}: below ${UDP_SIZE_MIN} it counts as ${UDP_SIZE_MIN}.`
        : `Set it to ${UDP_SIZE_DEFAULT}: larger datagrams are sent in fragments, which get lost.`,
    ),
  ];
}

/** UDP replies longer than the client said it takes. */
function lengthFindings(server: NameserverSights, { zone }: Observation): readonly Found[] {
  const isLong = (sight: Sight, most: number): boolean => sight.ok && sight.sizeBytes > most;
  const found: Found[] = [];
  if (isLong(server.soa, UDP_SIZE_DEFAULT)) {
    found.push(
      bad(
        `${titleOf(server)} sends more than the ${UDP_SIZE_DEFAULT} octets that the client takes.`,
        'It has to keep to the UDP size of the query and set TC (RFC 6891 6.2.5).',
      ),
    );
  }
  if (isLong(server.plain, UDP_SIZE_MIN)) {
    found.push(
      bad(
        `${titleOf(server)} sends more than ${UDP_SIZE_MIN} octets about ${zone} to a client without EDNS.`,
        'It has to keep to 512 octets and set TC (RFC 1035 4.2.1).',
      ),
    );
  }
  return found;
}

const messageOf = (sight: Sight): DecodedMessage | undefined =>
  sight.ok ? sight.message : undefined;
