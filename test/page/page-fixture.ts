import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { loopbackAddress } from '../node/free-addresses.ts';
import { type NodeFixture, startNodeFixture } from '../node/node-fixture.ts';

/** A node with the built page, and a Chromium that tells all that it dislikes about it. */
export type PageFixture = NodeFixture & {
  readonly url: string;
  /** Ends what answers the probes of a region. */
  killRegion(name: RegionName): Promise<void>;
  reviveRegion(name: RegionName): Promise<void>;
  /** Starts another node, which the first one hears: one that answers for the same service, by its own file. */
  startNeighbour(): Promise<NodeFixture>;
};
export type RegionName = 'virginia' | 'frankfurt' | 'singapore';

const DASHBOARD = fileURLToPath(new URL('../../dist/dashboard', import.meta.url));
const WEB_PORT = 8080;
const LOCATIONS = {
  virginia: { latitude: 38.95, longitude: -77.45, country: 'US', city: 'Ashburn' },
  frankfurt: { latitude: 50.11, longitude: 8.68, country: 'DE', city: 'Frankfurt' },
  singapore: { latitude: 1.35, longitude: 103.82, country: 'SG', city: 'Singapore' },
} as const;
const CLUSTER_KEY = 'the cluster key of a test, long enough to be one';
const NAMES = ['virginia', 'frankfurt', 'singapore'] as const;

export async function startPageFixture(tokens: readonly string[] = []): Promise<PageFixture> {
  await buildPage();
  const address = loopbackAddress();
  const vips = {
    virginia: loopbackAddress(),
    frankfurt: loopbackAddress(),
    singapore: loopbackAddress(),
  };
  const origins = new Map(NAMES.map((name) => [name, createServer((_, reply) => reply.end('ok'))]));
  const reviveRegion = (name: RegionName): Promise<void> =>
    new Promise((resolve) => origins.get(name)?.listen(WEB_PORT, vips[name], resolve));
  await Promise.all(NAMES.map(reviveRegion));
  const killRegion = async (name: RegionName): Promise<void> => {
    const origin = origins.get(name);
    if (!origin?.listening) return;
    origin.closeAllConnections();
    await new Promise((resolve) => origin.close(resolve));
  };
  const fixture = await startNodeFixture(configOf(address, vips, tokens), {
    dashboardDirectory: DASHBOARD,
  });
  const { adminUrl } = fixture.node;
  assert.ok(adminUrl !== undefined);
  const neighbours: NodeFixture[] = [];
  const startNeighbour = async (): Promise<NodeFixture> => {
    const { admin: _, node, ...rest } = configOf(address, vips, tokens);
    const neighbour = await startNodeFixture({
      ...rest,
      node: { ...node, name: 'neighbour', roles: ['nameserver', 'prober'], vantages: [] },
      cluster: {
        keys: [CLUSTER_KEY],
        listen: [`${loopbackAddress()}:8054`],
        peers: [`${address}:8054`],
      },
      dns: { listeners: [`${loopbackAddress()}:5300`] },
    });
    neighbours.push(neighbour);
    return neighbour;
  };
  const stop = async (): Promise<void> => {
    for (const neighbour of neighbours) await neighbour.stop();
    await fixture.stop();
    await Promise.all(NAMES.map(killRegion));
  };
  return { ...fixture, url: `${adminUrl}/`, killRegion, reviveRegion, startNeighbour, stop };
}

function configOf(
  address: string,
  vips: Readonly<Record<RegionName, string>>,
  tokens: readonly string[],
) {
  const monitor = { kind: 'http', interval: '200ms', timeout: '150ms', rise: 1, fall: 2 };
  const regions = NAMES.map((name) => [
    name,
    { location: LOCATIONS[name], vips: vips[name], capacity: 1000 },
  ]);
  return {
    node: {
      name: 'page',
      roles: ['nameserver', 'prober', 'admin'],
      workers: { dns: 1 },
      vantages: NAMES.map((name) => ({ name, region: name })),
    },
    admin: { address, port: 8053, tokens },
    cluster: { keys: [CLUSTER_KEY], listen: [`${address}:8054`] },
    regions: Object.fromEntries(regions),
    monitors: { web: monitor },
    pools: { web: { monitor: 'web', port: WEB_PORT, endpoints: NAMES } },
    zones: {
      'gslb.example': {
        nameservers: ['ns1'],
        records: { ns1: { A: address } },
        steered: { www: { pool: 'web', policy: 'closest' } },
      },
    },
    dns: { listeners: [`${address}:5300`] },
  };
}

/** The first start on a machine that is busy reads hundreds of megabytes from a cold disk. */
const BROWSER_START_MS = 100_000;

export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    timeout: BROWSER_START_MS,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** Plain JavaScript, since it must run on Node 20 too. */
const SETUP = new URL('../../src/setup.mjs', import.meta.url);

/** As `npm start` does: when the page is missing or older than its sources. */
async function buildPage(): Promise<void> {
  const setup = (await import(SETUP.href)) as { ensureDashboard(node: string): void };
  setup.ensureDashboard(process.execPath);
}

const TELL_VIOLATIONS = `document.addEventListener('securitypolicyviolation', (event) =>
  console.error('policy violation: ' + event.violatedDirective + ' ' + event.blockedURI))`;

export type WatchedPage = {
  readonly page: Page;
  /** What the browser complained about: console, exceptions, policy violations, foreign requests. */
  readonly complaints: readonly string[];
};

/** Opens the page in a fresh profile. */
export async function openPage(
  t: TestContext,
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  t.after(async () => {
    // A page that asks again and again is in the middle of it when it closes: that is no failure.
    await page.unrouteAll({ behavior: 'ignoreErrors' });
    await context.close();
  });
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => {
    if (!request.url().startsWith(url)) complaints.push(`request to ${request.url()}`);
  });
  page.on('requestfailed', (request) => {
    const problem = request.failure()?.errorText ?? '';
    // A reload ends what was under way, the icon for instance.
    if (problem !== 'net::ERR_ABORTED') complaints.push(`${request.url()} failed: ${problem}`);
  });
  await page.addInitScript({ content: TELL_VIOLATIONS });
  await page.goto(url);
  return { page, complaints };
}

/** Pictures for people, when PAGE_SCREENSHOTS names a directory. */
export async function picture(page: Page, name: string): Promise<void> {
  const directory = process.env['PAGE_SCREENSHOTS'];
  if (directory === undefined) return;
  mkdirSync(directory, { recursive: true });
  await page.screenshot({ path: join(directory, `${name}.png`), fullPage: true });
}
