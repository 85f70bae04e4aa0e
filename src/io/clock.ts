import { performance } from 'node:perf_hooks';

/** Milliseconds since the epoch that never go back: limits in time must survive a corrected clock. */
export const steadyNow = (): number => STARTED_AT_MS + performance.now();

const STARTED_AT_MS = performance.timeOrigin;
