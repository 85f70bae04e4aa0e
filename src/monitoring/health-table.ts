import type { Check } from '../health/composite.ts';
import type { EndpointHealth } from '../health/endpoint-health.ts';
import type { HealthWords } from '../health/health-words.ts';
import { nextExpiry, type Override } from '../health/override.ts';
import type { RampRules } from '../health/ramp.ts';
import type { Sight } from '../health/self-trust.ts';
import type { AgentReport, Statement, VantageWord } from '../health/statement.ts';
import type { WithdrawalRules } from '../health/withdrawal.ts';
import { createHealthBoard } from './health-board.ts';
import type { LocalFault } from './local-faults.ts';
import type { MonitoringClock } from './monitoring.ts';
import type { VantageHealth } from './vantage-health.ts';

/**
 * The health of every endpoint: what vantage points and balancers everywhere say and what people
 * said in, one word per endpoint out. Time is an input like the others: leases, overrides and slow
 * returns run on without any event, so a sweep looks for them and a timer for the next override
 * that lapses. What follows from what is in health-board.ts and in the pure functions of health/.
 */
export function createHealthTable(deps: HealthTableDeps): HealthTable {
  const board = createHealthBoard(deps);
  let cancelSweep = (): void => {};
  let cancelExpiry = (): void => {};
  const sweepLater = (): void => {
    cancelSweep = deps.clock.setTimer(SWEEP_MS, () => {
      board.sweep();
      sweepLater();
    });
  };
  const expireLater = (): void => {
    cancelExpiry();
    const nowMs = deps.clock.nowMs();
    const atMs = nextExpiry(board.overrides(), nowMs);
    if (atMs === undefined) return;
    cancelExpiry = deps.clock.setTimer(atMs - nowMs, () => {
      board.refresh();
      expireLater();
    });
  };
  sweepLater();
  return {
    words: board.words,
    setEndpoints: board.setEndpoints,
    observe: board.observe,
    withdraw: board.withdraw,
    hear: board.hear,
    report: board.report,
    setOverrides(overrides) {
      board.setOverrides(overrides);
      expireLater();
    },
    status: board.status,
    reports: board.reports,
    regionSights: board.regionSights,
    heldJudgements: board.heldJudgements,
    hearJudgement: board.hearJudgement,
    exportState: board.exportState,
    importState: board.importState,
    wake: board.wake,
    close() {
      cancelSweep();
      cancelExpiry();
      board.close();
    },
  };
}

/** An endpoint as the table sees it; its place in the list is its index in words. */
export type HealthEndpoint = {
  /** `pool/region`. */
  readonly name: string;
  readonly pool: string;
  readonly region: string;
  /** What each address is judged by. Empty = not monitored: up. */
  readonly targets: readonly { readonly address: string; readonly check: Check }[];
  /** Those of balancers that speak for it: its addresses with the pool's port. */
  readonly sockets: readonly string[];
  /** Fewest vantage groups that must agree. */
  readonly quorumMin: number;
  /** Share of the groups that must say "down"; absent = more than half. */
  readonly downShare?: number;
  /** What it carries, in the same unit as the others of its pool. */
  readonly capacity: number;
};

export type HealthPool = { readonly ramp: RampRules; readonly withdrawals: WithdrawalRules };

/** All that is judged: one generation. */
export type HealthWorld = {
  readonly endpoints: readonly HealthEndpoint[];
  readonly pools: ReadonlyMap<string, HealthPool>;
  /** Client regions, in the order of the snapshot's. */
  readonly regions: readonly string[];
};

export type HealthEvent = {
  /**
   * `endpoint.up`, `endpoint.down`, `endpoint.degraded`, `endpoint.unknown`: the judged state;
   * `endpoint.unreachable`, `endpoint.reachable`: seen so from one region only; `pool.frozen`,
   * `pool.thawed`: the withdrawal limit.
   */
  readonly kind: string;
  readonly subject: string;
  readonly message: string;
};

export type EndpointHealthStatus = Omit<EndpointHealth, 'word'> & {
  readonly vantages: readonly VantageHealth[];
  /** Clients near these regions are steered by another state than the world's. */
  readonly near: readonly {
    readonly region: string;
    readonly state: EndpointHealth['state'];
    readonly reason: string;
  }[];
};

/** A judgement that its votes did not decide, told to nodes that know less of the past. */
export type HeldJudgement = {
  readonly id: string;
  readonly health: 'up' | 'down';
  readonly decidedAtMs: number;
};

export type HealthTableDeps = {
  readonly clock: MonitoringClock;
  /** What keeps vantage points of this node from looking at a target. */
  readonly faultsOf?: (key: string) => ReadonlyMap<string, LocalFault>;
  /** A fresh copy of all words, and what people should hear; `events` is often empty. */
  readonly onChange: (words: HealthWords, events: readonly HealthEvent[]) => void;
};

export type HealthTable = {
  words(): HealthWords;
  /** A new generation: returns its words. Known states of endpoints that stay are kept. */
  setEndpoints(world: HealthWorld): HealthWords;
  /** A statement of any vantage point, of this node or another; unknown keys are ignored. */
  observe(statement: Statement): void;
  /** The vantage point no longer speaks of the target. */
  withdraw(vantage: string, key: string): void;
  /** A vantage point's sign of life, and whether it trusts itself. */
  hear(word: VantageWord): void;
  /** What a region's balancer says of one of its listeners. */
  report(report: AgentReport): void;
  reports(): readonly AgentReport[];
  /** All overrides in force, those that lapsed may still be among them. */
  setOverrides(overrides: readonly Override[]): void;
  status(name: string): EndpointHealthStatus | undefined;
  /** What a vantage point sees of the other regions, for its own judgement of itself. */
  regionSights(vantage: string): readonly Sight[];
  /** What this node holds against undecided votes. */
  heldJudgements(): readonly HeldJudgement[];
  /** Another node's: taken when it was decided later than ours, which is held too. */
  hearJudgement(judgement: HeldJudgement): void;
  /** Judged states as JSON, to be kept over a restart. */
  exportState(): unknown;
  /** Takes what `exportState` gave, before the first `setEndpoints`; anything else is ignored. */
  importState(state: unknown): void;
  /** Vantage points begin to speak: what was judged before a restart stands a while longer. */
  wake(): void;
  close(): void;
};

/** How often silence is looked for. */
export const SWEEP_MS = 500;
