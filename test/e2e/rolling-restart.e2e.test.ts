import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as passed } from 'node:timers/promises';
import { served, startLoad } from '../balancer/load.ts';
import { freePort } from '../node/free-addresses.ts';
import { runProgram, startProgram } from '../node/program.ts';
import { scratchDirectory } from '../node/scratch.ts';
import { until } from '../node/until.ts';

/**
 * All servers are replaced one after the other, as people do it: drained, rested, restarted and brought back with the
 * command line of a real node, while clients who know nothing of it ask without pause. Nothing may be lost, not even
 * what is never repeated, and clients that stay on a server do so until it rests.
 */
const DEADLINE_MS = 20_000;
const SERVERS = 3;
const HOLDERS = 9;
const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH'];
const AFFINITIES = {
  cookie: { cookie: { secret: 'a secret of this test' } },
  table: { header: 'X-User' },
} as const;

for (const engine of ['auto', 'portable'] as const) {
  for (const [kind, affinity] of Object.entries(AFFINITIES)) {
    test(`a rolling restart under load loses nothing, engine ${engine}, sessions by ${kind}`, async (t) => {
      const servers = await Promise.all(Array.from({ length: SERVERS }, () => startServer(t, 0)));
      const node = await startNode(t, engine, affinity, servers);
      const load = startLoad(node.port, '/', METHODS);
      const holders = Array.from({ length: HOLDERS }, (_, index) =>
        startHolder(node.port, `user-${index}`),
      );
      for (const server of servers) {
        await served(load, 100);
        await everybodyAsks(holders);
        const homes = holders.map(({ home }) => home());
        const name = `127.0.0.1:${server.port}`;
        await node.servers('drain', name);
        await everybodyAsks(holders);
        assert.deepEqual(
          holders.map(({ home }) => home()),
          homes,
          'whoever is on it stays',
        );
        // What was in flight has been answered by now.
        await served(load, 100);
        const strangers = load.from(server.port);
        await served(load, 100);
        assert.equal(load.from(server.port), strangers, 'nobody new comes');
        await node.servers('maintenance', name);
        const haveMoved = (): boolean => holders.every(({ home }) => home() !== server.port);
        await until(haveMoved, DEADLINE_MS, 'whoever was on it goes');
        await until(async () => (await node.active(name)) === 0, DEADLINE_MS, 'it has nothing');
        await server.restart();
        await node.servers('ready', name);
        const before = await node.requests(name);
        await until(async () => (await node.requests(name)) > before, DEADLINE_MS, 'it is asked');
      }
      await served(load, 100);
      await load.stop();
      for (const holder of holders) await holder.stop();
      assert.deepEqual(load.lost, []);
      assert.deepEqual(
        holders.flatMap(({ lost }) => lost),
        [],
      );
      t.diagnostic(`${load.answered()} requests, and ${sum(holders.map(({ asked }) => asked()))}`);
    });
  }
}

const sum = (counts: readonly number[]): number => counts.reduce((all, each) => all + each, 0);

/** A server in a process of its own that comes back at its port. */
async function startServer(t: TestContext, wanted: number) {
  const file = new URL('../balancer/fixtures/origin-process.ts', import.meta.url);
  let child: ChildProcess;
  const start = async (port: number): Promise<number> => {
    child = fork(file, [String(port)]);
    const [at] = (await once(child, 'message')) as [number];
    return at;
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  };
  const port = await start(wanted);
  t.after(() => end('SIGKILL'));
  return {
    port,
    async restart() {
      await end('SIGTERM');
      await start(port);
    },
  };
}

async function startNode(
  t: TestContext,
  engine: string,
  affinity: object,
  servers: readonly { readonly port: number }[],
) {
  const [port, admin] = [await freePort(), await freePort()];
  const address = '127.0.0.1';
  const file = join(scratchDirectory('rolling'), 'node.yaml');
  const web = { servers: servers.map((server) => `127.0.0.1:${server.port}`), affinity };
  const config = {
    node: { name: 'a', roles: ['balancer', 'admin'], workers: { balancer: 2 } },
    regions: { eu: { location: 'DE' } },
    admin: { address, port: admin, tokens: [] },
    balancer: {
      engine,
      upstreams: { web },
      listeners: [{ region: 'eu', address, port, upstream: 'web' }],
    },
  };
  writeFileSync(file, JSON.stringify(config));
  const program = startProgram(t, ['run', '--config', file]);
  await program.said(/node\.ready/, DEADLINE_MS);
  const api = `http://${address}:${admin}`;
  const countsOf = async (name: string): Promise<{ active: number; requests: number }> => {
    const response = await fetch(`${api}/api/v1/traffic`);
    const { servers: counts } = (await response.json()) as {
      servers: { server: string; active: number; requests: number }[];
    };
    return counts.find(({ server }) => server === name)!;
  };
  return {
    port,
    async servers(word: string, name: string) {
      const words = ['--admin', api, 'servers', word, 'web', name, '--reason', 'test'];
      const { code, stderr } = await runProgram(t, words);
      assert.equal(code, 0, stderr);
    },
    active: async (name: string) => (await countsOf(name)).active,
    requests: async (name: string) => (await countsOf(name)).requests,
  };
}

type Holder = ReturnType<typeof startHolder>;

/** A client that keeps its connection and its cookies, and comes back again and again. */
function startHolder(port: number, user: string) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const lost: string[] = [];
  let cookie = '';
  let home = 0;
  let asked = 0;
  let isOver = false;
  const ask = async (): Promise<void> => {
    const method = METHODS[asked % METHODS.length]!;
    const headers = { 'X-User': user, ...(cookie === '' ? {} : { Cookie: cookie }) };
    const request = http.request({ host: '127.0.0.1', port, method, agent, headers });
    request.end(method === 'POST' ? 'a body' : undefined);
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    response.resume();
    await once(response, 'end');
    const { headers: fields, statusCode } = response;
    if (statusCode !== 200) lost.push(`${user}: ${method} ${statusCode}`);
    home = Number(fields['x-port']);
    cookie = fields['set-cookie']?.[0]?.split(';')[0] ?? cookie;
  };
  const over = (async () => {
    while (!isOver) {
      await ask().catch((error: Error) => lost.push(`${user}: ${error.message}`));
      asked++;
      await passed(5);
    }
  })();
  return {
    lost,
    home: () => home,
    asked: () => asked,
    async stop() {
      isOver = true;
      await over;
      agent.destroy();
    },
  };
}

/** Waits until each of them has begun to ask, and was answered, after now. */
async function everybodyAsks(holders: readonly Holder[]): Promise<void> {
  const before = holders.map(({ asked }) => asked());
  const isDone = () => holders.every(({ asked }, index) => asked() >= before[index]! + 2);
  await until(isDone, DEADLINE_MS, 'holders ask');
}
