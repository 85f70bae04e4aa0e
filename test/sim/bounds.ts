import type { Plan } from './plan.ts';

/** Times by which things must have happened, from a world's own settings. */
export type Bounds = {
  /** A probe that failed may count for so long. */
  readonly evidenceMs: number;
  /** Eyes that are broken may be believed for so long, and mended ones be doubted. */
  readonly distrustMs: number;
  readonly downMs: number;
  readonly upMs: number;
  /** Nodes that hear each other know the same. */
  readonly agreeMs: number;
};

/** News between nodes, sweeps, and what else comes a moment later. */
const MARGIN_MS = 30_000;
/** Probes vary by a tenth of their interval, as is the default. */
const JITTER = 1.1;
const AGREE_MS = 90_000;

export function boundsOf({ monitor }: Plan): Bounds {
  const { fall, idleMs, intervalMs, rise } = monitor;
  const leaseMs = 3 * Math.max(idleMs, intervalMs);
  return {
    evidenceMs: (rise + 1) * idleMs * JITTER + leaseMs + MARGIN_MS,
    distrustMs: (rise + 1) * idleMs * JITTER + MARGIN_MS,
    downMs: (fall + 2) * intervalMs * JITTER + MARGIN_MS,
    upMs: (rise + 2) * idleMs * JITTER + MARGIN_MS,
    agreeMs: AGREE_MS,
  };
}
