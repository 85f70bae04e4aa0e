import { z } from 'zod';
import { STALE_HOLD_MS } from '../health/quorum.ts';
import type { VerdictState } from '../health/verdict.ts';

/**
 * Verdicts over a restart: a node that starts knowing nothing would count every dead target as up
 * until it has failed `fall` times again.
 */
export type SavedVerdicts = ReadonlyMap<string, VerdictState>;

/** Plain JSON: states by job. Of the observations the last one is kept: its time is the lease. */
export function exportVerdicts(
  jobs: readonly { readonly id: string; readonly state: VerdictState }[],
): unknown {
  const known = jobs.filter(({ state }) => state.recent.length > 0);
  return Object.fromEntries(
    known.map(({ id, state }) => [id, { ...state, recent: state.recent.slice(-1) }]),
  );
}

/** What `exportVerdicts` gave, without states too old to mean anything. Other values give nothing. */
export function importVerdicts(saved: unknown, nowMs: number): SavedVerdicts {
  const parsed = fileSchema.safeParse(saved);
  if (!parsed.success) return new Map();
  return new Map(
    Object.entries(parsed.data).filter(([, state]) => {
      const atMs = state.recent.at(-1)?.atMs;
      return atMs !== undefined && nowMs - atMs <= STALE_HOLD_MS;
    }),
  );
}

const observation = z.object({
  atMs: z.number(),
  ok: z.boolean(),
  rttMs: z.number(),
  reason: z.string(),
});
const fileSchema = z.record(
  z.string(),
  z.object({
    verdict: z.enum(['unknown', 'up', 'down']),
    successes: z.int().min(0),
    failures: z.int().min(0),
    slow: z.boolean().default(false),
    slowCount: z.int().min(0).default(0),
    sinceMs: z.number(),
    recent: z.array(observation).max(1),
  }),
);
