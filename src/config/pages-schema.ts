import { z } from 'zod';
import { name, saying } from './values.ts';

/** Round trips that pages measure: a script that they load, and what it fetches from the regions. */

const ORIGIN_LENGTH_MAX = 300;
const PATH = /^(\/[\w.~-]+)+$/;
const REGIONS_MAX = 16;

/** An origin as browsers write it (RFC 6454); a slash behind it is no harm. */
const origin = z
  .string()
  .max(ORIGIN_LENGTH_MAX)
  .refine((text) => originOf(text) !== undefined, saying('is not the origin of a website'))
  .meta({ what: 'the origin of a website', hint: 'for instance https://fra.example.com' })
  .transform((text) => originOf(text)!);

function originOf(text: string): string | undefined {
  if (!/^https?:\/\/[^\s/@?#]+\/?$/i.test(text) || !URL.canParse(text)) return undefined;
  return new URL(text).origin;
}

export const pages = z
  .strictObject({
    regions: z
      .record(name, origin)
      .refine((all) => Object.keys(all).length > 0, saying('is empty'))
      .refine((all) => Object.keys(all).length <= REGIONS_MAX, saying('has too many entries'))
      .describe(
        'Where browsers find the balancer of a region, whatever region they are steered to, by region: `https://fra.example.com`.',
      ),
    path: z
      .string()
      .max(200)
      .regex(PATH)
      .meta({
        what: 'a path',
        hint: 'for instance /.well-known/meridian, without a slash at its end',
      })
      .default('/.well-known/meridian')
      .describe(
        'Paths below it belong to the balancer, on all of its HTTP listeners: `beacon.js`, `rtt` and `report`.',
      ),
    percent: z
      .number()
      .min(0)
      .max(100)
      .default(1)
      .describe('Of how many page views in a hundred something is measured.'),
    regionsPerView: z
      .int()
      .min(1)
      .max(REGIONS_MAX)
      .default(3)
      .describe('How many regions a page view measures, drawn from all.'),
  })
  .optional()
  .describe(
    'Lets browsers of some visitors measure the ways to several regions, by a script that your pages load (docs/LATENCY.md). Default: none.',
  );
