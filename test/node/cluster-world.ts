import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { answerTo } from './dns-client.ts';
import { freePort, loopbackAddress } from './free-addresses.ts';
import { type NodeFixture, startNodeFixture } from './node-fixture.ts';
import { type Program, startProgram } from './program.ts';
import { until } from './until.ts';

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
export type Region = keyof typeof REGIONS;
export const NAMES = Object.keys(REGIONS) as Region[];
export const PATIENCE_MS = 10_000;

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

export async function startWorld(
  t: TestContext,
  store: unknown,
  cluster: object = {},
  zone: object = {},
) {
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
    cluster: { keys: [KEY], listen: [peers.get(name)], peers: [...peers.values()], ...cluster },
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
      web: { kind: 'http', path: '/', interval: '500ms', timeout: '450ms', rise: 2, fall: 3 },
    },
    pools: { web: { monitor: 'web', port: 8080, endpoints: NAMES } },
    zones: {
      'gslb.example': {
        ...zone,
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
  return { webs, start, startProber, configOf };
}

export const answers = async (nodes: readonly NodeFixture[], region: Region): Promise<string[]> => {
  const all = await Promise.all(
    nodes.map(({ node }) =>
      answerTo(node.dns[0]!, { name: 'www.gslb.example', subnet: REGIONS[region].client }),
    ),
  );
  return all.flat();
};

export async function allAnswer(
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
