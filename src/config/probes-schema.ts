import { z } from 'zod';
import { RESOLVERS_TOLD_MAX } from '../clients/resolver-list.ts';
import { address, duration, network, port } from './values.ts';

/** Round trips that probes measure by themselves: nobody is probed whom the operator did not name. */

/** As many as a list of them has room for. */
const RESOLVERS_MAX = RESOLVERS_TOLD_MAX;
const PER_SECOND_MAX = 100;
const NETWORKS_MAX = 10_000;
const BEACONS_MAX = 1000;

export const METHODS = ['dns', 'tcp', 'icmp'] as const;

const beacon = z.strictObject({
  address: address.describe('Its address.'),
  kind: z
    .enum(METHODS)
    .describe(
      'How it is measured: a query (`dns`), a connection that is closed again (`tcp`), an echo (`icmp`).',
    ),
  port: port.optional().describe('Its port. Default: 53 for `dns`, 443 for `tcp`.'),
  for: z
    .array(network)
    .min(1)
    .max(NETWORKS_MAX)
    .optional()
    .describe(
      'Networks that are about as far as it is. Default: its own IPv4 /24 or IPv6 /48. All beacons together may stand for 20000 of those.',
    ),
});

export const probes = z
  .strictObject({
    resolvers: z
      .int()
      .min(0)
      .max(RESOLVERS_MAX)
      .default(0)
      .describe(
        'How many of the networks that ask this deployment most are measured, from each vantage point in a region; 0 = none. Their owners have not asked for it: read docs/LATENCY.md first.',
      ),
    beacons: z
      .array(beacon)
      .max(BEACONS_MAX)
      .default([])
      .describe('Machines that stand for networks around them.'),
    methods: z
      .array(z.enum(METHODS))
      .min(1)
      .default([...METHODS])
      .describe('How resolvers are measured: the first that is answered. Of others none is tried.'),
    interval: duration('1s', '7d')
      .prefault('10m')
      .describe('A target is measured once in this time; one that never answers, more seldom.'),
    perSecond: z
      .number()
      .min(0.01)
      .max(PER_SECOND_MAX)
      .default(5)
      .describe(
        'Packets, connections and queries that a vantage point begins in a second at most, whatever there is to measure.',
      ),
    allow: z
      .array(network)
      .max(NETWORKS_MAX)
      .default([])
      .describe(
        'Private and special networks whose resolvers are measured, too. Others of those never are.',
      ),
    exclude: z
      .array(network)
      .max(NETWORKS_MAX)
      .default([])
      .describe('Networks whose resolvers are not measured, for instance because they asked.'),
  })
  .prefault({})
  .describe('What probes measure: resolvers, and beacons that you name. Default: nothing.');
