import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { talk } from '../balancer/rig.ts';
import { closedPort } from '../closed-port.ts';
import { startLiveOrigin } from './live-origin.ts';
import { startNodeFixture } from './node-fixture.ts';
import { until } from './until.ts';

/** What a whole node with several workers counts, over reloads and a worker's death. */
const DEADLINE_MS = 20_000;
const REQUESTS = 40;

test('workers are added up, and neither a reload nor a death takes anything away', async (t) => {
  const { ask, config, file, node } = await startBalancing(t);
  await ask('/api/x', REQUESTS);
  const route = (path: string) =>
    node.plane.traffic().routes.find(({ route: name }) => name === `* ${path}`);
  const seen = (count: number) => () =>
    route('/api')?.requests === count && route('/api')?.ends.done === count;
  await until(seen(REQUESTS), DEADLINE_MS, () => JSON.stringify(route('/api')));
  writeFileSync(file, JSON.stringify(config(['/other', '/api', '/'])));
  assert.ok((await node.plane.reload('test')).ok);
  await ask('/api/y', REQUESTS);
  await ask('/other', 3);
  await until(seen(2 * REQUESTS), DEADLINE_MS, () => JSON.stringify(route('/api')));
  const workers = node.threads().filter(({ name }) => name.startsWith('balancer-'));
  assert.equal(workers.length, 2);
  await workers[0]!.kill();
  const isBack = () => workers[0]!.restarts() === 1 && workers[0]!.state() === 'running';
  await until(isBack, DEADLINE_MS, 'the worker is back');
  await ask('/api/z', REQUESTS);
  await until(seen(3 * REQUESTS), DEADLINE_MS, () => JSON.stringify(route('/api')));
  const { body } = await node.plane.metrics();
  const { listeners, routes, servers } = node.plane.traffic();
  const total = 3 * REQUESTS + 3;
  assert.equal(listeners[0]?.requests, total);
  assert.equal(servers[0]?.statusClasses[1], total);
  assert.equal(servers[0]?.firstByte?.count, total);
  assert.ok(routes.every(({ active }) => active === 0));
  assert.equal(route('/api')?.duration.count, 3 * REQUESTS);
  assert.equal(route('/other')?.requests, 3);
  const labels = 'listener="web",route="* /api",when=""';
  assert.ok(body.includes(`meridian_route_requests_total{${labels}} ${3 * REQUESTS}\n`));
  const bucket = `meridian_route_duration_seconds_bucket{${labels},le="+Inf"} ${3 * REQUESTS}\n`;
  assert.ok(body.includes(bucket));
});

async function startBalancing(t: TestContext) {
  const origin = await startLiveOrigin(t, 'web');
  const port = await closedPort();
  const config = (paths: readonly string[]) => ({
    node: { name: 'n', roles: ['balancer'], workers: { balancer: 2 } },
    regions: { r: { location: 'DE', vips: ['127.0.0.1'] } },
    balancer: {
      upstreams: { b: { servers: [origin.at] } },
      listeners: [
        {
          ...{ name: 'web', region: 'r', address: '127.0.0.1', port },
          routes: paths.map((pathPrefix) => ({ pathPrefix, upstream: 'b' })),
        },
      ],
    },
  });
  const { file, node, stop } = await startNodeFixture(config(['/', '/api']));
  t.after(stop);
  /** Connections of their own, so that each worker has some. */
  const ask = async (path: string, times: number): Promise<void> => {
    const request = `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
    const answers = Array.from({ length: times }, () => talk(port, request));
    for (const { text } of await Promise.all(answers)) assert.match(text, /^HTTP\/1\.1 200 /);
  };
  return { ask, config, file, node };
}
