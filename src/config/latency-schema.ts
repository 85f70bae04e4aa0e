import { z } from 'zod';
import { pages } from './pages-schema.ts';
import { probes } from './probes-schema.ts';
import { duration } from './values.ts';

/** What is measured of ways to clients, and how steering follows it; policies with the step `latency` go by it. */

const CONNECTIONS_MAX = 100_000;
/** A million networks and twenty regions take 151 MB of the node that plans (`npm run bench -- latency`). */
const NETWORKS_MAX = 2_000_000;
const COUNT_MAX = 1000;
const WINDOWS_MAX = 100;
const BAND_MS_MAX = 1000;

const percent = z.number().min(0).max(100);

export const latency = z.strictObject({
  connectionsPerSecond: z
    .int()
    .min(0)
    .max(CONNECTIONS_MAX)
    .default(500)
    .describe(
      'Of how many new connections in a second each balancer worker asks the kernel for the round-trip time; 0 = of none. Only where some policy has the step `latency`.',
    ),
  clientsMin: z
    .int()
    .min(1)
    .max(COUNT_MAX)
    .default(3)
    .describe(
      'Connections of an IPv4 /24 or IPv6 /48 before a node tells others of it; single clients never leave it.',
    ),
  window: duration('1s', '1h')
    .prefault('60s')
    .describe('How often nodes tell what they measured, and the order of regions is looked at.'),
  networksMax: z
    .int()
    .min(1000)
    .max(NETWORKS_MAX)
    .default(200_000)
    .describe('Client networks that are kept, of those that were measured.'),
  band: duration('0ms', `${BAND_MS_MAX}ms`)
    .prefault('10ms')
    .describe('A region passes another when it is better by more than this…'),
  bandPercent: percent.default(10).describe('…and by more than this part of the way.'),
  windows: z
    .int()
    .min(1)
    .max(WINDOWS_MAX)
    .default(3)
    .describe('Windows one after the other in which it must be better.'),
  connectionsMin: z
    .int()
    .min(1)
    .max(COUNT_MAX)
    .default(5)
    .describe('Measured connections that a region must have to pass another.'),
  dwell: duration('0s', '24h')
    .prefault('5m')
    .describe('A network that has moved to another region stays there for so long at least.'),
  churnPercent: percent
    .default(5)
    .describe('No more of the demand moves within a window; those who gain most move first.'),
  explorePercent: percent
    .default(1)
    .describe(
      'No more of the demand is sent to regions only to find out how far they are; 0 = none. Nobody is during drills, nor while endpoints are down.',
    ),
  explore: duration('1s', '24h')
    .prefault('10m')
    .describe('How long a network tries a region at most.'),
  memory: duration('1m', '30d')
    .prefault('6h')
    .describe('What was measured is worth half as much after this time.'),
  maxAge: duration('1m', '30d')
    .prefault('24h')
    .describe('What was not measured again is forgotten then, and geography holds.'),
  probes,
  pages,
});
