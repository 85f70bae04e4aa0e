import { createExchange, type Exchange, type ExchangeDeps } from '../../src/cluster/exchange.ts';
import { deriveSessionKey } from '../../src/cluster/session.ts';
import { createStoreVoice } from '../../src/cluster/store-voice.ts';
import type { Transport } from '../../src/cluster/transport.ts';
import type { Config } from '../../src/config/config.ts';
import type { Override } from '../../src/health/override.ts';
import {
  createHealthDesk,
  type HealthDesk,
  type SavedHealth,
} from '../../src/monitoring/health-desk.ts';
import type { HealthEvent } from '../../src/monitoring/health-table.ts';
import type { MonitoringClock } from '../../src/monitoring/monitoring.ts';
import type { Snapshot } from '../../src/nameserver/snapshot.ts';
import { rowLength } from '../../src/nameserver/tallies.ts';
import {
  createWorkerState,
  setHealth,
  setSnapshot,
  type WorkerState,
} from '../../src/nameserver/worker-state.ts';
import type { ProbeKind } from '../../src/probe/probe.ts';
import type { Store } from '../../src/store/store.ts';
import { createCounterRow } from '../../src/telemetry/counters.ts';
import type { Log } from '../../src/telemetry/log.ts';

/**
 * One node without sockets: the real desk of health, the real exchange with other nodes, the real
 * nameserver. What it is given (clock, network, store, eyes) belongs to the world.
 */
export type ScenarioNode = {
  readonly name: string;
  readonly worker: WorkerState;
  readonly desk: HealthDesk;
  readonly exchange: Exchange;
  readonly clock: MonitoringClock;
  /** What it would find on its disk after this instant. */
  save(): SavedHealth;
  stop(): Promise<void>;
};

export type ScenarioNodeDeps = {
  readonly name: string;
  readonly config: Config;
  readonly snapshot: Snapshot;
  readonly clock: MonitoringClock;
  readonly draw: () => number;
  readonly probes: readonly ProbeKind[];
  readonly transport: Transport;
  readonly seeds: readonly string[];
  readonly store: Store | undefined;
  /** Larger than that of any earlier life. */
  readonly incarnation: number;
  readonly saved: SavedHealth | undefined;
  readonly overrides: readonly Override[];
  readonly onChange: () => void;
  readonly onEvents: (events: readonly HealthEvent[]) => void;
  /** Default: a warning is a failure. */
  readonly log?: Pick<Log, 'info' | 'warn'>;
  /** More that the nodes tell each other. */
  readonly more?: Partial<Pick<ExchangeDeps, 'describe' | 'onNode' | 'facts' | 'log' | 'direct'>>;
};

const KEY = deriveSessionKey('the key of all nodes of a scenario');

export function startScenarioNode(deps: ScenarioNodeDeps): ScenarioNode {
  const { clock, config, draw, name, snapshot, transport } = deps;
  const length = rowLength(snapshot);
  const worker = createWorkerState(createCounterRow(length));
  const log = deps.log ?? {
    info: () => {},
    warn: (event: string, message: string) => {
      throw new Error(`${event}: ${message}`);
    },
  };
  const desk = createHealthDesk({
    clock,
    draw,
    probes: deps.probes,
    onWords(words) {
      if (!setHealth(worker, words, snapshot.generation)) throw new Error('health was not taken');
      deps.onChange();
    },
    onServers: () => {},
    onEvents: deps.onEvents,
    onStatement: (statement) => exchange.put(statement),
    onWithdrawn: (vantage, key) => exchange.withdraw(vantage, key),
    onVantage: (word) => exchange?.setVantage(word),
    onTargets: () => exchange.retell(),
  });
  const exchange = createExchange({
    clock,
    name,
    incarnation: deps.incarnation,
    direct: {
      transport,
      keys: [KEY],
      randomBytes: (size) => Buffer.from(Array.from({ length: size }, () => draw() * 256)),
    },
    log,
    ears: desk.ears,
    heldJudgements: desk.heldJudgements,
    describe: () => '{}',
    onNode: () => {},
    ...deps.more,
  });
  const { hear, life, statements } = exchange;
  const voice =
    deps.store &&
    createStoreVoice({ store: deps.store, clock, node: name, hear, life, statements });
  if (voice) exchange.onNews(voice.tell);
  exchange.setSeeds(deps.seeds);
  exchange.setVantages(config.node.vantages.map((vantage) => vantage.name));
  if (deps.saved) desk.importState(deps.saved);
  desk.start(config, deps.overrides);
  setSnapshot(worker, snapshot, desk.words());
  desk.probe();
  return {
    name,
    worker,
    desk,
    exchange,
    clock,
    save: () => JSON.parse(JSON.stringify(desk.exportState())),
    async stop() {
      exchange.close();
      voice?.close();
      void transport.close();
      await desk.close();
    },
  };
}
