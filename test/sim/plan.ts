import type { Config } from '../../src/config/config.ts';
import { validateConfig } from '../../src/config/validate.ts';
import { readPlaces } from '../../src/workers/geo-files.ts';

/**
 * A world drawn from a seed: how many regions, nodes, vantage points and pools, how they probe, how good
 * the network between them is, and how often something breaks. Five sizes: many hours of one node with
 * some vantage points, hours of one with hundreds of them (wide) or with hundreds of endpoints (deep),
 * minutes of several nodes that tell each other, and of hundreds of both (a crowd).
 */
export type Plan = {
  readonly seed: number;
  readonly size: Size;
  readonly durationMs: number;
  /** A fault begins about this often. */
  readonly faultEveryMs: number;
  /** Faults last about this long. */
  readonly faultLastsMs: number;
  /** One probe of so many fails for no reason. */
  readonly noise: number;
  readonly network: {
    readonly loss: number;
    readonly duplicates: number;
    readonly latencyMs: readonly [number, number];
  };
  readonly hasStore: boolean;
  /** Without, a vantage point can compare regions only, and with three of them nothing. */
  readonly hasCanaries: boolean;
  /** Balancers tell whether they can serve. */
  readonly hasAgents: boolean;
  readonly regions: readonly PlannedRegion[];
  readonly nodes: readonly PlannedNode[];
  readonly pools: readonly PlannedPool[];
  readonly monitor: PlannedMonitor;
  /** The same for all nodes, but for `node`. */
  readonly config: Config;
};
export const SIZES = ['alone', 'wide', 'deep', 'cluster', 'crowd'] as const;
export type Size = (typeof SIZES)[number];

export type PlannedRegion = { readonly name: string; readonly vip: string };
export type PlannedVantage = {
  readonly name: string;
  readonly region: string;
  readonly source: string;
};
export type PlannedNode = { readonly name: string; readonly vantages: readonly PlannedVantage[] };
export type PlannedPool = {
  readonly name: string;
  readonly port: number;
  readonly regions: readonly string[];
  /** By region; what has none carries nothing, and is answered when nothing else is left. */
  readonly weights: ReadonlyMap<string, number>;
  readonly policy: (typeof POLICIES)[number];
  readonly quorumMin: number;
  readonly ttl: { readonly min: number; readonly max: number };
  readonly withdrawals: { readonly shareMax: number; readonly windowMs: number };
  readonly ramp: boolean;
};

export const POLICIES = ['near', 'failover', 'weighted'] as const;

export type PlannedMonitor = {
  readonly intervalMs: number;
  /** Between probes while failures count towards down. */
  readonly recheckMs: number;
  /** Between probes of what has long been down. */
  readonly idleMs: number;
  readonly timeoutMs: number;
  readonly rise: number;
  readonly fall: number;
};

/** A success that takes longer is slow; one that does takes SLOW_RTT_MS. */
export const SLOW_ABOVE_MS = 300;
export const SLOW_RTT_MS = 400;

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
export const CANARIES = ['203.0.113.1', '203.0.113.2', '203.0.113.3', '203.0.113.4'];
const CANARY_PORT = 53;
const PORT_FIRST = 8000;

type Scale = {
  readonly hours: readonly [number, number];
  readonly regions: readonly [number, number];
  readonly nodes: readonly [number, number];
  readonly perRegion: readonly [number, number];
  readonly pools: readonly [number, number];
  readonly intervalsMs: readonly number[];
  /** Worlds with shorter intervals are shorter, those with longer ones longer. */
  readonly usualMs: number;
};
const SCALES: Readonly<Record<Size, Scale>> = {
  alone: {
    hours: [20, 40],
    regions: [3, 6],
    nodes: [1, 1],
    perRegion: [1, 2],
    pools: [1, 3],
    intervalsMs: [10_000, 60_000, 60_000, 300_000],
    usualMs: 60_000,
  },
  wide: {
    hours: [2, 4],
    regions: [4, 6],
    nodes: [1, 1],
    perRegion: [30, 60],
    pools: [1, 1],
    intervalsMs: [300_000, 600_000],
    usualMs: 300_000,
  },
  deep: {
    hours: [2, 4],
    regions: [4, 6],
    nodes: [1, 1],
    perRegion: [1, 1],
    pools: [50, 80],
    intervalsMs: [300_000, 600_000],
    usualMs: 300_000,
  },
  cluster: {
    hours: [0.1, 0.3],
    regions: [3, 6],
    nodes: [2, 5],
    perRegion: [1, 2],
    pools: [1, 3],
    intervalsMs: [250, 500, 1000, 5000, 10_000, 30_000],
    usualMs: 5000,
  },
  crowd: {
    hours: [0.03, 0.06],
    regions: [20, 30],
    nodes: [1, 3],
    perRegion: [7, 10],
    pools: [8, 12],
    intervalsMs: [30_000, 60_000],
    usualMs: 60_000,
  },
};

/** Everything about the world follows from the draw; the same seed is the same world. */
export function drawPlan(seed: number, size: Size, draw: () => number): Plan {
  const scale = SCALES[size];
  const between = ([least, most]: readonly [number, number]): number =>
    least + draw() * (most - least);
  const whole = (range: readonly [number, number]): number => Math.round(between(range));
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(draw() * items.length)]!;

  const regions = Array.from({ length: whole(scale.regions) }, (_, index) => ({
    name: `r${index}`,
    vip: `10.1.${index}.1`,
  }));
  const nodes = drawNodes(regions, whole(scale.nodes), () => whole(scale.perRegion));
  const groups = new Set(nodes.flatMap(({ vantages }) => vantages.map(({ region }) => region)))
    .size;
  const monitor = drawMonitor(pick(scale.intervalsMs), draw);
  const { intervalMs } = monitor;
  // Long enough that the promise of a TTL reaches over several probes.
  const longest = 20 + Math.round((3 * Math.max(intervalMs, scale.usualMs)) / 1000);
  const pools = Array.from({ length: whole(scale.pools) }, (_, index): PlannedPool => {
    const some = regions.filter(() => draw() < 0.8);
    const of = some.length >= 2 ? some : regions.slice(0, 2);
    return {
      name: `p${index}`,
      port: PORT_FIRST + index,
      regions: of.map(({ name }) => name),
      weights: drawWeights(of, draw),
      policy: pick(POLICIES),
      // Of the groups that can vote on any endpoint.
      quorumMin: Math.max(1, Math.min(groups - 1, 1 + Math.floor(draw() * 3))),
      ttl: { min: 2 + Math.floor(draw() * 5), max: longest + Math.floor(draw() * 40) },
      withdrawals: { shareMax: pick([0.5, 0.75, 1]), windowMs: pick([MINUTE_MS, 5 * MINUTE_MS]) },
      ramp: draw() < 0.3,
    };
  });
  const quality = { loss: draw() < 0.5 ? 0 : draw() * 0.2, duplicates: draw() * 0.05 };
  const latencyMs: readonly [number, number] = [1, 5 + draw() * 150];
  const hasCanaries = draw() < 0.8;
  const rest = { seed, size, regions, nodes, pools, monitor, hasCanaries };
  return {
    ...rest,
    // What is looked at often takes long to simulate, what is looked at seldom goes quickly.
    durationMs: Math.round(
      between(scale.hours) * HOUR_MS * Math.min(3, intervalMs / scale.usualMs),
    ),
    faultEveryMs:
      size === 'crowd' ? MINUTE_MS / 3 : Math.max(MINUTE_MS, intervalMs * (8 + draw() * 25)),
    faultLastsMs: intervalMs * (10 + draw() * 30),
    noise: draw() < 0.5 ? 0 : draw() * 0.01,
    network: { ...quality, latencyMs },
    hasStore: size === 'cluster' && draw() < 0.6,
    hasAgents: draw() < 0.5,
    config: configOf(rest),
  };
}

/** Often all alike; else a large one, small ones, and one that waits until nothing else is left. */
function drawWeights(
  regions: readonly PlannedRegion[],
  draw: () => number,
): ReadonlyMap<string, number> {
  const isEven = draw() < 0.5;
  const weightOf = (index: number): number =>
    isEven || index === 0 ? 1 : [0, 1, 5, 20][Math.floor(draw() * 4)]!;
  return new Map(regions.map(({ name }, index) => [name, weightOf(index)]));
}

function drawMonitor(intervalMs: number, draw: () => number): PlannedMonitor {
  return {
    intervalMs,
    recheckMs: Math.round(intervalMs * [0.25, 0.5, 1][Math.floor(draw() * 3)]!),
    idleMs: draw() < 0.5 ? intervalMs : Math.max(intervalMs, Math.min(2 * intervalMs, 60_000)),
    timeoutMs: Math.min(2000, intervalMs / 2),
    rise: 1 + Math.floor(draw() * 3),
    fall: 2 + Math.floor(draw() * 4),
  };
}

/** Every region has vantage points, spread over the nodes in turn. */
function drawNodes(
  regions: readonly PlannedRegion[],
  count: number,
  perRegion: () => number,
): readonly PlannedNode[] {
  const vantages: PlannedVantage[][] = Array.from({ length: count }, () => []);
  for (const [at, { name }] of regions.entries()) {
    const many = perRegion();
    for (let index = 0; index < many; index += 1) {
      const source = `10.2.${at}.${index + 1}`;
      vantages[(at + index) % count]!.push({ name: `${name}-${index}`, region: name, source });
    }
  }
  return vantages.map((own, index) => ({ name: `n${index}`, vantages: own }));
}

/** Irregular, so that no two regions are equally far from a client. */
function placeOf(index: number, byDegrees = 0): { latitude: number; longitude: number } {
  const latitude = 50 - (index % 10) * 10 + ((index * 37) % 50) / 10;
  const longitude = -170 + index * 11 + ((index * index * 29) % 70) / 10;
  return { latitude: latitude + byDegrees, longitude: longitude + byDegrees * 1.3 };
}

function configOf(plan: Pick<Plan, 'regions' | 'pools' | 'monitor' | 'hasCanaries'>): Config {
  const { hasCanaries, monitor, pools, regions } = plan;
  const canaries = hasCanaries ? CANARIES : [];
  const { fall, idleMs, intervalMs, recheckMs, rise, timeoutMs } = monitor;
  const pace = { kind: 'tcp', interval: `${intervalMs}ms`, timeout: `${timeoutMs}ms` };
  const byName = <Item extends { readonly name: string }, Value>(
    items: readonly Item[],
    value: (item: Item, index: number) => Value,
  ) => Object.fromEntries(items.map((item, index) => [item.name, value(item, index)]));
  const text = JSON.stringify({
    node: {
      name: 'any',
      canaries: canaries.map((address) => ({ monitor: 'canary', address, port: CANARY_PORT })),
    },
    regions: byName(regions, ({ vip }, index) => ({
      location: placeOf(index),
      vips: vip,
    })),
    // Clients are told by their networks: 16.N.0.0/16 is near region N.
    geo: {
      overrides: regions.map((_, index) => ({
        networks: [`16.${index}.0.0/16`],
        location: placeOf(index, 1),
      })),
    },
    monitors: {
      web: {
        ...pace,
        rise,
        fall,
        recheck: `${recheckMs}ms`,
        idle: { after: '5m', interval: `${idleMs}ms` },
        slowAbove: `${SLOW_ABOVE_MS}ms`,
      },
      canary: { ...pace, idle: { interval: `${intervalMs}ms` } },
    },
    pools: byName(pools, ({ port, quorumMin, ramp, weights, withdrawals }) => ({
      monitor: 'web',
      port,
      endpoints: [...weights].map(([region, weight]) => ({ region, weight })),
      quorumMin,
      withdrawals: { shareMax: withdrawals.shareMax, window: `${withdrawals.windowMs}ms` },
      ...(ramp ? { ramp: { from: 0.2, over: '2m' } } : {}),
    })),
    // Exactly the nearest: clients of one network then have one answer.
    policies: {
      near: { chain: ['healthy', { step: 'nearest', toleranceKm: 0 }, { step: 'first' }] },
      failover: { chain: ['healthy', 'failover', 'first'] },
      weighted: { chain: ['healthy', 'weighted', 'first'] },
    },
    zones: {
      'gslb.example': {
        nameservers: ['ns1'],
        records: { ns1: { A: '192.0.2.53' } },
        steered: byName(pools, ({ name, policy, ttl }) => ({ pool: name, policy, ttl })),
      },
    },
  });
  const validation = validateConfig(text, 'simulation', { HOSTNAME: 'any' }, readPlaces());
  if (validation.ok) return validation.config;
  throw new Error(validation.issues.map(({ message, path }) => `${path}: ${message}`).join('\n'));
}
