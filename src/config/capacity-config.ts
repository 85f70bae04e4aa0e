import type { PlanRules } from '../capacity/next-plan.ts';
import type { Config } from './config.ts';
import type { ConfigFile } from './schema.ts';

/** How clients are kept within what regions can carry. */
export type CapacityConfig = {
  readonly windowMs: number;
  /** Of a region's capacity, 0..1. */
  readonly targetShare: number;
  readonly rules: PlanRules;
  readonly halfLifeSeconds: number;
};

export function resolveCapacity({ capacity }: Pick<ConfigFile, 'capacity'>): CapacityConfig {
  return {
    windowMs: capacity.window,
    targetShare: capacity.targetPercent / 100,
    rules: {
      stepShare: capacity.stepPercent / 100,
      returnShare: capacity.returnPercent / 100,
      stayMs: capacity.stay,
      bandShare: capacity.bandPercent / 100,
    },
    halfLifeSeconds: capacity.halfLife / 1000,
  };
}

/** Whether some policy has the step `capacity`: else nobody has a use for a plan. */
export function goesByPlan({ policies }: Pick<Config, 'policies'>): boolean {
  return Object.values(policies).some(({ chain }) => chain.some(({ kind }) => kind === 'capacity'));
}
