import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { runOrigin } from '../../src/cli/origin.ts';
import { freePort, loopbackAddress } from './free-addresses.ts';
import { type NodeFixture, startNodeFixture } from './node-fixture.ts';
import { until } from './until.ts';

/** A balancer that finds its servers by DNS, and servers on three hosts to be found. */

const DEADLINE_MS = 20_000;

export type World = {
  readonly dns: { readonly address: string; readonly port: number };
  readonly vip: { readonly address: string; readonly port: number };
  readonly hosts: readonly [string, string, string];
  readonly port: number;
};

export async function planDiscovery(t: TestContext): Promise<World> {
  const hosts = [loopbackAddress(), loopbackAddress(), loopbackAddress()] as const;
  const origin = await runOrigin({ name: 'o', listen: [{ address: hosts[0], port: 0 }] });
  const port = origin.servers[0]?.port ?? 0;
  const more = await runOrigin({
    name: 'o',
    listen: hosts.slice(1).map((address) => ({ address, port })),
  });
  t.after(() => Promise.all([origin.close(), more.close()]));
  const [dns, vip] = [loopbackAddress(), loopbackAddress()];
  return {
    dns: { address: dns, port: await freePort(dns) },
    vip: { address: vip, port: await freePort(vip) },
    ...{ hosts, port },
  };
}

export const balancerFile = (world: World, dns: object, more: object = {}) => ({
  node: { name: 'lb', roles: ['balancer', 'admin'], ...more },
  admin: { address: world.vip.address, port: world.vip.port },
  regions: { here: { location: { latitude: 0, longitude: 0 }, vips: [world.vip.address] } },
  balancer: {
    upstreams: {
      web: { algorithm: 'round-robin', discovery: { dns: { minTtl: '100ms', ...dns } } },
    },
    listeners: [{ region: 'here', ...world.vip, port: world.port, upstream: 'web' }],
  },
});

export const servers = ({ node }: NodeFixture) => node.plane.balancers()[0]?.servers ?? [];
export const names = (fixture: NodeFixture): readonly string[] =>
  servers(fixture).map(({ name }) => name);

export async function kinds({ node }: NodeFixture): Promise<readonly string[]> {
  const events = await node.plane.events('', 1000);
  return events.filter(({ subject }) => subject === 'web').map(({ kind }) => kind);
}

export async function answers(world: World): Promise<ReadonlySet<string>> {
  const seen = new Set<string>();
  for (let count = 0; count < 12; count += 1) {
    const response = await fetch(`http://${world.vip.address}:${world.port}/`);
    seen.add(`${response.status} ${(await response.text()).match(/, server (\S+)/)?.[1] ?? ''}`);
  }
  return seen;
}

/**
 * Asserts that a node which looks up SRV `_http._tcp.internal.example` finds the servers at the first two hosts, of
 * weights 30 and 10, and sixty of a later priority, where nothing listens and nobody is sent.
 */
export async function servesTheTwoOfSixty(t: TestContext, world: World): Promise<void> {
  const { hosts, port } = world;
  const [a, b] = hosts;
  const dns = {
    name: '_http._tcp.internal.example',
    type: 'SRV',
    resolvers: [`${world.dns.address}:${world.dns.port}`],
  };
  const fixture = await startNodeFixture(balancerFile(world, dns));
  t.after(fixture.stop);
  const found = servers(fixture);
  assert.equal(found.length, 2 + 60);
  assert.deepEqual(
    found
      .filter(({ priority }) => priority === 1)
      .map(({ name, weight }) => [name, weight])
      .toSorted(),
    [
      [`${a}:${port}`, 30],
      [`${b}:${port}`, 10],
    ].toSorted(),
  );
  assert.deepEqual(await answers(world), new Set([`200 ${a}:${port}`, `200 ${b}:${port}`]));
}

/** Workers hear of another set soon, not at once. */
export async function untilAnswers(world: World, wanted: readonly string[]): Promise<void> {
  const isSo = async (): Promise<boolean> =>
    new Set(wanted).symmetricDifference(await answers(world)).size === 0;
  await until(isSo, DEADLINE_MS, `answers are ${wanted.join(', ')}`);
}
