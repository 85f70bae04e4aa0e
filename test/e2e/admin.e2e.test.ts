import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { askDns } from '../../src/cli/dns-client.ts';
import { answerTo } from '../node/dns-client.ts';
import { startNodeFixture } from '../node/node-fixture.ts';
import { runCommand, runProgram } from '../node/program.ts';
import { planThreeRegions, STEERED, type ThreeRegions } from '../node/three-regions.ts';

/** The admin API of a whole node as orchestrators, monitoring and shells use it. */
const TYPE_A = 1;
const QUERIES = 5;

test('the admin API of a node', async (t) => {
  const world = await planThreeRegions(t);
  const url = `http://${world.admin.address}:${world.admin.port}`;
  const healthcheck = (t: TestContext) => runProgram(t, ['--admin', url, 'healthcheck']);

  const before = await healthcheck(t);
  assert.equal(before.code, 1, 'nothing runs yet');
  assert.match(before.stdout, /nothing listens there/);

  const watch = watchReadiness(url);
  const { node, stop } = await startNodeFixture(
    world.config({
      node: { roles: ['nameserver', 'admin'], workers: { dns: 1 } },
      balancer: {},
      pools: { web: { endpoints: ['virginia', 'frankfurt', 'singapore'] } },
    }),
  );
  let isStopped = false;
  t.after(() => (isStopped ? undefined : stop()));

  await t.test('/readyz answers 200 only when the node serves', async () => {
    const seen = await watch();
    assert.deepEqual(await answerTo(world.dns, { name: 'static.gslb.example' }), ['192.0.2.80']);
    assert.equal(seen.at(-1), 200);
    for (const status of seen.slice(0, -1)) assert.ok(status === 0 || status === 503, `${seen}`);
    const verbose = await json(`${url}/readyz?verbose`);
    assert.equal(verbose.status, 200);
    const checks = verbose.body['checks'] as { ok: boolean; name: string }[];
    assert.deepEqual(
      checks.filter(({ ok }) => !ok),
      [],
    );
    assert.ok(checks.some(({ name }) => name === 'worker dns-udp-1'));
  });
  await t.test('/healthz and /livez say that the process lives', async () => {
    for (const path of ['healthz', 'livez']) {
      assert.deepEqual(await json(`${url}/${path}`), { status: 200, body: { alive: true } });
    }
  });
  await t.test('/metrics can be read, and its counters grow with queries', () =>
    metricsGrow(world, url),
  );
  await t.test('/openapi.json describes what is there', () => everyRouteAnswers(url));
  await t.test('meridian healthcheck exits 0', async (t) => {
    const { code, stdout } = await healthcheck(t);
    assert.equal(code, 0);
    assert.match(stdout, /ready/);
  });
  await t.test('and 1 when the node has stopped', async (t) => {
    await stop();
    isStopped = true;
    assert.equal(node.plane.status().ready, false);
    assert.equal((await healthcheck(t)).code, 1);
  });
});

test('bash takes the completion script', async (t) => {
  const { code, stdout } = await runProgram(t, ['completion', 'bash']);
  assert.equal(code, 0);
  const script = `set -eu\n${stdout}\ncomplete -p meridian\n`;
  const result = await runCommand(t, 'bash', ['--norc', '-c', script]);
  assert.equal(result.code, 0, result.stderr);
  assert.equal(result.stderr, '');
  assert.match(result.stdout, /^complete .*meridian$/m);
});

/** Asks for readiness all the time; the function it returns gives the statuses up to the first 200. */
function watchReadiness(url: string): () => Promise<readonly number[]> {
  const seen: number[] = [];
  const asking = (async () => {
    while (seen.at(-1) !== 200) {
      const response = await fetch(`${url}/readyz`).catch(() => undefined);
      const status = response?.status ?? 0;
      if (seen.at(-1) !== status) seen.push(status);
      await new Promise(setImmediate);
    }
  })();
  return async () => {
    await asking;
    return seen;
  };
}

async function metricsGrow(world: ThreeRegions, url: string): Promise<void> {
  const first = await readMetrics(url);
  for (let asked = 0; asked < QUERIES; asked += 1) {
    await answerTo(world.dns, { name: STEERED, subnet: world.clients.frankfurt });
  }
  const question = { name: STEERED, type: TYPE_A, subnet: undefined };
  const reply = await askDns(world.dns, question, { tcp: true });
  assert.ok(reply.ok);
  const second = await readMetrics(url);
  const grown = (series: string): number =>
    (second.get(series) ?? NaN) - (first.get(series) ?? NaN);
  const udp = grown('meridian_dns_queries_total{transport="udp"}');
  assert.ok(udp >= QUERIES && udp <= 2 * QUERIES, `${udp}, some may have been asked again`);
  assert.equal(grown('meridian_dns_queries_total{transport="tcp"}'), 1);
  const answers = 'meridian_dns_steered_answers_total{pool="web",region="frankfurt"}';
  assert.ok(grown(answers) >= QUERIES, `${grown(answers)}`);
  assert.equal(second.get('meridian_worker_restarts_total{worker="dns-stream"}'), 0);
}

/** Series by name and labels; every line has the form that Prometheus wants, every family a type. */
async function readMetrics(url: string): Promise<ReadonlyMap<string, number>> {
  const response = await fetch(`${url}/metrics`);
  assert.equal(response.status, 200);
  assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  const text = await response.text();
  const typed = new Set(
    [...text.matchAll(/^# TYPE (\S+) (counter|gauge|histogram|summary)$/gm)].map(
      ([, name]) => name,
    ),
  );
  const series = new Map<string, number>();
  for (const line of text.split('\n').filter((each) => each !== '' && !each.startsWith('#'))) {
    const match = /^([a-zA-Z_:][\w:]*)(\{(?:\w+="(?:[^"\\]|\\.)*",?)*\})? (\S+)$/.exec(line);
    assert.ok(match, line);
    const [, name = '', labels = '', value] = match;
    const family = name.replace(/_(bucket|sum|count)$/, '');
    assert.ok(typed.has(name) || typed.has(family), `${name} has a type`);
    assert.ok(!series.has(name + labels), `${name}${labels} is there once`);
    series.set(name + labels, Number(value));
  }
  return series;
}

async function everyRouteAnswers(url: string): Promise<void> {
  const { body, status } = await json(`${url}/openapi.json`);
  assert.equal(status, 200);
  assert.match(String(body['openapi']), /^3\.1/);
  type Get = { readonly parameters?: readonly { readonly required?: boolean }[] };
  const paths = Object.entries(body['paths'] as Record<string, { readonly get?: Get }>);
  const plain = paths
    .filter(([, { get }]) => get && !get.parameters?.some(({ required }) => required))
    .map(([path]) => path);
  assert.ok(plain.length > 8, plain.join(' '));
  for (const path of plain) {
    const controller = new AbortController();
    const response = await fetch(url + path, { signal: controller.signal });
    // Nobody goes by capacity here, so that there is no plan.
    const isThere = path !== '/api/v1/capacity';
    assert.equal(response.status, isThere ? 200 : 404, path);
    controller.abort();
  }
}

async function json(url: string) {
  const response = await fetch(url);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}
