import { bad, type Check, type Found, ok } from './finding.ts';
import { authoritativeSoa, serving, titleOf } from './standing.ts';

/** DNS over TCP is not optional (RFC 7766 5): long answers have no other way. */
export const tcp: Check = {
  kind: 'tcp',
  look(observation) {
    const servers = serving(observation);
    const found: Found[] = [];
    for (const server of servers) {
      if (authoritativeSoa(server.tcp, observation.zone) !== undefined) continue;
      const what = server.tcp.ok
        ? 'answers by TCP otherwise than by UDP'
        : `does not answer by TCP: ${server.tcp.reason}`;
      found.push(
        bad(
          `${titleOf(server)} ${what}.`,
          'Open port 53 TCP to it, and see that it listens there; a truncated answer, and every answer while queries are rate limited, comes by TCP.',
        ),
      );
    }
    if (found.length > 0 || servers.length === 0) return found;
    return [ok(`Every address answers by TCP (${servers.length}).`)];
  },
};
