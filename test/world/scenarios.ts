/** What rules are tried with. */
import type { Scenario } from './simulate.ts';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
/** A day that is over: nothing of it hangs on today. */
const START_MS = Date.UTC(2026, 10, 23);
/** Until all that learns has learnt. */
const WARM_UP_MS = 6 * HOUR_MS;
/** Of the regions of the world (world.ts): the largest. */
const SINGAPORE = 3;
const FRANKFURT = 2;

export const SCENARIOS: readonly Scenario[] = [
  {
    ...{ name: 'steady', startMs: START_MS, warmUpMs: WARM_UP_MS, lengthMs: 6 * HOUR_MS },
    isConstant: true,
  },
  {
    ...{ name: 'day', startMs: START_MS, warmUpMs: WARM_UP_MS, lengthMs: 24 * HOUR_MS },
    isConstant: false,
  },
  {
    ...{ name: 'loss', startMs: START_MS, warmUpMs: WARM_UP_MS, lengthMs: 2 * HOUR_MS },
    isConstant: true,
    loss: { region: SINGAPORE, fromMs: 10 * MINUTE_MS, toMs: 50 * MINUTE_MS },
  },
  {
    ...{ name: 'worse way', startMs: START_MS, warmUpMs: WARM_UP_MS, lengthMs: 4 * HOUR_MS },
    isConstant: true,
    worse: { provider: 1, region: FRANKFURT, fromMs: 30 * MINUTE_MS, byMs: 80 },
  },
];
