import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import { ask } from '../interop/ask.ts';
import { loopbackAddress } from '../node/free-addresses.ts';
import { startNodeFixture } from '../node/node-fixture.ts';
import { until } from '../node/until.ts';
import { launchBrowser } from './page-fixture.ts';

/**
 * Browsers that open a page measure the ways to two balancers, one of which is far, and tell the one that they are on.
 * Then names lead their network to the near one, though geography says otherwise.
 */
const NAME = 'www.gslb.example';
const VIP = { frankfurt: '192.0.2.1', paris: '192.0.2.2' };
const DEADLINE_MS = 60_000;
const PORTS = { dns: 5300, http: 8080 };
/** More than a browser on a busy machine adds. */
const FAR_MS = 150;
const CLIENT = '127.77.1.99';
/** As `clientsMin` wants, and one that reports twice. */
const BROWSERS = ['127.77.1.2', '127.77.1.3', '127.77.1.4', '127.77.1.2'];

for (const engine of ['auto', 'portable']) {
  test(`browsers measure ways, and names follow, ${engine}`, async (t) => {
    const [frankfurt, paris] = [loopbackAddress(), loopbackAddress()];
    const far = await openRelay(t, { host: paris, port: PORTS.http }, FAR_MS);
    const origins = {
      frankfurt: `http://${frankfurt}:${PORTS.http}`,
      paris: `http://127.0.0.1:${far}/`,
    };
    const { node, stop } = await startNodeFixture(config(engine, { frankfurt, paris }, origins));
    t.after(stop);
    const region = async (): Promise<string | undefined> => {
      const { answer } = await ask(
        'dig',
        { address: frankfurt, port: PORTS.dns },
        '-b',
        CLIENT,
        NAME,
      );
      return answer[0]?.split(' ').at(-1);
    };
    assert.equal(await region(), VIP.paris, 'nobody has measured yet');
    const browser = await launchBrowser();
    t.after(() => browser.close());
    for (const [index, address] of BROWSERS.entries()) {
      const complaints = await view(
        browser,
        `http://127.0.0.1:${await visitor(t, frankfurt, address)}/`,
      );
      assert.deepEqual(complaints, []);
      const heard = (): number => {
        const { refused = 0, taken = 0 } = node.plane.status().latency?.pages ?? {};
        return taken + refused;
      };
      await until(() => heard() === index + 1, DEADLINE_MS, `the report of ${address}`);
    }
    assert.deepEqual(node.plane.status().latency?.pages, { taken: 3, refused: 1 });
    // What a busy machine adds may be too uneven to believe: then more visitors come.
    let host = 5;
    const isNear = async (): Promise<boolean> => {
      await view(browser, `http://127.0.0.1:${await visitor(t, frankfurt, `127.77.1.${host}`)}/`);
      host += 1;
      return (await region()) === VIP.frankfurt;
    };
    await until(isNear, DEADLINE_MS, 'the answer that follows the pages');
    const { body } = await node.plane.metrics();
    assert.match(body, /^meridian_latency_page_reports_total\{outcome="taken"\} [1-9]/m);
  });
}

/** The port on which a browser comes to a balancer from this address. */
const visitor = (t: TestContext, host: string, localAddress: string): Promise<number> =>
  openRelay(t, { host, port: PORTS.http, localAddress }, 0);

/** Opens the page. Returns what the browser dislikes. */
async function view(
  browser: Awaited<ReturnType<typeof launchBrowser>>,
  url: string,
): Promise<readonly string[]> {
  const complaints: string[] = [];
  const page = await browser.newPage();
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  const sent = page.waitForRequest((request) => request.url().includes('/report?'));
  await page.goto(url);
  const report = await sent;
  assert.equal(report.method(), 'POST');
  assert.match(report.url(), /\?(frankfurt|paris)=\d+\.\d&(frankfurt|paris)=\d+\.\d$/);
  const paris = Number(new URL(report.url()).searchParams.get('paris'));
  // What the relay adds is more than one way of it.
  assert.ok(paris > FAR_MS, report.url());
  await page.close();
  return complaints;
}

/** What passes through it takes so long, either way. */
async function openRelay(
  t: TestContext,
  to: { readonly host: string; readonly port: number; readonly localAddress?: string },
  delayMs: number,
): Promise<number> {
  const relay = net.createServer((client) => {
    const server = net.connect(to);
    for (const [from, into] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on('data', (bytes) => setTimeout(() => into.write(bytes), delayMs));
      from.on('close', () => setTimeout(() => into.destroy(), delayMs));
      from.on('error', () => {});
    }
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  t.after(() => relay.close());
  return (relay.address() as net.AddressInfo).port;
}

function config(
  engine: string,
  addresses: Readonly<Record<'frankfurt' | 'paris', string>>,
  regions: Readonly<Record<string, string>>,
): Record<string, unknown> {
  const html =
    '<!doctype html><link rel="icon" href="data:,"><script async src="/.well-known/meridian/beacon.js"></script>';
  const headers = { 'Content-Type': 'text/html' };
  const listener = (region: 'frankfurt' | 'paris') => ({
    ...{ region, address: addresses[region], port: PORTS.http },
    routes: [{ filters: [{ kind: 'respond', status: 200, headers, body: html }], upstream: 'web' }],
  });
  return {
    node: {
      ...{ name: 'fra-1', roles: ['nameserver', 'balancer'] },
      workers: { dns: 1, balancer: 1 },
    },
    regions: {
      frankfurt: { location: 'DE', vips: [VIP.frankfurt] },
      paris: { location: 'FR', vips: [VIP.paris] },
    },
    geo: { overrides: [{ networks: ['127.0.0.0/8'], location: 'FR' }] },
    latency: {
      ...{ window: '1s', windows: 1, band: '1ms', churnPercent: 100, dwell: '0s' },
      // What relays add the kernel does not see, so connections would tell of no distance.
      ...{ connectionsPerSecond: 0, connectionsMin: 3 },
      pages: { regions, percent: 100 },
    },
    pools: { web: { endpoints: [{ region: 'frankfurt' }, { region: 'paris' }] } },
    policies: { fastest: { chain: ['latency'] } },
    zones: {
      'gslb.example': {
        nameservers: ['ns1'],
        records: { ns1: { A: '192.0.2.53' } },
        steered: { www: { pool: 'web', policy: 'fastest' } },
      },
    },
    dns: { listeners: [`${addresses.frankfurt}:${PORTS.dns}`] },
    balancer: {
      engine,
      upstreams: { web: { servers: [`${addresses.frankfurt}:${PORTS.http}`] } },
      listeners: [listener('frankfurt'), listener('paris')],
    },
  };
}
