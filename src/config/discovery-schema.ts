import { z } from 'zod';
import { parseAddress } from '../ip/address.ts';
import { parseSocketAddress } from '../ip/socket-address.ts';
import { domainName, duration, port, saying } from './values.ts';

/** Where an upstream's servers come from besides its list. */

const RESOLVERS_MAX = 8;
const DNS_PORT = 53;

const resolver = z
  .string()
  .refine((text) => parseResolver(text) !== undefined, saying('is not the address of a resolver'))
  .meta({ what: 'the address of a resolver', hint: '192.0.2.53, 192.0.2.53:5353 or "[::1]:53"' })
  .transform((text) => parseResolver(text)!);

function parseResolver(text: string) {
  if (parseAddress(text) !== undefined) return { address: text, port: DNS_PORT };
  return parseSocketAddress(text);
}

const dnsDiscovery = z.strictObject({
  name: domainName.describe('The name that is asked for, in full.'),
  type: z
    .enum(['A', 'AAAA', 'SRV'])
    .default('A')
    .describe(
      'What is asked for. `SRV` says ports, weights and priorities too: servers of a later priority take what those of earlier ones cannot.',
    ),
  port: port.optional().describe('Of `A` and `AAAA`: the port of every server.'),
  resolvers: z
    .array(resolver)
    .min(1)
    .max(RESOLVERS_MAX)
    .optional()
    .describe('Whom to ask, in this order. Default: the resolvers of the system.'),
  minTtl: duration('100ms', '1h')
    .prefault('5s')
    .describe('An answer is good for this long at least, however short its TTL.'),
  maxTtl: duration('1s', '24h')
    .prefault('5m')
    .describe('It is asked again after this long at most, however long the TTL.'),
});

export const discovery = z
  .strictObject({
    dns: dnsDiscovery.describe('By DNS. Answers that are empty or do not come change nothing.'),
  })
  .optional()
  .describe('Where more servers are found while the node runs (docs/DISCOVERY.md). Default: none.');
