import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OverrideRequest, Target } from '../../src/control/control-plane.ts';
import { createConfig } from '../nameserver/fixture.ts';
import { createPlaneFixture, problemIn } from './plane-fixture.ts';

const REGION: Target = { kind: 'region', name: 'eu' };
const drain = (target: Target, more: Partial<OverrideRequest> = {}): OverrideRequest => ({
  target,
  action: 'drain',
  reason: '',
  by: 'ann',
  ...more,
});

test('setOverride() drains, tells, and lapses by itself', async () => {
  const { plane, flawed, kinds } = await createPlaneFixture();
  const set = await plane.setOverride(drain(REGION, { forSeconds: 60, reason: 'kernel' }));
  assert.ok(!('problem' in set));
  assert.equal(set.expiresAtMs, flawed.clock.nowMs() + 60_000);
  assert.equal(plane.regions().find(({ name }) => name === 'eu')?.state, 'forced-down');
  assert.deepEqual(kinds(), ['region.drain']);
  await flawed.clock.advance(60_000);
  assert.deepEqual(plane.overrides(), []);
});

test('setOverride() refuses what does not exist, what lasts too long, what leaves nothing', async () => {
  const { plane, down } = await createPlaneFixture();
  const code = async (request: OverrideRequest): Promise<string> =>
    problemIn(await plane.setOverride(request)).code;
  assert.equal(await code(drain({ kind: 'region', name: 'mars' })), 'unknown-region');
  assert.equal(await code(drain({ kind: 'pool', name: 'constructor' })), 'unknown-pool');
  assert.equal(await code(drain({ kind: 'endpoint', name: 'web' })), 'unknown-endpoint');
  assert.equal(await code(drain(REGION, { forSeconds: 0 })), 'duration-out-of-range');
  assert.equal(await code(drain(REGION, { forSeconds: 1e9 })), 'duration-out-of-range');
  assert.equal(await code(drain({ kind: 'pool', name: 'web' })), 'no-usable-endpoint');
  for (const pool of ['web', 'legacy']) for (const at of ['us', 'ap']) down.add(`${pool}/${at}`);
  assert.equal(await code(drain(REGION)), 'no-usable-endpoint');
  assert.ok(!('problem' in (await plane.setOverride(drain(REGION, { force: true })))));
});

test('a second word on the same target replaces the first, and a narrower one wins', async () => {
  const { plane } = await createPlaneFixture();
  await plane.setOverride(drain(REGION));
  await plane.setOverride(drain(REGION, { action: 'up' }));
  assert.deepEqual(
    plane.overrides().map(({ action }) => action),
    ['up'],
  );
  await plane.setOverride(drain({ kind: 'endpoint', name: 'web/eu' }, { action: 'down' }));
  const states = plane
    .regions()
    .find(({ name }) => name === 'eu')
    ?.endpoints.map(({ name, state }) => `${name} ${state}`);
  assert.ok(states?.includes('web/eu forced-down'), String(states));
  assert.ok(states?.includes('legacy/eu forced-up'), String(states));
});

test('clearOverride() lifts what is in force and says when nothing is', async () => {
  const { plane, kinds } = await createPlaneFixture();
  assert.equal(problemIn(await plane.clearOverride(REGION, 'ann')).code, 'no-override');
  const mars: Target = { kind: 'region', name: 'mars' };
  assert.equal(problemIn(await plane.clearOverride(mars, 'ann')).code, 'unknown-region');
  await plane.setOverride(drain(REGION));
  const cleared = await plane.clearOverride(REGION, 'ann');
  assert.ok(!('problem' in cleared));
  assert.equal(cleared.action, 'cleared');
  assert.deepEqual(plane.overrides(), []);
  assert.deepEqual(kinds(), ['region.drain', 'region.undrain']);
});

test('clearOverride() lifts a drain whose region a reload has taken away', async () => {
  const { plane, serve } = await createPlaneFixture();
  await plane.setOverride(drain(REGION));
  const { eu: _eu, ...regions } = createConfig().regions;
  const pools = Object.fromEntries(
    Object.entries(createConfig().pools).map(([name, pool]) => [
      name,
      { ...pool, endpoints: pool.endpoints.filter(({ region }) => region !== 'eu') },
    ]),
  );
  serve(createConfig({ regions, pools }));
  assert.equal(plane.overrides().length, 1);
  assert.ok(!('problem' in (await plane.clearOverride(REGION, 'ann'))));
  assert.deepEqual(plane.overrides(), []);
});

test('a running drill keeps its drain; a drain that lost its drill can be cleared', async () => {
  const { plane, flawed, overrides } = await createPlaneFixture();
  const started = await plane.startDrill({
    region: 'eu',
    durationSeconds: 60,
    by: 'a',
    reason: '',
  });
  assert.ok(!('problem' in started));
  await flawed.clock.advance(5_000);
  const refused = problemIn(await plane.clearOverride(REGION, 'ann'));
  assert.equal(refused.code, 'drill-running');
  assert.match(refused.hint ?? '', new RegExp(started.id));
  // A person's own drain comes and goes beside it.
  await plane.setOverride(drain(REGION, { force: true }));
  assert.ok(!('problem' in (await plane.clearOverride(REGION, 'ann'))));
  assert.deepEqual(
    plane.overrides().map(({ drill }) => drill),
    [started.id],
  );
  await plane.stopDrill(started.id, 'ann');
  const lost = { ...drain(REGION), setAtMs: 0, action: 'drain', drill: 'drill-lost' } as const;
  await overrides.set(lost);
  assert.ok(!('problem' in (await plane.clearOverride(REGION, 'ann'))));
  assert.deepEqual(plane.overrides(), []);
});

test("a person's word beats a drill's", async () => {
  const { plane, flawed } = await createPlaneFixture();
  await plane.startDrill({ region: 'eu', durationSeconds: 60, by: 'a', reason: '' });
  await flawed.clock.advance(5_000);
  const stateOfEu = () => plane.regions().find(({ name }) => name === 'eu')?.state;
  assert.equal(stateOfEu(), 'forced-down');
  await plane.setOverride(drain(REGION, { action: 'up' }));
  assert.equal(stateOfEu(), 'forced-up');
  await plane.clearOverride(REGION, 'ann');
  assert.equal(stateOfEu(), 'forced-down');
});

test("a drill's counts never fall, whatever a reload takes away", async () => {
  const { plane, flawed, answers, serve } = await createPlaneFixture();
  answers.set('web/eu', 10).set('legacy/eu', 5);
  const started = await plane.startDrill({
    region: 'eu',
    durationSeconds: 60,
    by: 'a',
    reason: '',
  });
  assert.ok(!('problem' in started));
  answers.set('web/eu', 13);
  const { legacy: _legacy, ...pools } = createConfig().pools;
  const zones = Object.fromEntries(
    Object.entries(createConfig().zones).map(([name, zone]) => [
      name,
      { ...zone, steered: zone.steered.filter(({ pool }) => pool !== 'legacy') },
    ]),
  );
  serve(createConfig({ pools, zones }));
  await flawed.clock.advance(5_000);
  const before = plane.drills()[0]?.observed.before.find(({ region }) => region === 'eu');
  assert.equal(before?.answers, 3);
});

test('metrics() is Prometheus text with every label escaped and every sample a number', async () => {
  const fixture = await createPlaneFixture();
  const { plane, answers, down } = fixture;
  answers.set('web/eu', 7);
  down.add('web/us');
  await plane.setOverride(drain(REGION));
  fixture.lastReload = { ok: false, atMs: 0, generation: 1, revision: 1, changes: [], issues: [] };
  const { contentType, body } = await plane.metrics();
  assert.match(contentType, /^text\/plain/);
  const samples = parseMetrics(body);
  assert.equal(samples.get('meridian_dns_steered_answers_total{pool="web",region="eu"}'), 7);
  assert.equal(samples.get('meridian_endpoint_up{pool="web",region="us"}'), 0);
  assert.equal(samples.get('meridian_endpoint_up{pool="web",region="eu"}'), 0);
  assert.equal(samples.get('meridian_endpoint_up{pool="web",region="ap"}'), 1);
  assert.equal(samples.get('meridian_overrides'), 1);
  assert.equal(samples.get('meridian_generation'), 1);
  assert.equal(samples.get('meridian_config_last_reload_successful'), 0);
  assert.equal(samples.get('meridian_build_info{version="1.2.3"}'), 1);
  assert.ok(samples.has('process_cpu_seconds_total'));
  const share = ['us', 'eu', 'ap'].map((region) =>
    samples.get(`meridian_region_address_share{region="${region}"}`),
  );
  assert.ok(share.every((value) => value !== undefined && value >= 0 && value <= 1));
});

test('a pool that no name uses and a node without zones are shown like the others', async () => {
  const config = createConfig();
  const { plane, serve } = await createPlaneFixture();
  serve(createConfig({ pools: { ...config.pools, spare: config.pools['web']! } }));
  const spare = plane.pools().find(({ name }) => name === 'spare');
  assert.deepEqual(spare?.names, []);
  assert.equal(spare?.endpoints.length, 3);
  serve(createConfig({ zones: {} }));
  assert.deepEqual(plane.zones(), []);
  assert.deepEqual(
    plane.regions().map(({ addressShare }) => addressShare),
    [0, 0, 0],
  );
  const { body } = await plane.metrics();
  assert.ok(parseMetrics(body).size > 0);
  serve(createConfig({ zones: {}, pools: {}, regions: {} }));
  assert.deepEqual(plane.regions(), []);
  const drill = { region: 'eu', durationSeconds: 60, by: 'a', reason: '' };
  assert.equal(problemIn(await plane.startDrill(drill)).hint, 'No region is configured.');
});

/** The exposition format 0.0.4, strictly: every line is a comment of a known kind or a sample. */
function parseMetrics(text: string): ReadonlyMap<string, number> {
  const label = /[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"/.source;
  const sample = new RegExp(
    `^([a-zA-Z_:][a-zA-Z0-9_:]*(?:\\{${label}(?:,${label})*\\})?) ([-+0-9.eE]+|[Nn]a[Nn]|[+-]Inf)$`,
  );
  const samples = new Map<string, number>();
  assert.ok(text.endsWith('\n'));
  for (const line of text.split('\n')) {
    if (line === '' || /^# (HELP|TYPE) [a-zA-Z_:]/.test(line)) continue;
    const match = sample.exec(line);
    assert.ok(match, `not a sample: ${line}`);
    assert.ok(!samples.has(match[1]!), `twice: ${line}`);
    samples.set(match[1]!, Number(match[2]));
  }
  return samples;
}

test('refreshZone() is for zones that there are, and that are copied', async () => {
  const { plane } = await createPlaneFixture();
  assert.equal(problemIn(await plane.refreshZone('mars.example')).code, 'zone.unknown');
  assert.equal(problemIn(await plane.refreshZone('GSLB.example.')).code, 'zone.no-primary');
});

test('metrics() tells what the kernel threw away, by socket and worker', async () => {
  const { plane } = await createPlaneFixture();
  const { body } = await plane.metrics();
  const labels = '{address="[::1]:53",worker="dns-udp-1"}';
  assert.ok(body.includes(`meridian_dns_socket_drops_total${labels} 3`), body);
  assert.ok(body.includes(`meridian_dns_socket_receive_buffer_bytes${labels} 212992`), body);
});

test('metrics() has durations as histograms that Prometheus understands', async () => {
  const { plane } = await createPlaneFixture();
  const { body } = await plane.metrics();
  assert.match(body, /^# TYPE meridian_dns_query_duration_seconds histogram$/m);
  const samples = parseMetrics(body);
  const name = 'meridian_dns_query_duration_seconds';
  for (const transport of ['udp', 'stream']) {
    const of = `transport="${transport}"`;
    const buckets = [...samples].flatMap(([key, value]) => {
      const le = new RegExp(`^${name}_bucket\\{${of},le="([^"]+)"\\}$`).exec(key)?.[1];
      return le === undefined
        ? []
        : [{ le: le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le), value }];
    });
    assert.equal(buckets.length, 20);
    assert.deepEqual([buckets[0]!.le, buckets[1]!.le, buckets.at(-2)!.le], [1e-6, 2e-6, 1]);
    // Each slot counts its own number here: buckets rise by that.
    for (const [index, { le, value }] of buckets.slice(1).entries()) {
      assert.ok(le > buckets[index]!.le && value > buckets[index]!.value);
    }
    assert.equal(buckets.at(-1)!.value, samples.get(`${name}_count{${of}}`));
    assert.ok(samples.get(`${name}_sum{${of}}`)! > 0);
  }
  assert.equal(samples.get('meridian_dns_dnstap_connected'), 1);
});

test('metrics() tells what balancers have counted, by listener, route, upstream and server', async () => {
  const { plane } = await createPlaneFixture();
  const samples = parseMetrics((await plane.metrics()).body);
  // 110 requests a second for a minute, of which one in ten failed (fixture-traffic.ts).
  const route = 'listener="public",route="* /",when=""';
  const beta = 'listener="public",route="* /api",when="header X-Beta"';
  const server = 'upstream="web-frankfurt",server="127.0.2.1:9001"';
  const expected: Readonly<Record<string, number>> = {
    'listener_requests_total{listener="public"}': 6600,
    'listener_responses_total{listener="public",class="5xx"}': 660,
    'listener_ends_total{listener="public",reason="done"}': 6600,
    [`route_requests_total{${route}}`]: 6000,
    [`route_requests_total{${beta}}`]: 600,
    [`route_bytes_total{${route},direction="sent"}`]: 6_000_000,
    [`route_retries_total{${route}}`]: 300,
    [`route_duration_seconds_bucket{${route},le="0.0025"}`]: 0,
    [`route_duration_seconds_bucket{${route},le="0.005"}`]: 5400,
    [`route_duration_seconds_bucket{${route},le="0.1"}`]: 6000,
    [`route_duration_seconds_bucket{${route},le="+Inf"}`]: 6000,
    [`route_duration_seconds_sum{${route}}`]: 5400 * 0.005 + 600 * 0.1,
    [`route_duration_seconds_count{${beta}}`]: 600,
    'upstream_requests_queued{upstream="web-frankfurt"}': 1,
    'upstream_overflows_total{upstream="web-frankfurt",limit="queue"}': 2,
    'upstream_overflows_total{upstream="web-frankfurt",limit="retry-budget"}': 4,
    [`server_failures_total{${server}}`]: 660,
    [`server_failure_kinds_total{${server},kind="status"}`]: 660,
    [`server_failure_kinds_total{${server},kind="connect"}`]: 0,
    [`server_responses_total{${server},class="2xx"}`]: 5940,
    [`server_first_byte_seconds_count{${server}}`]: 6600,
    'access_log_lines_total{result="dropped"}': 0,
    access_log_bytes_total: 0,
  };
  for (const [name, value] of Object.entries(expected)) {
    assert.equal(samples.get(`meridian_${name}`), value, name);
  }
  assert.ok(![...samples.keys()].some((name) => name.includes('server_connect_seconds_')));
});

test('explainRequest() explains by the configuration that is served, and says what is missing', async () => {
  const { plane, serve } = await createPlaneFixture();
  const question = { method: 'GET', url: 'http://x.example/a', headers: [] };
  const before = problemIn(plane.explainRequest(question));
  assert.equal(before.message, 'There is no HTTP listener.');
  const config = createConfig();
  const route = { hosts: [], pathPrefix: '/', filters: [] };
  const listener = { name: 'web', region: 'eu', address: '192.0.2.1', port: 80, routes: [route] };
  serve({ ...config, balancer: { ...config.balancer, listeners: [listener] } });
  const explained = plane.explainRequest(question);
  assert.ok('routes' in explained);
  assert.deepEqual(explained.answer, { status: 503, why: 'the route has no upstream' });
});
