/** What `npm run bench -- ecs-cost` counts: policies as people write them, and the scopes that each client gets. */
import { type LatencyLayer, layerOfMap } from '../../src/clients/latency-layer.ts';
import type { Config } from '../../src/config/config.ts';
import type { GeoDatabase } from '../../src/geo/database.ts';
import { compileSnapshot } from '../../src/nameserver/compile.ts';
import { mapAt } from '../../src/nameserver/map-table.ts';
import { respond } from '../../src/nameserver/respond.ts';
import { serviceAt } from '../../src/nameserver/services.ts';
import type { Snapshot } from '../../src/nameserver/snapshot.ts';
import { classCount } from '../../src/steering/class-list.ts';
import type { Chain } from '../../src/steering/step.ts';
import { clientAt, createConfig, NOW_MS, startWorker, WEB_POOL } from '../nameserver/fixture.ts';
import { type Reply, readReply } from './dns-agreement.ts';
import { REGIONS, type Region } from './dns-workload.ts';
import { encodeQuery } from './query-bytes.ts';

export type Row = {
  readonly label: string;
  /** Of the configuration. */
  readonly regions: readonly Region[];
  /** Of the pool, the first ones; all unless said. */
  readonly endpoints?: number;
  readonly chain: Chain;
  /** What its pool has besides. */
  readonly pool?: Partial<Config['pools'][string]>;
};

/** Three, as gdnsd is given in the bench of answers, and seven more. */
export const TEN_REGIONS: readonly Region[] = [
  ...REGIONS,
  { name: 'oregon', latitude: 45.87, longitude: -119.69, vip: '192.0.2.4' },
  { name: 'sao-paulo', latitude: -23.55, longitude: -46.63, vip: '192.0.2.5' },
  { name: 'dublin', latitude: 53.35, longitude: -6.26, vip: '192.0.2.6' },
  { name: 'mumbai', latitude: 19.08, longitude: 72.88, vip: '192.0.2.7' },
  { name: 'tokyo', latitude: 35.69, longitude: 139.69, vip: '192.0.2.8' },
  { name: 'sydney', latitude: -33.87, longitude: 151.21, vip: '192.0.2.9' },
  { name: 'cape-town', latitude: -33.92, longitude: 18.42, vip: '192.0.2.10' },
];

const step = (kind: string, options: object = {}): Chain[number] => ({ kind, options });
const chain = (...steps: Chain): Chain => [step('healthy'), ...steps, step('first')];
const nearest = (options: object = {}): Chain[number] => step('nearest', options);
const split = (percent: number, draw: string): Chain[number] =>
  step('split', { draw, parts: [{ percent, regions: ['virginia'] }] });
const byCountry = chain(
  step('geo', {
    rules: [
      { countries: ['DE', 'FR', 'GB', 'IT', 'PL'], regions: ['frankfurt'] },
      { countries: ['IN', 'JP', 'SG', 'ID', 'VN'], regions: ['singapore'] },
    ],
    default: ['virginia'],
  }),
);

/** As gdnsd does it: the nearest, however little nearer it is. */
export const AS_GDNSD: readonly Row[] = [
  {
    label: '`nearest` with `toleranceKm: 0`',
    regions: REGIONS,
    chain: chain(nearest({ toleranceKm: 0 })),
  },
  {
    label: '`nearest` with `toleranceKm: 0`',
    regions: TEN_REGIONS,
    chain: chain(nearest({ toleranceKm: 0 })),
  },
];

export const ROWS: readonly Row[] = [
  {
    label: '`weighted`, `round-robin` or `failover`',
    regions: REGIONS,
    chain: chain(step('weighted')),
  },
  {
    label: '`match` of two networks, then `failover`',
    regions: REGIONS,
    chain: chain(
      step('match', {
        rules: [{ networks: ['81.0.0.0/16', '24.0.0.0/12'], policy: 'elsewhere' }],
      }),
      step('failover', { regions: ['virginia'] }),
    ),
  },
  {
    label: '`geo`: five countries here, five there, else elsewhere',
    regions: REGIONS,
    chain: byCountry,
  },
  {
    label: 'the same with `regionalHealth: false`',
    regions: REGIONS,
    chain: byCountry,
    pool: { regionalHealth: false },
  },
  { label: '`nearest`', regions: REGIONS, chain: chain(nearest()) },
  { label: '`nearest`', regions: TEN_REGIONS, chain: chain(nearest()) },
  {
    label: '`nearest` with `tiersMax: 1`',
    regions: TEN_REGIONS,
    chain: chain(nearest({ tiersMax: 1 })),
  },
  {
    label: '`nearest` among three of them',
    regions: TEN_REGIONS,
    endpoints: REGIONS.length,
    chain: chain(nearest()),
  },
  {
    label: 'the same with `regionalHealth: false`',
    regions: TEN_REGIONS,
    endpoints: REGIONS.length,
    chain: chain(nearest()),
    pool: { regionalHealth: false },
  },
  {
    label: '`nearest`, `sticky`, one endpoint in each region',
    regions: REGIONS,
    chain: chain(nearest(), step('sticky')),
  },
  {
    label: '`latency`, one network of twenty measured otherwise',
    regions: REGIONS,
    chain: chain(step('latency')),
  },
  {
    label: '`nearest`, `capacity`, as long as no region is full',
    regions: REGIONS,
    chain: chain(nearest(), step('capacity')),
  },
  {
    label: '`split` of 50 %, `draw: spread`, then `nearest`',
    regions: REGIONS,
    chain: chain(split(50, 'spread'), nearest()),
  },
  {
    label: '`split` of 50 %, then `nearest`',
    regions: REGIONS,
    chain: chain(split(50, 'client'), nearest()),
  },
  {
    label: '`canary` of 5 %, then `nearest`',
    regions: REGIONS,
    chain: chain(step('canary', { percent: 5, regions: ['singapore'] }), nearest()),
  },
  { label: '`sticky`', regions: REGIONS, chain: chain(step('sticky')) },
];

const NAME = 'www.gslb.example';
const ELSEWHERE = [step('failover', { regions: ['singapore'] }), step('first')];

/** A row as it is served. */
export type Served = {
  /** Sorts of clients that the policy tells apart. */
  readonly classes: number;
  answersTo(clients: Uint32Array): Answers;
};
/** In the order of the clients. */
export type Answers = { readonly scopes: Uint8Array; readonly addresses: readonly string[] };

/** @param measured what a map says of client networks; for policies that go by it */
export function serveRow(row: Row, geo: GeoDatabase, measured: LatencyLayer): Served {
  const nothing = [undefined, undefined, undefined] as const;
  const compiled = compileSnapshot(configOf(row), geo, 1, 1, ...nothing, measured);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.issues[0]));
  const { snapshot } = compiled;
  return { classes: classesOf(snapshot), answersTo: (clients) => answersTo(snapshot, clients) };
}

function configOf({ chain: tested, endpoints: count, pool, regions }: Row): Config {
  const config = createConfig();
  const steered = { owner: `${NAME}.`, pool: 'web', policy: 'tested', ttlMin: 5, ttlMax: 30 };
  const endpoints = regions
    .slice(0, count)
    .map(({ name }) => ({ region: name, weight: 1, addresses: [] }));
  return {
    ...config,
    regions: Object.fromEntries(
      regions.map(({ latitude, longitude, name, vip }) => [
        name,
        { location: { latitude, longitude }, vips: [vip], capacity: 0 },
      ]),
    ),
    pools: { web: { ...WEB_POOL, endpoints, ...pool } },
    policies: { tested: { chain: tested }, elsewhere: { chain: ELSEWHERE } },
    zones: { 'gslb.example': { ...config.zones['gslb.example']!, steered: [steered] } },
  };
}

function classesOf({ maps, services }: Snapshot): number {
  return classCount(mapAt(maps, serviceAt(services, 0).map).classes.classes);
}

/** A query for each client: what a resolver sends that sends a /24. */
export function queriesFor(clients: Uint32Array): readonly Uint8Array[] {
  const subnet = {
    code: 8,
    type: 'CLIENT_SUBNET',
    sourcePrefixLength: 24,
    ip: '192.0.2.0',
  } as const;
  const query = encodeQuery(NAME, 'A', [subnet]);
  return Array.from(clients, (client) => {
    const own = Uint8Array.from(query);
    own.set([client >>> 16, (client >>> 8) & 255, client & 255], own.length - 3);
    return own;
  });
}

function answersTo(snapshot: Snapshot, clients: Uint32Array): Answers {
  const worker = startWorker(snapshot);
  const [resolver, reply] = [clientAt('192.0.2.200'), new Uint8Array(65_535)];
  return readAnswers(
    queriesFor(clients).map((query) => {
      const length = respond(worker, resolver, query, query.length, NOW_MS, reply);
      return readReply(reply.subarray(0, Math.max(0, length)))?.[1];
    }),
  );
}

/** @throws where there is no answer or no scope */
export function readAnswers(replies: readonly (Reply | undefined)[]): Answers {
  const scopes = replies.map((reply) => {
    const { scope } = reply ?? {};
    if (scope === undefined) throw new Error('an answer has no scope, or there is none');
    return scope;
  });
  return { scopes: Uint8Array.from(scopes), addresses: replies.map((reply) => reply!.data.join()) };
}

/** A latency map in which one client network of so many has another order than geography. */
export function measuredOf(clients: Uint32Array, every: number): LatencyLayer {
  const regions = REGIONS.map(({ name }) => name);
  const orders = regions.map((_, first) =>
    regions.map((__, place) => (first + place) % regions.length),
  );
  const rows = [...clients].flatMap((network, index) =>
    index % every === 0 ? [{ network, order: index % orders.length, waysMs: [], sources: 1 }] : [],
  );
  return layerOfMap({ generation: 1, madeAtMs: 0, regions, orders, rows });
}
