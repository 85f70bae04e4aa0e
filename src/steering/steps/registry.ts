import type { SteeringStep } from '../step.ts';
import { canary } from './canary.ts';
import { capacity } from './capacity.ts';
import { failover } from './failover.ts';
import { first } from './first.ts';
import { geo } from './geo.ts';
import { healthy } from './healthy.ts';
import { latency } from './latency.ts';
import { match } from './match.ts';
import { nearest } from './nearest.ts';
import { only } from './only.ts';
import { roundRobin } from './round-robin.ts';
import { schedule } from './schedule.ts';
import { split } from './split.ts';
import { sticky } from './sticky.ts';
import { subnet } from './subnet.ts';
import { tryInOrder } from './try.ts';
import { use } from './use.ts';
import { weighted } from './weighted.ts';

/** Every kind of steering step, in the order of the manual. A new kind is a file and a line here. */
export const steeringSteps: readonly SteeringStep[] = [
  healthy,
  failover,
  nearest,
  latency,
  geo,
  subnet,
  only,
  weighted,
  sticky,
  roundRobin,
  first,
  capacity,
  match,
  split,
  canary,
  tryInOrder,
  schedule,
  use,
];

/** The step of a kind, or undefined when there is none. */
export function steeringStep(kind: string): SteeringStep | undefined {
  return steeringSteps.find((step) => step.kind === kind);
}
