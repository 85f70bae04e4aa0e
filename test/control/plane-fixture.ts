import { createReplica } from '../../src/cluster/replica.ts';
import type { Config } from '../../src/config/config.ts';
import type { ControlPlane, Problem, ReloadResult } from '../../src/control/control-plane.ts';
import { createEvents } from '../../src/control/events.ts';
import type { Overrides } from '../../src/control/overrides.ts';
import { createControlPlane } from '../../src/control/plane.ts';
import { createReportedLoads } from '../../src/control/reported-loads.ts';
import { createServing } from '../../src/control/serving.ts';
import { describeNode, type Facts } from '../../src/control/status.ts';

import { activeOverride, applyToWord } from '../../src/health/override.ts';
import { fixtureTraffic } from '../admin/fixture-traffic.ts';
import { compiled, createConfig, geo, healthOf, UP } from '../nameserver/fixture.ts';
import { createFlawedStore, type FlawedStore } from './flawed-store.ts';
import { openOverrides } from './open-overrides.ts';
import { silentLog } from './silent-log.ts';

/** A control plane over a node that exists only as facts: a snapshot, words that overrides change. */
export type PlaneFixture = {
  readonly plane: ControlPlane;
  readonly overrides: Overrides;
  readonly flawed: FlawedStore;
  /** Endpoints that are judged down. */
  readonly down: Set<string>;
  /** Answers so far by endpoint. */
  readonly answers: Map<string, number>;
  /** Serves another configuration, as a reload does. */
  serve(config: Config): void;
  kinds(): readonly string[];
  lastReload: ReloadResult | undefined;
};

const compile = (config: Config, generation: number) => ({
  snapshot: compiled(config, generation),
  geo,
});

export async function createPlaneFixture(config: Config = createConfig()): Promise<PlaneFixture> {
  const flawed = await createFlawedStore();
  const { clock } = flawed;
  const log = silentLog();
  const events = createEvents({ node: 'test', nowMs: clock.nowMs, store: flawed.store, log });
  const kinds: string[] = [];
  events.subscribe(({ kind }) => kinds.push(kind));
  const overrides = await openOverrides(clock, flawed.store, log, () => {});
  const down = new Set<string>();
  const answers = new Map<string, number>();
  let generation = 1;
  let serving = createServing(config, compile(config, generation));
  const facts = (): Facts => ({
    serving,
    words: healthOf(
      Uint32Array.from(serving.snapshot.endpoints, (endpoint) => {
        const judged = down.has(endpoint.name) ? 0x80000000 + 10 : UP;
        const override = activeOverride(overrides.current(), endpoint, clock.nowMs());
        return applyToWord(judged, override, clock.nowMs());
      }),
    ),
    health: () => undefined,
    server: () => undefined,
    answers,
    counts: () => fixtureTraffic(0, 60),
    sessionMemory: () => undefined,
    serverOutliers: [],
    reports: [],
  });
  const fixture: Omit<PlaneFixture, 'plane'> = {
    overrides,
    flawed,
    down,
    answers,
    serve(next) {
      generation += 1;
      serving = createServing(next, compile(next, generation));
    },
    kinds: () => kinds,
    lastReload: undefined,
  };
  const { plane } = createControlPlane({
    clock,
    overrides,
    events,
    facts,
    reportedLoads: createReportedLoads({
      ...{ clock, replica: createReplica('test') },
      settled: async () => ({ shared: true, detail: 'there is nobody else' }),
    }),
    capacity: () => undefined,
    clusterStatus: () => ({
      nodes: [],
      store: { kind: 'memory', state: 'ready' },
      clock: { source: 'own', offsetMs: 0, isSkewed: false },
    }),
    nodeStatus: () =>
      describeNode({
        version: '1.2.3',
        startedAtMs: 0,
        ready: true,
        serving,
        latency: undefined,
        capacity: undefined,
        storeOk: events.storeOk(),
        threads: [],
        lastReload: fixture.lastReload,
        queriesTotal: 0,
      }),
    reload: () => Promise.reject(new Error('nothing to reload here')),
    challenges: {
      list: () => [],
      set: () => Promise.reject(new Error('no challenges here')),
      clear: () => Promise.reject(new Error('no challenges here')),
    },
    recordWriter: {
      list: () => [],
      add: () => Promise.reject(new Error('no records here')),
      remove: () => Promise.reject(new Error('no records here')),
    },
    serverWriter: {
      add: () => Promise.reject(new Error('no servers here')),
      change: () => Promise.reject(new Error('no servers here')),
      remove: () => Promise.reject(new Error('no servers here')),
    },
    configRevisions: {
      publish: () => Promise.reject(new Error('nothing to publish here')),
      list: () => Promise.resolve([]),
      text: () => Promise.reject(new Error('no text here')),
    },
    slotTotal: (slot) => slot,
    socketQueues: () => [
      { address: '::1', port: 53, worker: 'dns-udp-1', bytesMax: 212_992, drops: 3 },
    ],
    hasCollector: () => true,
    drillPhases: {},
  });
  return Object.assign(fixture, { plane });
}

/** The problem that a call ended with; throws when it did not. */
export function problemIn(result: object): Problem {
  if (!('problem' in result)) throw new Error(`no problem: ${JSON.stringify(result)}`);
  return result as Problem;
}
