import { z } from 'zod';
import type { ClientsConfig } from './clients-config.ts';
import { duration } from './values.ts';

/** What clients of HTTP listeners may take, in time and number; layer 4 has the number of connections of it. */
export const clients = z
  .strictObject({
    connectionsMax: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(20_000)
      .describe('Connections at once, of a worker; beyond it new ones are closed.'),
    bodyBytesMax: z
      .int()
      .min(0)
      .max(2 ** 53 - 1)
      .default(16 * 1024 ** 3)
      .describe('Octets of a request’s body; a longer one is answered with 413.'),
    headTimeout: duration('10ms', '1h')
      .prefault('10s')
      .describe(
        'From the first octet of a head, or of a connection, to its end; then 408. Of a PROXY header, too.',
      ),
    keepAliveTimeout: duration('10ms', '24h')
      .prefault('75s')
      .describe(
        'How long a connection may be idle between requests. Longer than the balancer in front of this one keeps its own.',
      ),
    bodyIdleTimeout: duration('10ms', '24h')
      .prefault('30s')
      .describe('How long a client may be silent in the middle of its body; then 408.'),
    writeIdleTimeout: duration('10ms', '24h')
      .prefault('60s')
      .describe('How long a client may take nothing of what was written to it; then it is reset.'),
    tunnelIdleTimeout: duration('10ms', '24h')
      .prefault('1h')
      .describe('How long nothing may move in a tunnel (WebSocket) or a stream of events.'),
    lingerTimeout: duration('0s', '1m')
      .prefault('2s')
      .describe(
        'How long is still read from a client that was told to go, so that it can read why.',
      ),
  })
  .prefault({})
  .describe('How long clients of the balancer may take, and how much.');

export function resolveClients(written: z.output<typeof clients>): ClientsConfig {
  return {
    connectionsMax: written.connectionsMax,
    requestBodyBytesMax: written.bodyBytesMax,
    headTimeoutMs: written.headTimeout,
    keepAliveTimeoutMs: written.keepAliveTimeout,
    bodyIdleTimeoutMs: written.bodyIdleTimeout,
    writeIdleTimeoutMs: written.writeIdleTimeout,
    tunnelIdleTimeoutMs: written.tunnelIdleTimeout,
    lingerTimeoutMs: written.lingerTimeout,
  };
}
