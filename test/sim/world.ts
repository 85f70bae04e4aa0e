import { createHash } from 'node:crypto';
import { composeGeo } from '../../src/geo/database.ts';
import { compileSnapshot } from '../../src/nameserver/compile.ts';
import type { Snapshot } from '../../src/nameserver/snapshot.ts';
import type { ProbeKind } from '../../src/probe/probe.ts';
import { createVirtualNetwork } from '../cluster/virtual-network.ts';
import { createMovedClock, type MovedClock, promiseSettler } from '../monitoring/moved-clock.ts';
import { createGatedStore } from '../scenario/gated-store.ts';
import { type SavedNode, startWholeNode, type WholeNode } from '../scenario/whole-node.ts';
import { runAgents } from './agents.ts';
import { type Agreement, createAgreement } from './agreement.ts';
import { type Plan, type PlannedNode, type PlannedPool, SLOW_RTT_MS } from './plan.ts';
import { createPromises, type Promises } from './promises.ts';
import { createTruth, type Truth } from './truth.ts';
import { type Violation, wrong } from './violation.ts';
import { createWordLedger, type WordLedger } from './word-ledger.ts';

/** A planned world in motion: its clock, its truth, its nodes, and all that has happened in it. */
export type World = {
  readonly plan: Plan;
  readonly clock: MovedClock;
  readonly truth: Truth;
  readonly words: WordLedger;
  readonly promises: Promises;
  readonly agreement: Agreement;
  readonly network: ReturnType<typeof createVirtualNetwork>;
  readonly store: ReturnType<typeof createGatedStore>;
  readonly places: ReadonlyMap<string, Place>;
  /** Nodes that run, frozen ones left out. */
  living(): readonly (readonly [string, WholeNode])[];
  begin(name: string): Promise<void>;
  /** Its disk is lost, or its state of health is one that was saved earlier. */
  kill(
    name: string,
    how?: { readonly isWiped?: boolean; readonly hasOldState?: boolean },
  ): Promise<void>;
  /** Some clock is wrong, or has been. */
  wasBent(): boolean;
  /** Says what happens, for the trace and the hash of the history. */
  tell(line: string): void;
  /** Nodes, their clocks or the ways between them are not as they should be until this is over. */
  disturb(): () => void;
  /** Since when nodes and ways are as they should be; undefined while they are not. */
  calmSinceMs(): number | undefined;
  historyHash(): string;
  readonly counts: { probes: number; faults: number; answers: number; events: number };
  close(): Promise<void>;
};

export type Place = {
  readonly planned: PlannedNode;
  running: WholeNode | undefined;
  /** Its balancers fall silent. */
  endAgents: () => void;
  saved: SavedNode | undefined;
  isFrozen: boolean;
  lives: number;
  /** How far its machine's wall clock is off. */
  bendMs: number;
  wasBent: boolean;
  /** When it last judged an endpoint down, by endpoint; cleared when up again. */
  readonly downSinceMs: Map<string, number>;
  /** A state of health that was saved some time ago. */
  kept: SavedNode['health'] | undefined;
  /** Of the configuration that it has, and the endpoint that is left out there; '' = none. */
  revision: number;
  without: string;
};

export type WorldOptions = {
  readonly draw: () => number;
  /** Called with every event of health of a node, at its instant. */
  readonly onEvent: (world: World, node: string, kind: string, subject: string) => void;
  readonly onWrong: (violation: Violation) => void;
  readonly onLine?: ((line: string) => void) | undefined;
};

const START_MS = Date.UTC(2026, 5, 1);

export async function openWorld(plan: Plan, options: WorldOptions): Promise<World> {
  const { draw } = options;
  const clock = createMovedClock(START_MS, promiseSettler());
  const { config } = plan;
  const variants = createVariants(config);
  const truth = createTruth(plan, draw);
  const network = createVirtualNetwork(clock, draw);
  network.set(plan.network);
  const store = createGatedStore(clock);
  const history = createHash('sha256');
  const counts = { probes: 0, faults: 0, answers: 0, events: 0 };
  const places = new Map<string, Place>(
    plan.nodes.map((planned) => [
      planned.name,
      {
        planned,
        running: undefined,
        endAgents: () => {},
        saved: undefined,
        isFrozen: false,
        lives: 0,
        bendMs: 0,
        wasBent: false,
        downSinceMs: new Map(),
        kept: undefined,
        revision: 0,
        without: '',
      },
    ]),
  );
  let disturbances = 0;
  let calmSinceMs = START_MS;
  const tell = (line: string): void => {
    const text = `${((clock.nowMs() - START_MS) / 1000).toFixed(3)} ${line}`;
    history.update(`${text}\n`);
    options.onLine?.(text);
  };
  const configOf = ({ planned, without }: Place, name: string): Plan['config'] => {
    const vantages = planned.vantages.map(({ name: vantage, region, source }) => {
      return { name: vantage, region, source: [source] };
    });
    return { ...variants.config(without), node: { ...config.node, name, vantages } };
  };
  const addresses = plan.nodes.map(({ name }) => `${name}:1`);
  const world: World = {
    plan,
    clock,
    truth,
    words: createWordLedger(),
    promises: createPromises(plan),
    agreement: createAgreement(),
    network,
    store,
    places,
    counts,
    tell,
    living: () =>
      [...places].flatMap(([name, { isFrozen, running }]) =>
        running === undefined || isFrozen ? [] : [[name, running] as const],
      ),
    async begin(name) {
      const place = places.get(name)!;
      place.lives += 1;
      place.running = startWholeNode({
        name,
        config: configOf(place, name),
        snapshot: variants.snapshot(place.without),
        clock,
        wallMs: () => clock.nowMs() + place.bendMs,
        draw,
        probes: [probeKind(truth, clock, counts)],
        transport: network.attach(`${name}:1`),
        seeds: addresses.filter((address) => address !== `${name}:1`),
        store: plan.hasStore ? store.store : createGatedStore(clock).store,
        isShared: plan.hasStore,
        isAlone: plan.nodes.length === 1,
        incarnation: place.lives,
        saved: place.saved,
        onChange: () => {},
        onWarning: (text) => options.onWrong(wrong('nothing unexpected', `${name} says ${text}`)),
        onRevision({ revision, text }) {
          // Known from its disk before it runs, or told by another one later.
          tell(`${name} has revision ${revision}: without ${text}`);
          if (revision < place.revision) {
            const what = `${name} goes from revision ${place.revision} to ${revision}`;
            options.onWrong(wrong('revisions never go back', what));
          }
          Object.assign(place, { revision, without: text });
          calmSinceMs = clock.nowMs();
          place.running?.reload(configOf(place, name), variants.snapshot(text));
        },
        onEvents(events) {
          for (const event of events) {
            counts.events += 1;
            tell(`${name} ${event.kind} ${event.subject}: ${event.message}`);
            options.onEvent(world, name, event.kind, event.subject);
          }
        },
      });
      place.endAgents = runAgents(plan, truth, name, place.running);
    },
    async kill(name, { hasOldState = false, isWiped = false } = {}) {
      const place = places.get(name)!;
      const { running } = place;
      if (running === undefined) return;
      const { facts, health } = running.save();
      place.saved = isWiped ? undefined : { facts, health: hasOldState ? place.kept : health };
      if (isWiped) Object.assign(place, { revision: 0, without: '', kept: undefined });
      if (isWiped) for (const { name: eye } of place.planned.vantages) truth.evidence.forget(eye);
      place.running = undefined;
      place.endAgents();
      await running.kill();
    },
    disturb() {
      disturbances += 1;
      return () => {
        disturbances -= 1;
        calmSinceMs = clock.nowMs();
      };
    },
    wasBent: () => [...places.values()].some((place) => place.wasBent),
    calmSinceMs: () => (disturbances > 0 ? undefined : calmSinceMs),
    historyHash: () => history.copy().digest('hex').slice(0, 16),
    async close() {
      for (const name of places.keys()) await world.kill(name, { isWiped: true });
    },
  };
  for (const name of places.keys()) await world.begin(name);
  return world;
}

function probeKind(truth: Truth, clock: MovedClock, counts: World['counts']): ProbeKind {
  return {
    kind: 'tcp',
    summary: 'Sees what is true in the simulated world.',
    // Never asked: the options do not come from a file.
    options: undefined as never,
    async run({ address, port, sourceAddress = '' }, _options, signal) {
      counts.probes += 1;
      const reason = truth.probe(sourceAddress, address, port, clock.nowMs());
      if (reason === 'hung') {
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      }
      const ok = reason === 'ok' || reason === 'slow';
      return { ok, rttMs: reason === 'slow' ? SLOW_RTT_MS : 1, reason };
    },
  };
}

/** The planned configuration without one endpoint or another, made once each. */
function createVariants(config: Plan['config']) {
  const made = new Map<string, { config: Plan['config']; snapshot: Snapshot }>();
  const variant = (without: string) => {
    const known = made.get(without);
    if (known !== undefined) return known;
    const pools = Object.entries(config.pools).map(([pool, { endpoints, ...rest }]) => {
      const staying = endpoints.filter(({ region }) => `${pool}/${region}` !== without);
      return [pool, { ...rest, endpoints: staying }] as const;
    });
    const changed = { ...config, pools: Object.fromEntries(pools) };
    const fresh = { config: changed, snapshot: compile(changed) };
    made.set(without, fresh);
    return fresh;
  };
  return {
    config: (without: string) => variant(without).config,
    snapshot: (without: string) => variant(without).snapshot,
  };
}

/** The pool as a node knows it. */
export function poolAt(
  { without }: Pick<Place, 'without'>,
  { name, regions, ...rest }: PlannedPool,
): PlannedPool {
  return { ...rest, name, regions: regions.filter((region) => `${name}/${region}` !== without) };
}

function compile(config: Plan['config']): Snapshot {
  const compilation = compileSnapshot(config, composeGeo([], config.geo.overrides), 1, 1);
  if (!compilation.ok) throw new Error(compilation.issues.map(({ message }) => message).join('\n'));
  return compilation.snapshot;
}
