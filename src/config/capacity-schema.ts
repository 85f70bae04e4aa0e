import { z } from 'zod';
import { duration } from './values.ts';

/** How clients are kept within what regions can carry; policies with the step `capacity` go by it. */

const percent = z.number().min(0).max(100);
const STAY_MS_MAX = 1000;
/** So that a region within its band never has more than it can carry by much. */
const BAND_MAX = 20;

export const capacity = z.strictObject({
  window: duration('1s', '1h')
    .prefault('60s')
    .describe(
      'How often nameservers tell who asked, and the plan is made anew. Twice the longest TTL, or clients are moved faster than caches can follow.',
    ),
  targetPercent: percent
    .min(1)
    .default(80)
    .describe('A region is filled up to this part of its capacity while there is room elsewhere.'),
  stepPercent: percent
    .min(0.1)
    .default(10)
    .describe('No more of the demand is moved within a window away from regions that are full…'),
  returnPercent: percent
    .min(0.1)
    .default(2.5)
    .describe('…and no more of it to where it is better off.'),
  stay: duration('0ms', `${STAY_MS_MAX}ms`)
    .prefault('3ms')
    .describe('Who would gain less than this by another region stays.'),
  bandPercent: percent
    .max(BAND_MAX)
    .default(3)
    .describe(
      'Nobody has to leave a region that is beyond its target by no more than this: demand is never quite the same.',
    ),
  halfLife: duration('10s', '24h')
    .prefault('3m')
    .describe(
      'How long it takes until half of what is known of the demand is of what has come since.',
    ),
});
