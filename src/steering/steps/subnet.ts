import { z } from 'zod';
import type { MapStep } from '../step.ts';
import { networkList } from './client-match.ts';
import { preferRegions } from './preferred-regions.ts';
import { regionOrder } from './region-order.ts';

const RULES_MAX = 1000;

const options = z.strictObject({
  rules: z
    .array(
      z.strictObject({
        networks: networkList,
        regions: regionOrder.describe(
          'Regions for clients in these networks, in order of preference.',
        ),
      }),
    )
    .min(1)
    .max(RULES_MAX)
    .describe('Who goes where. The longest network around the client decides.'),
  default: regionOrder
    .optional()
    .describe('Regions for everybody else. Default: the order that the endpoints have already.'),
  fence: z
    .boolean()
    .default(false)
    .describe('Regions that a rule does not name never answer its clients, whatever happens.'),
});

/** Clients by their networks: offices, partners, a resolver that is elsewhere than its users. */
export const subnet: MapStep<z.infer<typeof options>> = {
  kind: 'subnet',
  stage: 'map',
  summary: 'Orders endpoints by rules for networks of clients.',
  options,
  reads: () => ['networks'],
  fences: ({ fence }) => fence,
  compile: (compiled, marks) => preferRegions('subnet', compiled, marks),
};
