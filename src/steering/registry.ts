import { failover } from './failover.ts';
import { first } from './first.ts';
import { healthy } from './healthy.ts';
import { nearest } from './nearest.ts';
import type { SteeringStep } from './step.ts';
import { weighted } from './weighted.ts';

/** Every kind of steering step, in the order of the manual. A new kind is a file and a line here. */
export const steeringSteps: readonly SteeringStep[] = [healthy, failover, nearest, weighted, first];

/** The step of a kind, or undefined when there is none. */
export function steeringStep(kind: string): SteeringStep | undefined {
  return steeringSteps.find((step) => step.kind === kind);
}
