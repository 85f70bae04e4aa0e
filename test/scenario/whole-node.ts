import type { Fact } from '../../src/cluster/fact.ts';
import { type Facts, openFacts } from '../../src/cluster/facts.ts';
import type { Revision } from '../../src/cluster/revisions.ts';
import type { Transport } from '../../src/cluster/transport.ts';
import type { Config } from '../../src/config/config.ts';
import { createOverrides, type Overrides } from '../../src/control/overrides.ts';
import type { SavedHealth } from '../../src/monitoring/health-desk.ts';
import type { MonitoringClock } from '../../src/monitoring/monitoring.ts';
import type { Snapshot } from '../../src/nameserver/snapshot.ts';
import { setSnapshot } from '../../src/nameserver/worker-state.ts';
import type { ProbeKind } from '../../src/probe/probe.ts';
import type { Store } from '../../src/store/store.ts';
import { type ScenarioNode, startScenarioNode } from './scenario-node.ts';

/**
 * One whole node of a scenario or of a simulated world: health, exchange and nameserver, and the durable
 * facts with the overrides made of them. Its machine can be frozen, as by SIGSTOP: then nothing of it
 * runs, and all of what was due runs at once afterwards.
 */
export type WholeNode = {
  readonly scenario: ScenarioNode;
  readonly facts: Facts;
  readonly overrides: Overrides;
  /** What would be on its disk now. */
  save(): SavedNode;
  freeze(isFrozen: boolean): void;
  /** Goes on with another configuration. */
  reload(config: Config, snapshot: Snapshot): void;
  /** The process is gone from one moment to the other. */
  kill(): Promise<void>;
};
export type SavedNode = {
  readonly health: SavedHealth | undefined;
  readonly facts: readonly Fact[];
};

export type WholeNodeDeps = {
  readonly name: string;
  readonly config: Config;
  readonly snapshot: Snapshot;
  readonly clock: MonitoringClock;
  /** Its machine's own wall clock. */
  readonly wallMs: () => number;
  readonly draw: () => number;
  readonly probes: readonly ProbeKind[];
  readonly transport: Transport;
  readonly seeds: readonly string[];
  /** There is nobody to hear, now or later. */
  readonly isAlone: boolean;
  /** For what is durable; its own when it shares none. */
  readonly store: Store;
  /** Whether others are heard through the store, too. */
  readonly isShared: boolean;
  readonly incarnation: number;
  readonly saved: SavedNode | undefined;
  readonly onChange: () => void;
  /** A warning that no fault of a world explains. */
  readonly onWarning: (text: string) => void;
  /** The shared configuration, as this node comes to know it. */
  readonly onRevision: (revision: Revision) => void;
  readonly onEvents: Parameters<typeof startScenarioNode>[0]['onEvents'];
};

/** Datagrams that wait for a frozen machine; the kernel drops the rest. */
const BUFFER_MAX = 1000;
/** What is said of faults that a world may have; any other warning is a bug. */
const EXPECTED =
  /^(probe\.local-fault|clock\.skewed|facts\.unshared|peers\.(silent|conflict)|secret\.locked)$/;
const KEY = 'the cluster key of small worlds, long enough';

export function startWholeNode(deps: WholeNodeDeps): WholeNode {
  const { draw, name } = deps;
  const machine = createMachine(deps.clock, deps.transport);
  const { clock } = machine;
  const log = {
    info: () => {},
    warn(event: string, message: string) {
      if (!EXPECTED.test(event)) deps.onWarning(`${event}: ${message}`);
    },
  };
  let scenario: ScenarioNode | undefined;
  const facts = openFacts({
    node: name,
    store: deps.store,
    keyTexts: [KEY],
    clock,
    wallMs: deps.wallMs,
    draw,
    drawBytes: (count) => Uint8Array.from({ length: count }, () => draw() * 256),
    hasPeers: () => scenario?.exchange.peers().some(({ state }) => state === 'connected') ?? false,
    log,
  });
  if (deps.saved) facts.replica.merge(deps.saved.facts, facts.clock.nowMs(), 'disk');
  const tellDesk = (): void => {
    const aheadMs = facts.clock.nowMs() - clock.nowMs();
    const current = overrides.current().map((override) => {
      const { expiresAtMs } = override;
      return expiresAtMs === undefined
        ? override
        : { ...override, expiresAtMs: expiresAtMs - aheadMs };
    });
    scenario?.desk.setOverrides(current);
  };
  const overrides = createOverrides({ ...facts, onChange: tellDesk });
  const stopSteps = facts.clock.onStep(tellDesk);
  const { gossip, replica } = facts;
  scenario = startScenarioNode({
    ...deps,
    saved: deps.saved?.health,
    store: deps.isShared ? deps.store : undefined,
    clock,
    transport: machine.transport,
    // Told when there is somebody to tell.
    overrides: [],
    log,
    more: {
      // Who is alone does not listen.
      ...(deps.isAlone ? { direct: undefined } : {}),
      facts: gossip,
      describe: () => JSON.stringify({ wallMs: deps.wallMs() }),
      onNode: (other, text) =>
        facts.clock.heardPeer(other, Number(JSON.parse(text).wallMs) - deps.wallMs()),
    },
  });
  const { exchange } = scenario;
  tellDesk();
  const stopTelling = replica.onChange(({ fact, origin }) => {
    if (origin !== 'peer') exchange.tellFacts(gossip.records(fact));
  });
  const stopFollowing = facts.revisions.follow(deps.onRevision);
  return {
    scenario,
    facts,
    overrides,
    save: () => ({ health: scenario.save(), facts: facts.replica.all() }),
    freeze: machine.freeze,
    reload(config, snapshot) {
      setSnapshot(scenario.worker, snapshot, scenario.desk.setConfig(config));
    },
    async kill() {
      machine.kill();
      stopTelling();
      stopFollowing();
      stopSteps();
      overrides.close();
      await facts.close();
      await scenario.stop();
    },
  };
}

/** The machine under a node: its timers and its sockets, which run, wait, or are no more. */
function createMachine(base: MonitoringClock, wire: Transport) {
  let state: 'runs' | 'frozen' | 'dead' = 'runs';
  let waiting: (() => void)[] = [];
  const act = (run: () => void, most: number): void => {
    if (state === 'runs') run();
    else if (state === 'frozen' && waiting.length < most) waiting.push(run);
  };
  const clock: MonitoringClock = {
    nowMs: base.nowMs,
    setTimer(ms, run) {
      let isCancelled = false;
      const once = (): void => {
        if (!isCancelled) run();
      };
      const cancel = base.setTimer(ms, () => act(once, Number.POSITIVE_INFINITY));
      return () => {
        isCancelled = true;
        cancel();
      };
    },
  };
  const transport: Transport = {
    ...wire,
    onDatagram: (listener) =>
      wire.onDatagram((bytes, from) => act(() => listener(bytes, from), BUFFER_MAX)),
  };
  return {
    clock,
    transport,
    freeze(isFrozen: boolean): void {
      if (state === 'dead') return;
      state = isFrozen ? 'frozen' : 'runs';
      const due = waiting;
      waiting = [];
      for (const run of due) act(run, Number.POSITIVE_INFINITY);
    },
    kill(): void {
      state = 'dead';
      waiting = [];
    },
  };
}
