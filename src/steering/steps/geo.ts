import { z } from 'zod';
import type { MapStep } from '../step.ts';
import { factsOf, placeLists, saysWho, systemsOf } from './client-match.ts';
import { preferRegions } from './preferred-regions.ts';
import { regionOrder } from './region-order.ts';

/** More is no policy but a database: geo.overrides, or a step with networks. */
const RULES_MAX = 1000;

const rule = z
  .strictObject({
    ...placeLists,
    regions: regionOrder.describe(
      'Regions for these clients, in order of preference; a list inside the list is one tier.',
    ),
  })
  .refine(saysWho, { params: { said: 'does not say which clients it is for' } });

const options = z.strictObject({
  rules: z
    .array(rule)
    .min(1)
    .max(RULES_MAX)
    .describe('Who goes where. The narrowest place that has the client decides.'),
  default: regionOrder
    .optional()
    .describe('Regions for everybody else. Default: the order that the endpoints have already.'),
  fence: z
    .boolean()
    .default(false)
    .describe('Regions that a rule does not name never answer its clients, whatever happens.'),
});

/** Operators’ geography: this continent, country, state or autonomous system to those regions. */
export const geo: MapStep<z.infer<typeof options>> = {
  kind: 'geo',
  stage: 'map',
  summary: 'Orders endpoints by rules for continents, countries, states and autonomous systems.',
  options,
  reads: ({ rules }) => factsOf(rules),
  systems: ({ rules }) => systemsOf(rules),
  fences: ({ fence }) => fence,
  compile: (compiled, marks) => preferRegions('geo', compiled, marks),
};
