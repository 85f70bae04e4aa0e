/**
 * A nameserver that steers by every kind of policy (ecs-policies.ts), with all that policies go by: places,
 * autonomous systems, a latency map, and pools in which endpoints are drained, forced down, or on their way back.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CapacityPlan } from '../../src/capacity/plan.ts';
import { encodePlan } from '../../src/capacity/plan-file.ts';
import { layerOfMap } from '../../src/clients/latency-layer.ts';
import { encodeLatencyMap, type LatencyMap } from '../../src/clients/latency-map.ts';
import { networkKey, networkOfKey } from '../../src/clients/network-key.ts';
import { DOWN, FORCED, healthWord, TTL_MASK } from '../../src/health/health-word.ts';
import type { Address } from '../../src/ip/address.ts';
import { formatPrefix, type Prefix } from '../../src/ip/prefix.ts';
import { compileSnapshot } from '../../src/nameserver/compile.ts';
import { mapAt } from '../../src/nameserver/map-table.ts';
import { servicesOf } from '../../src/nameserver/services.ts';
import type { Snapshot } from '../../src/nameserver/snapshot.ts';
import { createPlanSlots, regionState } from '../../src/planning/plan-slots.ts';
import { plannedClasses } from '../../src/planning/planned-classes.ts';
import { SLOTS } from '../../src/steering/slots.ts';
import { createGeoFiles, readPlaces } from '../../src/workers/geo-files.ts';
import { type ListDecisions, listDecisions } from '../fuzz/list-decisions.ts';
import { writeMmdb } from '../geo/mmdb-writer.ts';
import { type NodeFixture, startNodeFixture } from '../node/node-fixture.ts';
import { scratchDirectory } from '../node/scratch.ts';
import type { Place } from './ask.ts';
import {
  judgedPolicies,
  STATES,
  type State,
  SYSTEMS,
  TARGETS,
  type Window,
} from './ecs-policies.ts';
import { clientsOf, createEcsWorld, networksAround, type Placed, shuffled } from './ecs-world.ts';
import { REGIONS } from './world-node.ts';

export type SteeredWorld = {
  readonly fixture: NodeFixture;
  readonly clients: readonly Address[];
  readonly names: readonly SteeredName[];
  /** By the steered name; undefined = it is not steered. */
  lists(name: string): ListDecisions | undefined;
};
export type SteeredName = { readonly name: string; readonly type: 'A' | 'AAAA' };

const CHAINS = { 4: 4, 6: 3 } as const;
/** Of each family, for policies; for systems and measured ways, of both. */
const POLICY_NETWORKS = 3;
const OTHER_NETWORKS = 8;
const CLIENTS_MAX = 160;
const NEAR = { virginia: 'US-VA', frankfurt: 'DE', singapore: 'SG' } as const;
const GREEN = { region: 'virginia', name: 'green', addresses: ['192.0.2.4', '2001:db8::4'] };
const ORDERS = [
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
];
const HOUR_MS = 3_600_000;
const RETURN_SHARE = 0.5;

/** @param resolvers are placed in Singapore */
export async function startSteeredWorld(
  zone: string,
  meridian: Place,
  resolver: Place,
  random: () => number,
): Promise<SteeredWorld> {
  const { placed } = createEcsWorld(random, CHAINS);
  const ofFamily = (family: 4 | 6): readonly Placed[] =>
    placed.filter(({ prefix }) => prefix.address.family === family);
  const own = ([4, 6] as const).flatMap((family) =>
    networksAround(ofFamily(family), 2 * POLICY_NETWORKS, random).slice(0, POLICY_NETWORKS),
  );
  const networks = shuffled(own, random);
  const inSystems = networksAround(placed, OTHER_NETWORKS, random);
  const latency = latencyMap(networksAround(placed, OTHER_NETWORKS, random));
  const named = [
    ...placed.map(({ prefix }) => prefix),
    ...[...networks, ...inSystems, ...latency.rows.map((row) => networkOfKey(row.network))],
  ];
  const directory = scratchDirectory('ecs');
  writeFileSync(join(directory, 'latency-map.bin'), encodeLatencyMap(latency));
  const systems = join(directory, 'systems.mmdb');
  writeFileSync(systems, systemsFile(inSystems));
  const facts = { networks: networks.map(formatPrefix), windows: windowsAround(Date.now()) };
  const policies = judgedPolicies(facts);
  const owners = policies.flatMap(({ name, states = ['up'] }) =>
    states.map((state) => ({ owner: `${name}.${state}`, policy: name, pool: state })),
  );
  const config = {
    node: { roles: ['nameserver'], workers: { dns: 1 }, stateDirectory: directory },
    latency: { window: '1h' },
    capacity: { window: '1h' },
    regions: REGIONS,
    geo: { databases: [systems], overrides: overrides(placed, resolver) },
    pools: Object.fromEntries(STATES.map((state) => [state, poolIn(state)])),
    policies: {
      ...Object.fromEntries(Object.entries(TARGETS).map(([name, chain]) => [name, { chain }])),
      ...Object.fromEntries(policies.map(({ chain, name }) => [name, { chain }])),
    },
    zones: {
      [zone]: {
        nameservers: ['ns1'],
        steered: Object.fromEntries(
          owners.map(({ owner, ...rest }) => [owner, { ...rest, ttl: { min: 3000, max: 3600 } }]),
        ),
        records: { ns1: { A: meridian.address } },
      },
    },
    dns: { listeners: [meridian] },
  };
  // Which classes a plan has to know is known when all is compiled.
  const first = await startNodeFixture(config);
  const plan = planOf(compiledOf(first, latency).snapshot);
  await first.stop();
  writeFileSync(join(directory, 'capacity-plan.bin'), encodePlan(plan));
  const fixture = await startNodeFixture(config);
  await hurt(fixture);
  return {
    fixture,
    clients: shuffled(clientsOf(named, random), random).slice(0, CLIENTS_MAX),
    names: owners.map(({ owner }, index) => ({
      name: `${owner}.${zone}`,
      type: index % 2 === 0 ? 'A' : 'AAAA',
    })),
    lists: createLists(fixture, latency, plan),
  };
}

function overrides(placed: readonly Placed[], resolver: Place): unknown[] {
  const own = { networks: [resolver.address], location: NEAR.singapore };
  const others = placed.map(({ prefix, region }) => ({
    networks: [formatPrefix(prefix)],
    location: NEAR[region],
  }));
  return [...others, own];
}

function poolIn(state: State): object {
  return {
    endpoints: [{ region: 'virginia', weight: 2 }, 'frankfurt', 'singapore', GREEN],
    sorry: ['192.0.2.99', '2001:db8::99'],
    ...(state === 'returning' && { ramp: { from: RETURN_SHARE, over: '24h' } }),
  };
}

/** One of their first bits told, each has another order than geography has. */
function latencyMap(networks: readonly Prefix[]): LatencyMap {
  const keys = new Set(networks.map(({ address }) => networkKey(address)));
  keys.delete(-1);
  return {
    ...{ generation: 1, madeAtMs: Date.now(), regions: Object.keys(REGIONS), orders: ORDERS },
    rows: Array.from(keys, (network, index) => ({
      network,
      order: index % ORDERS.length,
      waysMs: [5, 50, 90],
      sources: 1,
    })),
  };
}

function systemsFile(networks: readonly Prefix[]): Uint8Array {
  const entries = networks.map((prefix, index) => ({
    prefix,
    record: { autonomous_system_number: BigInt(SYSTEMS[index % SYSTEMS.length]!) },
  }));
  return writeMmdb(entries, { databaseType: 'GeoLite2-ASN' });
}

/** Six hours to both sides: one is open, the other shut, as long as any test takes. */
function windowsAround(nowMs: number): readonly [Window, Window] {
  const clock = (ms: number): string => new Date(ms).toISOString().slice(11, 16);
  const [from, to] = [clock(nowMs - 6 * HOUR_MS), clock(nowMs + 6 * HOUR_MS)];
  return [
    { from, to },
    { from: to, to: from },
  ];
}

/** What people do to the endpoints of each pool. */
async function hurt({ node: { plane } }: NodeFixture): Promise<void> {
  const who = { reason: 'judged', by: 'test', force: true };
  const endpoint = (name: string) => ({ kind: 'endpoint', name }) as const;
  const said = [
    await plane.setOverride({ target: endpoint('hurt/frankfurt'), action: 'drain', ...who }),
    await plane.setOverride({ target: endpoint('hurt/singapore'), action: 'down', ...who }),
    await plane.setOverride({ target: endpoint('returning/frankfurt'), action: 'drain', ...who }),
    await plane.clearOverride(endpoint('returning/frankfurt'), 'test'),
    await plane.setOverride({ target: { kind: 'pool', name: 'gone' }, action: 'drain', ...who }),
  ];
  const problem = said.find((each) => 'problem' in each);
  if (problem !== undefined) throw new Error(JSON.stringify(problem));
}

/** The words that pools come to by that. */
function wordOfEndpoint(name: string): number {
  const isOut = name.startsWith('gone/') || ['hurt/frankfurt', 'hurt/singapore'].includes(name);
  if (isOut) return healthWord((DOWN | FORCED) >>> 0, TTL_MASK);
  if (name === 'returning/frankfurt') return healthWord(0, 0, RETURN_SHARE);
  return healthWord(0, TTL_MASK);
}

/** Each class is shared out otherwise; some are in no plan. */
function planOf(snapshot: Snapshot): CapacityPlan {
  const names = Object.keys(REGIONS);
  const classes = [...plannedClasses(snapshot).values()]
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .flatMap(({ key, pool, waysMs }, index) => {
      const own = { key, pool, demand: 1 + (index % 7), slots: SHARES[index % SHARES.length]! };
      return index % 5 === 4
        ? []
        : [{ ...own, waysMs: names.map((name) => waysMs.get(name) ?? null) }];
    });
  const regions = names.map((name) => ({ name, capacity: 1000, target: 800 }));
  return { generation: 1, madeAtMs: Date.now(), regions, classes, trims: [] };
}

/** By region, of SLOTS. */
const SHARES = [
  [SLOTS, 0, 0],
  [300, SLOTS - 300, 0],
  [0, 500, SLOTS - 500],
  [100, 200, SLOTS - 300],
];

function createLists(
  fixture: NodeFixture,
  map: LatencyMap,
  plan: CapacityPlan,
): SteeredWorld['lists'] {
  const { config } = fixture.node;
  const { geo, latency, snapshot } = compiledOf(fixture, map);
  const words = Uint32Array.from(snapshot.endpoints, ({ name }) => wordOfEndpoint(name));
  const exceptions = new Uint32Array(0);
  const slots = createPlanSlots().make(plan, regionState(snapshot, { words, exceptions }));
  const health = { words, exceptions, slots };
  const known = { config, snapshot, geo, latency, health, nowMs: Date.now() };
  const byName = new Map(
    Array.from(servicesOf(snapshot.services), (service) => {
      const map = mapAt(snapshot.maps, service.map);
      return [service.owner, listDecisions(known, map)];
    }),
  );
  return (name) => byName.get(`${name}.`);
}

function compiledOf({ node: { config } }: NodeFixture, map: LatencyMap) {
  const loaded = createGeoFiles().load(config.geo, readPlaces());
  if (!loaded.ok) throw new Error(loaded.reason);
  const { geo } = loaded;
  const latency = layerOfMap(map);
  const nothing = [undefined, undefined, undefined] as const;
  const compiled = compileSnapshot(config, geo, 1, 1, ...nothing, latency);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.issues));
  return { geo, latency, snapshot: compiled.snapshot };
}
