import type { SlotsTable } from '../capacity/slots-table.ts';
import { goesByPlan } from '../config/capacity-config.ts';
import type { Serving } from '../control/serving.ts';
import type { HealthWords } from '../health/health-words.ts';
import type { ServedHealth } from '../nameserver/served-health.ts';
import type { PlanKeeper } from '../planning/plan-keeper.ts';
import { createPlanSlots, regionState } from '../planning/plan-slots.ts';

/**
 * Health on its way to those who answer, with what the capacity plan makes of it. A region that is lost is told at once;
 * where its clients go by the plan follows as soon as it is computed, which takes milliseconds.
 */
export type PlannedHealth = {
  of(words: HealthWords): ServedHealth;
  /** What is said beside words. */
  plan(): Omit<ServedHealth, keyof HealthWords>;
  /** What the plan would be without a region: for who wants to know before it is drained. */
  without(region: string): SlotsTable | undefined;
  close(): void;
};

export type PlannedHealthParts = {
  readonly keeper: Pick<PlanKeeper, 'current' | 'onChange'>;
  serving(): Serving;
  /** Of this moment. */
  words(): HealthWords;
  tell(health: ServedHealth): void;
};

export function createPlannedHealth(parts: PlannedHealthParts): PlannedHealth {
  const { keeper, serving, tell } = parts;
  const slots = createPlanSlots();
  let pending: NodeJS.Immediate | undefined;
  const current = () => (goesByPlan(serving().config) ? keeper.current() : undefined);
  const trims = createTrims(keeper);
  const stateOf = (words: HealthWords) => regionState(serving().snapshot, words);
  const renew = (): void => {
    pending = undefined;
    const plan = current();
    const words = parts.words();
    if (plan !== undefined) slots.make(plan, stateOf(words));
    tell(of(words));
  };
  const later = (): void => {
    pending ??= setImmediate(renew);
  };
  const of = (words: HealthWords): ServedHealth => {
    const plan = current();
    const trimmed = { ...words, ...trims() };
    if (plan === undefined) return trimmed;
    const state = stateOf(words);
    const known = slots.known(plan, state);
    if (known !== undefined) return { ...trimmed, slots: known };
    // The first is waited for: without any table everybody would go to the nearest region.
    const last = slots.last();
    if (last === undefined) return { ...trimmed, slots: slots.make(plan, state) };
    later();
    return { ...trimmed, slots: last };
  };
  const stop = keeper.onChange(later);
  return {
    of,
    plan: () => ({ slots: current() && slots.last(), ...trims() }),
    without(region) {
      const plan = current();
      if (plan === undefined) return undefined;
      const { lost, returning } = stateOf(parts.words());
      const places = plan.classes.map(({ pool }) => `${pool} ${region}`);
      const state = { lost: new Set([...lost, ...places]), returning: new Set(returning) };
      for (const place of places) state.returning.delete(place);
      return createPlanSlots().make(plan, state);
    },
    close() {
      stop();
      clearImmediate(pending);
    },
  };
}

/** Those of the plan in force; the same object as long as they say the same. */
function createTrims({ current }: Pick<PlanKeeper, 'current'>) {
  let text = '[]';
  let trims: ReadonlyMap<string, number> | undefined;
  return (): Pick<ServedHealth, 'trims'> => {
    const now = current()?.trims ?? [];
    const next = JSON.stringify(now);
    if (next !== text) trims = now.length === 0 ? undefined : new Map(now);
    text = next;
    return trims === undefined ? {} : { trims };
  };
}
