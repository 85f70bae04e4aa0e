import { until } from '../../node/until.ts';
import type { Topology } from '../topology.ts';
import { MASTER_NAME, REDIS_PORT, SENTINEL_PORT, type StoreKind } from './config.ts';
import type { Part, Parts } from './parts.ts';
import { addressOf, REGIONS, type Region } from './wide-area.ts';

/**
 * The Redis servers of the lab: one per region with Sentinels that watch the first, or a Cluster of
 * three masters and a replica of the one that holds the facts.
 */
export type RedisSet = {
  start(): Promise<void>;
  /** Where the server is that takes writes. */
  master(): Promise<Place>;
  /** Waits until another server than this takes writes. */
  untilMoved(from: Place): Promise<void>;
  /** Waits until all servers belong together. */
  untilWhole(): Promise<void>;
  /** What redis-cli prints. */
  cli(place: Place, ...words: readonly string[]): Promise<string>;
};

export type Place = { readonly region: Region; readonly part: 'redis' | 'replica' };

/** What all keys have in common, so that they are on one master. */
const TAG = 'meridian';
const DEADLINE_MS = 30_000;
const SLOTS = ['0 5460', '5461 10922', '10923 16383'];
const MASTERS: readonly Place[] = REGIONS.map((region) => ({ region, part: 'redis' }));
/** In another region than the master that it follows, whichever that is: it joins the last that fits. */
const REPLICA_AT = 'frankfurt' as const;

export function createRedisSet(topology: Topology, parts: Parts, kind: StoreKind): RedisSet {
  const cliAt = async (
    region: Region,
    part: 'redis' | 'replica' | 'sentinel',
    words: readonly string[],
  ): Promise<string> => {
    const port = part === 'sentinel' ? SENTINEL_PORT : REDIS_PORT;
    const command = ['timeout', '3', 'redis-cli', '-h', addressOf(region, part), '-p', `${port}`];
    const { stdout } = await topology.processes.run(region, [...command, ...words]);
    return stdout.trim();
  };
  const cli: RedisSet['cli'] = ({ part, region }, ...words) => cliAt(region, part, words);
  if (kind === 'none') return noRedis(cli);
  const places =
    kind === 'cluster' ? [...MASTERS, { region: REPLICA_AT, part: 'replica' } as const] : MASTERS;
  const isMaster = async (place: Place): Promise<boolean> => {
    const role = await cli(place, 'role');
    return role.startsWith('master') && (await holdsFacts(place));
  };
  const holdsFacts = async (place: Place): Promise<boolean> =>
    kind === 'sentinel' || /^(0|1)$/.test(await cli(place, 'exists', `{${TAG}}:version`));
  const named = async (): Promise<Place | undefined> => {
    if (kind === 'cluster') {
      for (const place of places) if (await isMaster(place)) return place;
      return undefined;
    }
    const replies = await Promise.all(
      REGIONS.map((region) =>
        cliAt(region, 'sentinel', ['sentinel', 'get-master-addr-by-name', MASTER_NAME]),
      ),
    );
    // One that is cut off still names the former one.
    for (const region of REGIONS) {
      const at = addressOf(region, 'redis');
      const naming = replies.filter((reply) => reply.split('\n')[0] === at);
      if (naming.length * 2 > REGIONS.length) return { region, part: 'redis' };
    }
    return undefined;
  };
  const eventually = async (what: string, holds: () => Promise<boolean>): Promise<void> =>
    void (await until(holds, DEADLINE_MS, what));
  const untilWhole = (): Promise<void> =>
    kind === 'cluster'
      ? eventually('the Redis Cluster is whole', () => clusterIsWhole(places, cli))
      : eventually('all Redis servers follow one', () => sentinelsAgree(cliAt, named, cli));
  return {
    ...{ cli, untilWhole },
    async start() {
      for (const { part, region } of places) parts.start(region, part);
      for (const { part, region } of places) await parts.said(region, part, READY);
      if (kind === 'cluster') await joinCluster(places, cli);
      else await startSentinels(parts);
      await untilWhole();
    },
    async master() {
      const found = await named();
      if (found === undefined) throw new Error('no Redis takes writes');
      return found;
    },
    untilMoved: (from) =>
      eventually('another Redis takes writes', async () => {
        const now = await named();
        return now !== undefined && (now.region !== from.region || now.part !== from.part);
      }),
  };
}

type Cli = RedisSet['cli'];
type CliAt = (region: Region, part: Part & 'sentinel', words: readonly string[]) => Promise<string>;

const READY = 'Ready to accept connections';

function noRedis(cli: Cli): RedisSet {
  const nothing = async (): Promise<void> => {};
  const master = async (): Promise<Place> => {
    throw new Error('there is no Redis in this world');
  };
  return { cli, start: nothing, master, untilMoved: nothing, untilWhole: nothing };
}

async function startSentinels(parts: Parts): Promise<void> {
  for (const region of REGIONS) parts.start(region, 'sentinel');
  for (const region of REGIONS) await parts.said(region, 'sentinel', '+monitor master');
}

async function sentinelsAgree(
  cliAt: CliAt,
  named: () => Promise<Place | undefined>,
  cli: Cli,
): Promise<boolean> {
  const master = await named();
  if (master === undefined) return false;
  const replication = await cli(master, 'info', 'replication');
  const [state, ...others] = await Promise.all(
    REGIONS.map((region) => cliAt(region, 'sentinel', ['sentinel', 'master', MASTER_NAME])),
  );
  const isWhole = (text: string | undefined): boolean =>
    /num-slaves\n2[\s\S]*num-other-sentinels\n2/.test(text ?? '') &&
    text?.includes(`\n${addressOf(master.region, 'redis')}\n`) === true &&
    !/s_down|o_down|failover/.test(/flags\n(.*)/.exec(text)?.[1] ?? '');
  return /connected_slaves:2/.test(replication) && [state, ...others].every(isWhole);
}

async function joinCluster(places: readonly Place[], cli: Cli): Promise<void> {
  const [first, ...others] = places;
  for (const { part, region } of others) {
    await cli(first!, 'cluster', 'meet', addressOf(region, part), `${REDIS_PORT}`);
  }
  for (const [index, slots] of SLOTS.entries()) {
    await cli(MASTERS[index]!, 'cluster', 'addslotsrange', ...slots.split(' '));
  }
  const slot = Number(await cli(first!, 'cluster', 'keyslot', TAG));
  const owner = MASTERS[slot <= 5460 ? 0 : slot <= 10_922 ? 1 : 2]!;
  const id = await cli(owner, 'cluster', 'myid');
  const replica = places.at(-1)!;
  const follow = async (): Promise<boolean> =>
    (await cli(replica, 'cluster', 'replicate', id)) === 'OK';
  await until(follow, DEADLINE_MS, 'the replica follows the master of the facts');
}

async function clusterIsWhole(places: readonly Place[], cli: Cli): Promise<boolean> {
  for (const place of places) {
    if (!(await cli(place, 'cluster', 'info')).includes('cluster_state:ok')) return false;
    const nodes = (await cli(place, 'cluster', 'nodes')).split('\n');
    if (nodes.length !== places.length || /fail|handshake/.test(nodes.join())) return false;
    if (!nodes.some((line) => line.includes('slave'))) return false;
  }
  return true;
}
