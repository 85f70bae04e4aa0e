import type { SlotsTable } from '../capacity/slots-table.ts';
import type { HealthWords } from '../health/health-words.ts';

/** What is served by beside a snapshot: health, and what the capacity plan makes of it. */
export type ServedHealth = HealthWords & {
  /** Undefined = there is no plan, and the order of regions holds. */
  readonly slots?: SlotsTable | undefined;
  /** By name of an endpoint what its weight is multiplied by, where a step asks; 1 where it is missing. */
  readonly trims?: ReadonlyMap<string, number> | undefined;
};
