import { z } from 'zod';
import {
  type BalancingAlgorithm,
  type PickState,
  type RequestOutcome,
  SCRATCH,
} from './algorithm.ts';
import { pickSmooth } from './smooth.ts';

/**
 * The server whose answers begin soonest on average, for its requests in flight (nginx `least_time header`,
 * `ngx_http_upstream_least_time_module.c`). Guards against what averages hide: requests that hang count
 * while they do, a server that nobody asks is given a chance again and again, near equals take turns, and
 * above some seconds all are equally slow.
 */
export const leastTime: BalancingAlgorithm<LeastTimeOptions> = {
  kind: 'least-time',
  summary: 'The server with the shortest average response time for its requests in flight.',
  options: z.strictObject({}),
  build(servers) {
    const tied = new Uint8Array(servers.length);
    return {
      pick(state, _key, _draw, nowMs) {
        let least = Number.POSITIVE_INFINITY;
        for (const { index } of servers) {
          if (isCandidate(state, index)) least = Math.min(least, costOf(state, index, nowMs));
        }
        if (least === Number.POSITIVE_INFINITY) return pickSmooth(servers, state, state.usable);
        for (const { index } of servers) {
          tied[index] = isCandidate(state, index) && costOf(state, index, nowMs) <= least ? 1 : 0;
        }
        return pickSmooth(servers, state, tied);
      },
      observe: learn,
    };
  },
};

export type LeastTimeOptions = Record<string, never>;

/** Places in the scratch of a server beside that of `pickSmooth`. */
const AVERAGE = 1;
/** When the average was last changed; 0 = there is none yet. */
const AT = 2;
const OLD_SHARE = 0.95;
const CLUSTER_MS = 20;
const SLOWEST_MS = 5000;
/** The average of a server that nobody asks halves in this time. */
const HALVES_MS = 10_000;

const isCandidate = ({ usable, weights }: PickState, index: number): boolean =>
  usable[index] === 1 && weights[index]! > 0;

function costOf(state: PickState, server: number, nowMs: number): number {
  // Idle ones differ by their time alone, and take turns by weight.
  const load = 1 + state.active[server]! / state.weights[server]!;
  return load * expectedMs(state, server, nowMs);
}

function expectedMs(state: PickState, server: number, nowMs: number): number {
  const { awaited, awaitedSinceMs, scratch } = state;
  const learnt = averageOf(scratch, SCRATCH * server, nowMs) ?? 0;
  const count = awaited[server]!;
  const waitedMs = count === 0 ? 0 : nowMs - awaitedSinceMs[server]! / count;
  const ms = Math.min(SLOWEST_MS, Math.max(learnt, waitedMs));
  return Math.max(CLUSTER_MS, Math.ceil(ms / CLUSTER_MS) * CLUSTER_MS);
}

/** What is left of the average by now; undefined when there is none yet. */
function averageOf(
  scratch: PickState['scratch'],
  first: number,
  nowMs: number,
): number | undefined {
  const at = scratch[first + AT]!;
  if (at === 0) return undefined;
  const rests = Math.floor((nowMs - at) / HALVES_MS);
  return scratch[first + AVERAGE]! / 2 ** Math.min(rests, 30);
}

function learn(
  { scratch }: PickState,
  server: number,
  { elapsedMs, ok }: RequestOutcome,
  nowMs: number,
): void {
  if (ok === undefined) return;
  const first = SCRATCH * server;
  // A quick failure says nothing about how long an answer takes.
  const ms = ok ? elapsedMs : Math.max(elapsedMs, SLOWEST_MS);
  const before = averageOf(scratch, first, nowMs) ?? ms;
  scratch[first + AVERAGE] = before * OLD_SHARE + ms * (1 - OLD_SHARE);
  scratch[first + AT] = nowMs;
}
