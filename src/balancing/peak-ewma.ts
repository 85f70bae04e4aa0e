import { z } from 'zod';
import {
  type BalancingAlgorithm,
  type PickState,
  type RequestOutcome,
  SCRATCH,
  type Server,
} from './algorithm.ts';
import { drawByWeight, pickUnweighted, secondDraw, usableWeight } from './weighted-draw.ts';

/**
 * Of two drawn servers the one that would answer sooner: an estimate of its response time that jumps up with
 * every slow answer and comes down slowly (Finagle, tower `peak_ewma`), times the requests it would have.
 * A failure counts as a slow answer, however quick it came: else a server that fails at once looks best and
 * draws everybody (linkerd, `PenaltyPeakEwma`).
 */
export const peakEwma: BalancingAlgorithm<PeakEwmaOptions> = {
  kind: 'peak-ewma',
  summary:
    'Of two servers the one with the lower peak of response time for its requests in flight.',
  options: z.strictObject({
    decay: z
      .number()
      .min(0.1)
      .max(600)
      .default(10)
      .describe('Seconds in which an old response time loses most of its say.'),
    penalty: z
      .number()
      .min(0)
      .max(300)
      .default(5)
      .describe(
        'Seconds that a failure counts for; a longer Retry-After of the server counts instead.',
      ),
  }),
  build(servers, { decay, penalty }) {
    const rules = { decayMs: decay * 1000, penaltyMs: penalty * 1000 };
    return {
      pick: (state, _key, draw, nowMs) => pickOfTwo(servers, state, draw, nowMs, rules),
      observe: (state, server, outcome, nowMs) => learn(state, server, outcome, nowMs, rules),
    };
  },
};

export type PeakEwmaOptions = { readonly decay: number; readonly penalty: number };
type Rules = { readonly decayMs: number; readonly penaltyMs: number };

/** Places in the scratch of a server: the estimate in milliseconds, and of when it is (0 = none yet). */
const ESTIMATE = 0;
const AT = 1;
/** What is expected of a server that has its first request and has not answered yet. */
const UNKNOWN_MS = 1000;
/** Differences below this are the network's. */
const FLOOR_MS = 1;

function pickOfTwo(
  servers: readonly Server[],
  state: PickState,
  draw: number,
  nowMs: number,
  rules: Rules,
): number {
  const total = usableWeight(servers, state, -1);
  if (total === 0) return pickUnweighted(servers, state, draw);
  const first = drawByWeight(servers, state, draw * total, -1);
  const rest = usableWeight(servers, state, first);
  if (rest === 0) return first;
  const second = drawByWeight(servers, state, secondDraw(draw) * rest, first);
  return costOf(state, second, nowMs, rules) < costOf(state, first, nowMs, rules) ? second : first;
}

/**
 * It goes down by itself, so that a server which was slow once is tried again. One of which nothing is known
 * comes first while nobody asks it, and then waits for its answer: it is tried, but not by all at once (Finagle).
 */
function costOf(state: PickState, server: number, nowMs: number, { decayMs }: Rules): number {
  const at = state.scratch[SCRATCH * server + AT]!;
  const active = state.active[server]!;
  if (at === 0 && active === 0) return 0;
  const estimateMs =
    at === 0
      ? UNKNOWN_MS
      : state.scratch[SCRATCH * server + ESTIMATE]! * Math.exp(-(nowMs - at) / decayMs);
  const load = active + 1;
  return (Math.max(FLOOR_MS, estimateMs) * load) / state.weights[server]!;
}

function learn(
  { scratch }: PickState,
  server: number,
  { elapsedMs, ok, retryAfterMs }: RequestOutcome,
  nowMs: number,
  { decayMs, penaltyMs }: Rules,
): void {
  if (ok === undefined) return;
  const seenMs = ok ? elapsedMs : Math.max(elapsedMs, penaltyMs, retryAfterMs);
  const [estimateAt, timeAt] = [SCRATCH * server + ESTIMATE, SCRATCH * server + AT];
  const before = scratch[estimateAt]!;
  if (scratch[timeAt] === 0 || before < seenMs) scratch[estimateAt] = seenMs;
  else {
    const weight = Math.exp(-(nowMs - scratch[timeAt]!) / decayMs);
    scratch[estimateAt] = before * weight + seenMs * (1 - weight);
  }
  scratch[timeAt] = nowMs;
}
