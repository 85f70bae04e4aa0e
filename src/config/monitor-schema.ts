import { z } from 'zod';
import { extensions, flatExtension } from './extensions.ts';
import { address, duration, name, port } from './values.ts';

/** The part of the file's schema that says how health is found out. */

/** Members of one monitor group, as Route 53's calculated checks have. */
const GROUP_MEMBERS_MAX = 256;

export const monitor = flatExtension('kind', extensions.probes, {
  address: address
    .optional()
    .describe(
      'Address to probe whatever the endpoint. Default: the address of the endpoint or server.',
    ),
  port: port.optional().describe("Port to probe. Default: the pool's, or the server's own."),
  interval: duration('100ms', '1h').prefault('5s').describe('Time from one probe to the next.'),
  timeout: duration('10ms', '10m')
    .optional()
    .describe('How long one probe may take. Default: 2s, or half of a short interval.'),
  retry: duration('5ms', '10m')
    .optional()
    .describe(
      'A probe without an answer after this time is tried once more beside the first; a success of either counts. For short timeouts on lossy ways; not for `icmp` and `script`. Default: never.',
    ),
  recheck: duration('10ms', '1h')
    .optional()
    .describe(
      'Time from one probe to the next while failures count towards down. Default: a quarter of the interval, at least 50ms.',
    ),
  idle: z
    .strictObject({
      after: duration('1s', '24h')
        .prefault('10m')
        .describe('How long a target has been down without a single success.'),
      interval: duration('100ms', '24h')
        .optional()
        .describe(
          'Time from one probe to the next from then on. Default: four times the interval, at most 60s.',
        ),
    })
    .prefault({})
    .describe('What has been down for long is probed less often, until it first succeeds.'),
  rise: z.int().min(1).max(100).default(2).describe('Successes in a row that bring a target up.'),
  fall: z.int().min(1).max(100).default(3).describe('Failures in a row that take a target down.'),
  slowAbove: duration('1ms', '10m')
    .optional()
    .describe(
      'A success that takes longer counts as slow: a slow endpoint is answered only when nothing better is left, a slow server keeps its share `degradedWeight`. Default: nothing is too slow.',
    ),
  jitter: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe('Share of the interval by which probes are spread, 0 to 1.'),
});

const groupMember = z.strictObject({
  monitor: name.describe('A monitor, or another monitor group.'),
  required: z.boolean().default(false).describe('When it is down, so is the group.'),
  inverted: z
    .boolean()
    .default(false)
    .describe('Counts as up while what it monitors is down: a standby that waits for the primary.'),
  weight: z.number().min(0).max(1000).default(1).describe('What it adds while it is not down.'),
});
export const monitorGroup = z.strictObject({
  of: z
    .array(
      z
        .union([name.transform((text) => ({ monitor: text })).pipe(groupMember), groupMember])
        .meta({ what: 'a monitor' }),
    )
    .min(1)
    .max(GROUP_MEMBERS_MAX)
    .describe('The members: names of monitors, or maps.'),
  need: z
    .number()
    .min(0)
    .max(1_000_000)
    .optional()
    .describe('Sum of the weights of members that must not be down. Default: all of them.'),
});
