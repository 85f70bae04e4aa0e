import type { CapacityPlan } from '../capacity/plan.ts';
import { decodePlan } from '../capacity/plan-file.ts';
import { planObjection } from '../capacity/plan-guard.ts';
import type { Events } from '../control/events.ts';
import type { Store } from '../store/store.ts';
import { createPublished, type Published } from './published.ts';
import { PLAN_KEY } from './store-keys.ts';

/** The capacity plan that this node steers by: the newest that may be used. */
export type PlanKeeper = Published<CapacityPlan>;

export type PlanKeeperParts = {
  readonly store: Pick<Store, 'watch' | 'get'>;
  readonly events: Pick<Events, 'record'>;
  /** Undefined = nothing is kept. */
  readonly directory: string | undefined;
};

export function createPlanKeeper({ directory, events, store }: PlanKeeperParts): PlanKeeper {
  return createPublished<CapacityPlan>({
    ...{ store, key: PLAN_KEY, directory, fileName: 'capacity-plan.bin' },
    read(bytes) {
      const read = decodePlan(bytes);
      return read.ok ? { ok: true, value: read.plan } : read;
    },
    objection: planObjection,
    refused(reason) {
      const text = `A capacity plan is not used: ${reason}. The one before stays in force.`;
      events.record('capacity.refused', 'capacity', text, 'warn');
    },
    unwritable(file, code) {
      const text = `${file} cannot be written (${code}): a restart begins without it.`;
      events.record('capacity.unwritable', 'capacity', text, 'warn');
    },
  });
}
