import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type TestContext, test } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import { validateConfig } from '../../src/config/validate.ts';
import { healthServers, serverJobs } from '../../src/monitoring/jobs.ts';
import { serverStates } from '../../src/monitoring/server-states.ts';
import { createServerHealth } from '../../src/monitoring/servers.ts';
import { centroids } from '../config/centroids.ts';
import { startMonitoring } from './real-monitoring.ts';
import { connectRaw, startRig } from './rig.ts';

/** Servers that a group of monitors judges, from the configuration to who gets the requests. */

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

/** A web server that is proxied and probed; it fails on the paths that are in `broken`. */
async function startWebServer(t: TestContext) {
  const state = { broken: new Set<string>(), served: 0 };
  const server = createServer((request, response) => {
    if (request.url === '/') state.served++;
    if (state.broken.has(request.url ?? '')) response.statusCode = 503;
    response.end('ok');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return Object.assign(state, { port: address.port });
}

const RULES = 'interval: 100ms, timeout: 90ms, recheck: 50ms, rise: 1, fall: 2';

function configOf(ports: readonly number[]): Config {
  const text = `
regions:
  eu: { location: DE }
monitors:
  web: { kind: http, path: /web, ${RULES} }
  cart: { kind: http, path: /cart, ${RULES} }
  search: { kind: http, path: /search, ${RULES} }
monitorGroups:
  most: { of: [web, cart, search], need: 2 }
balancer:
  upstreams:
    web: { servers: [${ports.map((port) => `127.0.0.1:${port}`).join(', ')}], monitor: most }
  listeners:
    - { region: eu, address: 127.0.0.1, port: 8080, upstream: web }
`;
  const result = validateConfig(text, 'test.yaml', {}, centroids);
  assert.ok(result.ok, JSON.stringify(result));
  return result.config;
}

/** Real probes of the servers, whose verdicts the rig's balancer follows. */
function monitor(t: TestContext, config: Config, rig: Awaited<ReturnType<typeof startRig>>) {
  const known = healthServers(config);
  const verdicts = new Map<string, string>();
  let hear = (): void => {};
  const health = createServerHealth({
    onChange: (flags) => rig.balancer.setServers(serverStates(known, flags)),
  });
  health.setServers(known);
  const monitoring = startMonitoring((verdict) => {
    health.observe(verdict);
    verdicts.set(verdict.key, verdict.state.verdict);
    hear();
  });
  monitoring.setJobs(serverJobs(config));
  t.after(() => monitoring.close());
  return {
    health,
    /** Until so many targets are known to be as they should. */
    async heard(word: 'up' | 'down', count: number): Promise<void> {
      const are = () => [...verdicts.values()].filter((each) => each === word).length;
      while (are() !== count) await new Promise<void>((resolve) => (hear = resolve));
    },
  };
}

test('a server stays while two of its three monitors are up, goes with the second, and comes back', async (t) => {
  const servers = [await startWebServer(t), await startWebServer(t)];
  const first = servers[0]!;
  const ports = servers.map(({ port }) => port);
  const rig = await startRig({ servers: ports, algorithm: 'round-robin' });
  t.after(() => rig.close());
  const { heard, health } = monitor(t, configOf(ports), rig);
  const client = connectRaw(rig.port);
  t.after(() => client.socket.destroy());
  let answers = 0;
  /** Of so many requests, those that the first server got. */
  const served = async (requests: number): Promise<number> => {
    const before = first.served;
    for (let each = 0; each < requests; each++) {
      answers++;
      client.send(GET);
      await client.until((text) => text.split('\r\n\r\nok').length > answers);
    }
    return first.served - before;
  };
  const status = () => health.status('web', `127.0.0.1:${first.port}`);
  const because = (path: string): string =>
    `(server ${path} 127.0.0.1:${first.port}: status 503, wanted 200-299)`;

  await heard('up', 6);
  assert.equal(await served(10), 5);
  first.broken.add('/cart');
  await heard('down', 1);
  const reason = `most: 2 of 3, 2 needed ${because('cart')}`;
  assert.deepEqual(status(), { state: 'up', reason });
  assert.equal(await served(10), 5, 'one of three may fail');
  first.broken.add('/search');
  await heard('down', 2);
  assert.deepEqual(status(), {
    state: 'down',
    reason: `most: 1 of 3, 2 needed ${because('cart')}`,
  });
  assert.equal(await served(10), 0, 'two may not');
  first.broken.delete('/cart');
  await heard('down', 1);
  assert.equal(status()?.state, 'up');
  assert.ok((await served(10)) > 0, 'it is back');
});
