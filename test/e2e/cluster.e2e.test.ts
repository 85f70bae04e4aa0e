import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { answerTo } from '../node/dns-client.ts';
import { freePort, loopbackAddress } from '../node/free-addresses.ts';
import { type NodeFixture, startNodeFixture } from '../node/node-fixture.ts';
import { type Program, startProgram } from '../node/program.ts';
import { until } from '../node/until.ts';
import { startRedis } from '../store/redis-server.ts';

/**
 * Three nodes with one vantage point each, real sockets between them, a real Redis, real servers. In one
 * process, so that what one node does and another shows are seen on one clock.
 */
const KEY = 'the cluster key of a test, long enough to be one';
const REGIONS = {
  virginia: { location: { latitude: 38.9, longitude: -77.5 }, client: '17.2.3.0/24' },
  frankfurt: { location: { latitude: 50.1, longitude: 8.7 }, client: '81.2.3.0/24' },
  singapore: { location: { latitude: 1.35, longitude: 103.8 }, client: '133.2.3.0/24' },
} as const;
type Region = keyof typeof REGIONS;
const NAMES = Object.keys(REGIONS) as Region[];
const PATIENCE_MS = 10_000;

type Web = {
  readonly address: string;
  readonly port: number;
  stop(): void;
  start(): Promise<void>;
};

async function startWeb(t: TestContext): Promise<Web> {
  const address = loopbackAddress();
  let server: Server | undefined;
  const start = async (): Promise<void> => {
    server = createServer((_request, response) => void response.end('ok')).listen(8080, address);
    await once(server, 'listening');
  };
  const stop = (): void => {
    server?.closeAllConnections();
    server?.close();
  };
  await start();
  t.after(stop);
  return { address, port: 8080, start, stop };
}

async function startWorld(t: TestContext, store: unknown) {
  const webs = new Map<Region, Web>();
  for (const name of NAMES) webs.set(name, await startWeb(t));
  const peers = new Map<Region, string>();
  const direct = new Map<Region, string>();
  for (const name of NAMES) {
    const address = loopbackAddress();
    direct.set(name, address);
    peers.set(name, `${address}:${await freePort(address)}`);
  }
  const configOf = (name: Region, more: Record<string, unknown>) => ({
    node: {
      name,
      roles: ['nameserver', 'prober'],
      workers: { dns: 1 },
      vantages: [{ name, region: name }],
      ...more,
    },
    cluster: { keys: [KEY], listen: [peers.get(name)], peers: [...peers.values()] },
    store,
    regions: Object.fromEntries(
      NAMES.map((region) => [
        region,
        { location: REGIONS[region].location, vips: webs.get(region)!.address },
      ]),
    ),
    geo: {
      overrides: [
        { networks: ['17.0.0.0/8'], location: { latitude: 40.7, longitude: -74 } },
        { networks: ['81.0.0.0/8'], location: { latitude: 48.9, longitude: 2.35 } },
        { networks: ['133.0.0.0/8'], location: { latitude: 13.7, longitude: 100.5 } },
      ],
    },
    monitors: {
      web: { kind: 'http', path: '/', interval: '250ms', timeout: '200ms', rise: 2, fall: 3 },
    },
    pools: { web: { monitor: 'web', port: 8080, endpoints: NAMES } },
    zones: {
      'gslb.example': {
        nameservers: ['ns1'],
        records: { ns1: { A: '192.0.2.53' } },
        steered: { www: { pool: 'web', ttl: { min: 1, max: 5 } } },
      },
    },
    dns: { listeners: [{ address: direct.get(name), port: 5353 }] },
  });
  const start = async (name: Region, more: Record<string, unknown> = {}): Promise<NodeFixture> => {
    const fixture = await startNodeFixture(configOf(name, more));
    t.after(fixture.stop);
    return fixture;
  };
  /** The same as a process of its own, with the prober's role only. */
  const startProber = async (name: Region): Promise<Program> => {
    const directory = mkdtempSync(join(tmpdir(), 'meridian-prober-'));
    t.after(() => rmSync(directory, { recursive: true, force: true }));
    const file = join(directory, 'meridian.yaml');
    writeFileSync(file, JSON.stringify(configOf(name, { roles: ['prober'] })));
    const program = startProgram(t, ['run', '--config', file]);
    await program.said(/node\.ready/);
    return program;
  };
  return { webs, start, startProber };
}

const answers = async (nodes: readonly NodeFixture[], region: Region): Promise<string[]> => {
  const all = await Promise.all(
    nodes.map(({ node }) =>
      answerTo(node.dns[0]!, { name: 'www.gslb.example', subnet: REGIONS[region].client }),
    ),
  );
  return all.flat();
};

async function allAnswer(
  nodes: readonly NodeFixture[],
  region: Region,
  address: string,
  what: string,
): Promise<void> {
  await until(
    async () => (await answers(nodes, region)).every((each) => each === address),
    PATIENCE_MS,
    what,
  );
}

test('three nodes agree with Redis and without it, and hold a drain through everything', async (t) => {
  const redis = await startRedis(t);
  const { start, webs } = await startWorld(t, { kind: 'redis', url: redis.url });
  const nodes = [await start('virginia'), await start('frankfurt'), await start('singapore')];
  const at = (region: Region): string => webs.get(region)!.address;
  for (const name of NAMES) await allAnswer(nodes, name, at(name), `${name} serves its own`);

  webs.get('virginia')!.stop();
  await allAnswer(nodes, 'virginia', at('frankfurt'), 'all nodes leave Virginia');
  await webs.get('virginia')!.start();
  await allAnswer(nodes, 'virginia', at('virginia'), 'and come back');

  // A person's word on one node is in force on all.
  const [first, second] = nodes;
  const target = { kind: 'region', name: 'frankfurt' } as const;
  const drain = { target, action: 'drain', reason: 'a test', by: 'test' } as const;
  await first!.node.plane.setOverride(drain);
  await allAnswer(nodes, 'frankfurt', at('virginia'), 'drained everywhere');

  // Redis dies: the drain stays, and another one reaches all without it.
  await redis.kill();
  await second!.node.plane.setOverride({
    ...drain,
    target: { kind: 'region', name: 'singapore' },
  });
  await allAnswer(nodes, 'singapore', at('virginia'), 'drained everywhere, without the store');
  assert.deepEqual(new Set(await answers(nodes, 'frankfurt')), new Set([at('virginia')]));
  await second!.node.plane.clearOverride({ kind: 'region', name: 'singapore' }, 'test');
  await allAnswer(nodes, 'singapore', at('singapore'), 'cleared everywhere, without the store');
  webs.get('virginia')!.stop();
  await allAnswer(nodes, 'virginia', at('singapore'), 'detection does not hang on Redis');
  await webs.get('virginia')!.start();
  await allAnswer(nodes, 'virginia', at('virginia'), 'nor does the return');

  // It comes back empty: what is in force stays, what was cleared stays cleared, and it is told again.
  await redis.restart();
  await until(
    async () => {
      const data = (await redis.cli('keys', '*data')).trim();
      const keys = data === '' ? '' : await redis.cli('hkeys', data);
      return keys.includes('override/manual/region/frankfurt');
    },
    2 * PATIENCE_MS,
    'the drain is in Redis again',
  );
  assert.deepEqual(new Set(await answers(nodes, 'frankfurt')), new Set([at('virginia')]));
  assert.deepEqual(new Set(await answers(nodes, 'singapore')), new Set([at('singapore')]));
});

test('nodes find each other directly without any store', async (t) => {
  const { start, webs } = await startWorld(t, 'memory');
  const nodes = [await start('virginia'), await start('frankfurt')];
  const at = (region: Region): string => webs.get(region)!.address;
  await allAnswer(nodes, 'virginia', at('virginia'), 'all is well');
  webs.get('virginia')!.stop();
  await allAnswer(nodes, 'virginia', at('frankfurt'), 'both leave');
  const late = await start('singapore');
  await allAnswer([late], 'virginia', at('frankfurt'), 'the one that comes late hears of it');
});

test('a prober that is killed says nothing any more, and one that is back counts again', async (t) => {
  const { start, startProber, webs } = await startWorld(t, 'memory');
  const nodes = [await start('virginia')];
  const at = (region: Region): string => webs.get(region)!.address;
  const [frankfurt, singapore] = [await startProber('frankfurt'), await startProber('singapore')];
  const [first] = nodes;
  const voices = (): number => {
    const endpoints = first!.node.plane.regions().flatMap((region) => region.endpoints);
    const virginia = endpoints.find(({ region }) => region === 'virginia');
    return virginia!.vantages.filter(({ verdict }) => verdict === 'up').length;
  };
  await until(async () => voices() === 3, PATIENCE_MS, 'three vantage points speak');
  singapore.kill('SIGKILL');
  await until(async () => voices() === 2, PATIENCE_MS, 'one has fallen silent');
  for (const name of NAMES) assert.deepEqual(await answers(nodes, name), [at(name)], name);
  // Those that are left decide.
  webs.get('virginia')!.stop();
  await allAnswer(nodes, 'virginia', at('frankfurt'), 'Virginia is left');
  await webs.get('virginia')!.start();
  await allAnswer(nodes, 'virginia', at('virginia'), 'and comes back');
  await startProber('singapore');
  await until(async () => voices() === 3, PATIENCE_MS, 'the third is heard again');
  frankfurt.kill('SIGTERM');
  await until(async () => voices() === 2, PATIENCE_MS, 'one that ends falls silent too');
  for (const name of NAMES) assert.deepEqual(await answers(nodes, name), [at(name)], name);
});
