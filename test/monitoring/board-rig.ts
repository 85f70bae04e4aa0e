import { wordShare } from '../../src/health/health-word.ts';
import type { Statement } from '../../src/health/statement.ts';
import { createHealthBoard, type HealthBoard } from '../../src/monitoring/health-board.ts';
import {
  type HealthEndpoint,
  type HealthEvent,
  type HealthPool,
  SWEEP_MS,
} from '../../src/monitoring/health-table.ts';
import { createMovedClock, type MovedClock } from './moved-clock.ts';
import { endpointAt, statement, worldWith } from './statements.ts';

export const WINDOW_MS = 300_000;
export const REGIONS = ['a', 'b', 'c', 'd'] as const;
/** Four regions with an endpoint each. */
export const FOUR = REGIONS.map((region, index) => endpointAt(region, `127.0.0.${index + 1}`));
/** Half of the pool may go within the window. */
export const HALF: Partial<HealthPool> = {
  withdrawals: { shareMax: 0.5, countMax: 100, windowMs: WINDOW_MS },
};

export type BoardBench = {
  readonly board: HealthBoard;
  readonly clock: MovedClock;
  readonly events: HealthEvent[];
  /** A vantage point of the world, near nobody, says so of endpoints. */
  say(verdict: Statement['verdict'], ...regions: string[]): void;
  /** After `ms`, with every statement confirmed, as probes do. */
  later(ms: number): void;
  state(region: string): string | undefined;
  share(region: string): number;
};

/** A board fed by hand; `say` takes one verdict on several regions, in order. */
export function boardBench(
  pool: Partial<HealthPool> = {},
  endpoints: readonly HealthEndpoint[] = FOUR,
  saved?: unknown,
): BoardBench {
  const clock = createMovedClock();
  const events: HealthEvent[] = [];
  const board = createHealthBoard({
    clock,
    onChange: (_words, news) => void events.push(...news),
  });
  board.importState(saved);
  board.setEndpoints(worldWith(endpoints, pool));
  const said = new Map<string, Statement['verdict']>();
  const indexOf = (region: string): number => endpoints.findIndex((each) => each.region === region);
  const keyOf = (region: string): string => endpoints[indexOf(region)]!.targets[0]!.address;
  const say: BoardBench['say'] = (verdict, ...regions) => {
    for (const region of regions) {
      said.set(region, verdict);
      board.observe(statement('probe', keyOf(region), verdict, clock.nowMs()));
    }
  };
  return {
    board,
    clock,
    events,
    say,
    later(ms) {
      // As often as a table looks; a longer leap is a process that stood still.
      for (let left = ms; left > 0; left -= SWEEP_MS) {
        clock.leap(Math.min(left, SWEEP_MS));
        board.sweep();
      }
      for (const [region, verdict] of said) say(verdict, region);
      board.sweep();
    },
    state: (region) => board.status(`web/${region}`)?.state,
    share: (region) => wordShare(board.words().words[indexOf(region)]!),
  };
}
