/** Who gets no answer at all, whatever is asked. */
import { ACCESS_DENIED, accessOf } from './access.ts';
import { type Client, TRANSPORT_UDP } from './client.ts';
import { COUNT_DENIED, COUNT_DROPPED } from './counters.ts';
import type { WorkerState } from './worker-state.ts';

/** Of a denied network, or no client: silence, and counted. Allocates nothing. */
export function isUnheard({ counters, snapshot }: WorkerState, client: Client): boolean {
  if (accessOf(snapshot?.access, client) === ACCESS_DENIED) {
    counters[COUNT_DENIED] = counters[COUNT_DENIED]! + 1;
    return true;
  }
  if (!isFromLoop(client)) return false;
  counters[COUNT_DROPPED] = counters[COUNT_DROPPED]! + 1;
  return true;
}

/** No client's port is that low; those of the services below are. */
const SERVICE_PORTS = 1024;

/**
 * Whether a datagram is from a service that answers whatever it is sent: our error would be its next question, and
 * so on without end, begun by one forged packet (CVE-2024-2169). BIND drops some of them too.
 */
function isFromLoop({ port, transport }: Client): boolean {
  if (port >= SERVICE_PORTS || transport !== TRANSPORT_UDP) return false;
  switch (port) {
    case 7: // echo
    case 11: // active users
    case 13: // daytime
    case 17: // quote of the day
    case 19: // character generator
    case 37: // time
    case 69: // TFTP
    case 123: // NTP
      return true;
    default:
      return false;
  }
}
