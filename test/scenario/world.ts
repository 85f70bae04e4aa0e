import type { Config } from '../../src/config/config.ts';
import { validateConfig } from '../../src/config/validate.ts';
import { createConfigRevisions } from '../../src/control/config-revisions.ts';
import { composeGeo } from '../../src/geo/database.ts';
import type { Override } from '../../src/health/override.ts';
import type { HealthEvent } from '../../src/monitoring/health-table.ts';
import type { MonitoringClock } from '../../src/monitoring/monitoring.ts';
import { compileSnapshot } from '../../src/nameserver/compile.ts';
import type { Snapshot } from '../../src/nameserver/snapshot.ts';
import { readPlaces } from '../../src/workers/geo-files.ts';
import { createVirtualNetwork, seededDraw } from '../cluster/virtual-network.ts';
import { type Answer, ask } from './datagram.ts';
import { createGatedStore } from './gated-store.ts';
import { createMovedClock } from './moved-clock.ts';
import type { Action, ScenarioQuestion } from './script.ts';
import { createSights, tagMonitors } from './sights.ts';
import { type SavedNode, startWholeNode, type WholeNode } from './whole-node.ts';

/**
 * Nodes without sockets: real configuration, monitoring, health, exchange, durable facts with overrides,
 * and nameserver, on a clock that the scenario moves. Made up are only what probes see, and the ways of datagrams and the store.
 */
export type World = {
  pass(ms: number): Promise<void>;
  /** What each living node answers, or the named one. */
  ask(question: ScenarioQuestion, node?: string): readonly Answer[];
  probe(sight: Extract<Action, { kind: 'probe' }>): void;
  vantage(name: string, silent: boolean): void;
  override(action: Extract<Action, { kind: 'override' }>): void;
  clear(action: Extract<Action, { kind: 'clear' }>): void;
  /** Passes PUBLISH_MS. 'taken', or 'refused'. */
  publish(action: Extract<Action, { kind: 'publish' }>): Promise<string>;
  /** Another node, with these of the configuration's vantage points. */
  node(name: string, vantages: readonly string[]): void;
  life(action: Extract<Action, { kind: 'life' }>): Promise<void>;
  partition(action: Extract<Action, { kind: 'partition' }>): void;
  heal(): void;
  store(state: 'away' | 'back' | 'emptied'): Promise<void>;
  skew(node: string, byMs: number): void;
  agent(action: Extract<Action, { kind: 'agent' }>): void;
  /** State and reason of an endpoint on each living node, or the named one; seen from a region if given. */
  health(endpoint: string, node?: string, near?: string): readonly string[];
  /** Kinds and subjects of events since the last `forgetEvents`. */
  events(): readonly string[];
  forgetEvents(): void;
  close(): Promise<void>;
};

/** The instant at which every scenario begins. */
const START_MS = Date.UTC(2026, 5, 1, 12);
/** The node of scenarios that name none. */
const ONLY = 'only';
const REPORT_LEASE_MS = 3000;

const PUBLISH_MS = 2000;

type Place = {
  /** What it serves, as text and made of it. */
  text: string;
  config: Config;
  snapshot: Snapshot;
  running: WholeNode | undefined;
  saved: SavedNode | undefined;
  lives: number;
  skewMs: number;
};

/** Builds the world; `watch` is called after every instant and every change of health. */
export function createWorld(configText: string, watch: (world: World) => void): World {
  const config = readConfig(configText);
  const clock = createMovedClock(START_MS);
  const draw = seededDraw(1);
  const network = createVirtualNetwork(clock, draw);
  const store = createGatedStore(clock);
  const snapshot = compile(config);
  const sights = createSights(config);
  const places = new Map<string, Place>();
  const events: HealthEvent[] = [];

  const living = (only?: string): readonly WholeNode[] => {
    if (places.size === 0)
      declare(
        ONLY,
        config.node.vantages.map(({ name }) => name),
      );
    const wanted = [...places].filter(([name]) => only === undefined || name === only);
    if (wanted.length === 0) throw new Error(`there is no node ${only}`);
    return wanted.flatMap(([, { running }]) => running ?? []);
  };
  const clockOf = (place: Place): MonitoringClock => ({
    nowMs: () => clock.nowMs() + place.skewMs,
    setTimer: clock.setTimer,
  });
  /** A node that cannot serve it keeps what it has. */
  const adopt = (place: Place, text: string): void => {
    const validation = validateConfig(text, 'shared', ENVIRONMENT, knownPlaces);
    if (!validation.ok) return;
    const { cluster, node } = place.config;
    const config = { ...tagMonitors(validation.config), cluster, node };
    Object.assign(place, { text, config, snapshot: compile(config) });
    place.running?.reload(config, place.snapshot);
  };
  const begin = (name: string, place: Place): void => {
    place.lives += 1;
    const isShared = places.size > 1 || name !== ONLY;
    const own = clockOf(place);
    const begun = place.snapshot;
    place.running = startWholeNode({
      name,
      config: place.config,
      snapshot: place.snapshot,
      clock: own,
      wallMs: own.nowMs,
      draw,
      probes: sights.kinds,
      transport: network.attach(`${name}:1`),
      seeds: [...places.keys()].filter((other) => other !== name).map((other) => `${other}:1`),
      store: isShared ? store.store : createGatedStore(clock).store,
      isShared,
      isAlone: !isShared,
      incarnation: place.lives,
      saved: place.saved,
      onChange: () => watch(world),
      onWarning: (text) => {
        throw new Error(text);
      },
      onRevision: ({ text }) => adopt(place, text),
      onEvents: (happened) => void events.push(...happened),
    });
    // It may have learnt of another configuration while it started.
    if (place.snapshot !== begun) place.running.reload(place.config, place.snapshot);
    const addresses = [...places.keys()].map((other) => `${other}:1`);
    for (const each of places.values()) {
      each.running?.scenario.exchange.setSeeds(
        addresses.filter((to) => to !== `${each.running?.scenario.name}:1`),
      );
    }
  };
  const declare = (name: string, vantages: readonly string[]): void => {
    const own = sights.config.node.vantages.filter((each) => vantages.includes(each.name));
    if (own.length !== vantages.length)
      throw new Error(`not all of ${vantages} are vantage points`);
    const node = { ...sights.config.node, name, vantages: own };
    const place: Place = {
      text: configText,
      config: { ...sights.config, node },
      snapshot,
      running: undefined,
      saved: undefined,
      lives: 0,
      skewMs: 0,
    };
    places.set(name, place);
    begin(name, place);
  };
  const placeOf = (name: string): Place => {
    const place = places.get(name);
    if (place === undefined) throw new Error(`there is no node ${name}`);
    return place;
  };
  /** The one that is told, which tells the others. */
  const listener = (node: string | undefined): WholeNode => {
    const [first] = living(node);
    if (first === undefined) throw new Error('nobody is there to be told');
    return first;
  };
  const world: World = {
    async pass(ms) {
      living();
      await clock.pass(ms, () => watch(world));
    },
    ask: (question, node) =>
      living(node).map(({ scenario: { clock: own, worker } }) =>
        ask(worker, question, own.nowMs()),
      ),
    probe: sights.set,
    vantage(name, silent) {
      for (const { scenario } of living()) {
        const { desk, exchange } = scenario;
        if (!desk.vantages().some(({ vantage }) => vantage === name)) continue;
        desk.setVantage(name, !silent);
        exchange.setSilent(name, silent);
      }
    },
    override({ action, drill, forMs, node, target }) {
      const { facts, overrides } = listener(node);
      const setAtMs = facts.clock.nowMs();
      const expiresAtMs = forMs === undefined ? undefined : setAtMs + forMs;
      const said = { target, action, reason: '', by: 'scenario', setAtMs, expiresAtMs };
      void overrides.set(drill === undefined ? said : { ...said, drill });
    },
    async publish({ from, isForced, node, to }) {
      const { facts, scenario } = listener(node);
      const place = placeOf(scenario.name);
      const control = createConfigRevisions({
        ...facts,
        kept: () => [],
        current: () => place.config,
        check: (text, name) => validateConfig(text, name, ENVIRONMENT, knownPlaces),
        compile: async (next) => compileIssues(next),
        served: async () => facts.revisions.current()?.revision ?? 0,
      });
      const text = place.text.replace(from, to);
      if (text === place.text) throw new Error(`"${from}" is not in the configuration`);
      const request = { text, name: 'new', note: '', by: 'scenario', force: isForced };
      let outcome: unknown;
      void control.publish(request).then((settled) => {
        outcome = settled;
      });
      await clock.pass(PUBLISH_MS, () => watch(world));
      const isTaken = (outcome as { readonly published?: boolean } | undefined)?.published === true;
      return isTaken ? 'taken' : 'refused';
    },
    clear({ node, target }) {
      const isMeant = ({ drill, target: each }: Override): boolean =>
        drill === undefined && each.kind === target.kind && each.name === target.name;
      void listener(node).overrides.clear(isMeant);
    },
    node: declare,
    async life({ node, what }) {
      const place = placeOf(node);
      if (what === 'dies') {
        place.saved = place.running?.save();
        await place.running?.kill();
        place.running = undefined;
        return;
      }
      if (what === 'starts-empty') place.saved = undefined;
      begin(node, place);
    },
    partition({ groups, oneWay }) {
      for (const [index, from] of groups.entries()) {
        for (const to of groups.filter((_, other) => (oneWay ? other > index : other !== index))) {
          for (const a of from) for (const b of to) network.cut(`${a}:1`, `${b}:1`);
        }
      }
    },
    heal: network.heal,
    store: store.set,
    skew(node, byMs) {
      placeOf(node).skewMs += byMs;
    },
    agent({ ready, reason, region }) {
      const address = config.regions[region]?.vips[0];
      if (address === undefined) throw new Error(`no VIP in ${region}`);
      const ports = new Set(Object.values(config.pools).map(({ port }) => port));
      for (const { scenario } of living()) {
        const { clock: own, desk } = scenario;
        for (const port of ports) {
          desk.ears.report({
            node: `balancer-${region}`,
            region,
            address,
            port,
            ready,
            reason,
            serversUsable: Number(ready),
            serversTotal: 1,
            requestsPerSecond: 0,
            active: 0,
            heardAtMs: own.nowMs(),
            leaseMs: REPORT_LEASE_MS,
          });
        }
      }
    },
    health: (endpoint, node, near) =>
      living(node).map(({ scenario }) => {
        const status = scenario.desk.status(endpoint);
        if (status === undefined) return 'no such endpoint';
        const seen =
          near === undefined ? undefined : status.near.find((each) => each.region === near);
        const { reason, state } = seen ?? status;
        return `${state} (${reason})`;
      }),
    events: () => events.map(({ kind, subject }) => `${kind} ${subject}`),
    forgetEvents: () => void events.splice(0),
    async close() {
      for (const { kill } of living()) await kill();
    },
  };
  return world;
}

const knownPlaces = readPlaces();
const ENVIRONMENT = { HOSTNAME: 'scenario' };

function readConfig(text: string): Config {
  const validation = validateConfig(text, 'scenario', ENVIRONMENT, knownPlaces);
  if (validation.ok) return validation.config;
  const issues = validation.issues.map((issue) => `${issue.line}: ${issue.path} ${issue.message}`);
  throw new Error(`the configuration is not valid:\n${issues.join('\n')}`);
}

function compile(config: Config): Snapshot {
  const compilation = compileSnapshot(config, composeGeo([], config.geo.overrides), 1, 1);
  if (!compilation.ok) throw new Error(compilation.issues.map(({ message }) => message).join('\n'));
  return compilation.snapshot;
}

function compileIssues(config: Config): readonly string[] {
  const compilation = compileSnapshot(config, composeGeo([], config.geo.overrides), 1, 1);
  return compilation.ok ? [] : compilation.issues.map(({ message }) => message);
}
