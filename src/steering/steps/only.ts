import { z } from 'zod';
import type { Candidate, MapStep } from '../step.ts';

const regions = z.array(z.string().min(1)).min(1);
const options = z
  .strictObject({
    regions: regions.optional().describe('Regions that may answer; all others may not.'),
    except: regions.optional().describe('Regions that may not answer.'),
  })
  .refine((value) => (value.regions === undefined) !== (value.except === undefined), {
    params: { said: 'needs either "regions" or "except"' },
  });

/** A fence: who is in a chain at all, as when a part of the clients gets a part of the endpoints. */
export const only: MapStep<z.infer<typeof options>> = {
  kind: 'only',
  stage: 'map',
  summary: 'Leaves out endpoints of other regions, whatever happens.',
  options,
  reads: () => [],
  fences: () => true,
  compile: ({ except, regions: named }) => {
    const listed = new Set(named ?? except);
    const isIn = ({ label, region }: Candidate): boolean =>
      (listed.has(label) || listed.has(region)) === (named !== undefined);
    return (tiers, _client, trace) => {
      const kept = tiers.map((tier) => tier.filter(isIn));
      if (trace !== undefined) {
        const out = tiers.flat().filter((candidate) => !isIn(candidate));
        const reason = named === undefined ? 'left out by name' : 'not among the regions named';
        trace({
          step: 'only',
          kept: kept.flat().map(({ name }) => name),
          dropped: out.map(({ name }) => ({ name, reason })),
          note: named === undefined ? `without ${except?.join(', ')}` : `only ${named.join(', ')}`,
        });
      }
      return kept;
    };
  },
};
