import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { closedPort } from '../closed-port.ts';
import { type RedisServer, redisCli, startProcess, startRedis } from '../store/redis-server.ts';
import { until } from '../store/watching.ts';

/** Several Redis servers that belong together, on this machine, quick to fail over. */

export type SentinelSet = {
  readonly servers: readonly RedisServer[];
  readonly sentinelPorts: readonly number[];
  /** The port of the server that the Sentinels name. */
  named(): Promise<number>;
};

const START_PATIENCE_MS = 15_000;

/** A server, its replica, and Sentinels that need a majority of three. */
export async function startSentinels(t: TestContext): Promise<SentinelSet> {
  const master = await startRedis(t);
  const replica = await startRedis(t, {
    words: ['--replicaof', '127.0.0.1', `${master.port}`, '--repl-diskless-sync-delay', '0'],
  });
  const sentinelPorts: number[] = [];
  for (let at = 0; at < 3; at += 1) {
    const port = await closedPort();
    const file = join(master.directory, `sentinel-${at}.conf`);
    const lines = [
      `port ${port}`,
      'bind 127.0.0.1',
      `dir ${master.directory}`,
      `sentinel monitor mymaster 127.0.0.1 ${master.port} 2`,
      'sentinel down-after-milliseconds mymaster 1000',
      'sentinel failover-timeout mymaster 5000',
    ];
    writeFileSync(file, `${lines.join('\n')}\n`);
    const child = await startProcess('redis-server', [file, '--sentinel'], '+monitor master');
    t.after(() => child.kill('SIGKILL'));
    sentinelPorts.push(port);
  }
  const ask = (port: number, ...words: string[]): Promise<string> =>
    redisCli(port, ['sentinel', ...words]);
  const named = async (): Promise<number> => {
    const reply = await ask(sentinelPorts[0]!, 'get-master-addr-by-name', 'mymaster');
    return Number(reply.split('\n')[1]);
  };
  await eventually(async () => {
    const [state, link] = await Promise.all([
      ask(sentinelPorts[0]!, 'master', 'mymaster'),
      redisCli(replica.port, ['info', 'replication']),
    ]);
    const numbers = /num-slaves\n1[\s\S]*num-other-sentinels\n2/.test(state);
    return numbers && link.includes('master_link_status:up');
  });
  return { servers: [master, replica], sentinelPorts, named };
}

export type ClusterSet = {
  readonly masters: readonly RedisServer[];
  readonly replica: RedisServer;
};

/** Three masters, and a replica of that which holds the keys with the tag. */
export async function startCluster(t: TestContext, tag: string): Promise<ClusterSet> {
  const words = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000'];
  const servers: RedisServer[] = [];
  for (let at = 0; at < 4; at += 1) {
    // The bus is not 10,000 ports higher here: such a port may be taken, or none.
    const bus = await closedPort();
    servers.push(await startRedis(t, { words: [...words, '--cluster-port', `${bus}`] }));
  }
  const masters = servers.slice(0, 3);
  const replica = servers[3]!;
  const buses = await Promise.all(
    servers.map(async (one) => (await one.cli('config', 'get', 'cluster-port')).split('\n')[1]!),
  );
  for (const [at, server] of servers.entries()) {
    await server.cli('config', 'set', 'cluster-require-full-coverage', 'no');
    for (const [other, { port }] of servers.entries()) {
      if (other > at) await server.cli('cluster', 'meet', '127.0.0.1', `${port}`, buses[other]!);
    }
  }
  const ranges = ['0 5460', '5461 10922', '10923 16383'];
  for (const [at, master] of masters.entries()) {
    await master.cli('cluster', 'addslotsrange', ...ranges[at]!.split(' '));
  }
  const slot = Number(await masters[0]!.cli('cluster', 'keyslot', tag));
  const owner = masters[slot <= 5460 ? 0 : slot <= 10_922 ? 1 : 2]!;
  const ownerId = await owner.cli('cluster', 'myid');
  await eventually(async () => (await replica.cli('cluster', 'nodes')).includes(ownerId));
  await eventually(async () => (await replica.cli('cluster', 'replicate', ownerId)) === 'OK');
  await eventually(async () => {
    const states = await Promise.all(servers.map((one) => one.cli('cluster', 'info')));
    const link = await replica.cli('info', 'replication');
    const known = await Promise.all(servers.map((one) => one.cli('cluster', 'nodes')));
    return (
      states.every((state) => state.includes('cluster_state:ok')) &&
      link.includes('master_link_status:up') &&
      known.every((nodes) => nodes.includes('slave') && nodes.split('\n').length === 4)
    );
  });
  return { masters, replica };
}

async function eventually(holds: () => Promise<boolean>): Promise<void> {
  let result = false;
  let isOver = false;
  const asking = (async () => {
    while (!result && !isOver) result = await holds().catch(() => false);
  })();
  await until(() => result, undefined, START_PATIENCE_MS).finally(() => {
    isOver = true;
  });
  await asking;
}
