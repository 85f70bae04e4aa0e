import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { loopbackAddress } from '../node/free-addresses.ts';
import { startNodeFixture } from '../node/node-fixture.ts';
import { until } from '../node/until.ts';
import { ask, type Place } from './ask.ts';
import { startUnbound } from './unbound-process.ts';

/**
 * A resolver that geography has in Singapore asks a nameserver. Probes of two regions find that its way to Frankfurt
 * is the short one, and then it is answered so: no client has connected to anything.
 */
const NAME = 'www.gslb.example';
const VIP = { frankfurt: '192.0.2.1', singapore: '192.0.2.2' };
const DEADLINE_MS = 60_000;
const DNS_PORT = 53;
const FAR_MS = 80;

for (const udpEngine of ['auto', 'portable']) {
  test(`a resolver is answered as probes measure it, ${udpEngine}`, async (t) => {
    const [meridian, near, far] = [loopbackAddress(), loopbackAddress(), loopbackAddress()];
    const resolver = await startResolver(t, { address: meridian, port: 5300 }, far);
    const { node, stop } = await startNodeFixture(config(meridian, udpEngine, { near, far }));
    t.after(stop);
    const region = async (): Promise<string | undefined> => {
      const { answer } = await ask('dig', resolver, '+rec', NAME);
      return answer[0]?.split(' ').at(-1);
    };
    assert.equal(await region(), VIP.singapore, 'nobody has measured yet');
    const isNear = async (): Promise<boolean> => (await region()) === VIP.frankfurt;
    await until(isNear, DEADLINE_MS, 'the answer that follows the probes');
    const { latency } = node.plane.status();
    assert.equal(latency?.probes?.targets, 2, 'from each vantage point');
    assert.equal(latency?.probes?.answering, 2);
    assert.equal(latency?.map?.networks, 1);
    const { body } = await node.plane.metrics();
    assert.match(body, /^meridian_latency_probe_exchanges_total\{outcome="answered"\} [1-9]/m);
  });
}

function config(
  address: string,
  udpEngine: string,
  { far, near }: { readonly far: string; readonly near: string },
): Record<string, unknown> {
  return {
    node: {
      ...{ name: 'fra-1', roles: ['nameserver', 'prober'], workers: { dns: 1 } },
      vantages: [
        { name: 'fra-1', region: 'frankfurt', source: near },
        { name: 'sin-1', region: 'singapore', source: far },
      ],
    },
    regions: {
      frankfurt: { location: 'DE', vips: [VIP.frankfurt] },
      singapore: { location: 'SG', vips: [VIP.singapore] },
    },
    geo: { overrides: [{ networks: ['127.0.0.0/8'], location: 'SG' }] },
    latency: {
      ...{ window: '1s', windows: 2, band: '1ms', churnPercent: 100, dwell: '0s' },
      probes: { resolvers: 10, interval: '1s', perSecond: 20, allow: ['127.0.0.0/8'] },
    },
    pools: { web: { endpoints: [{ region: 'frankfurt' }, { region: 'singapore' }] } },
    policies: { fastest: { chain: ['latency'] } },
    zones: {
      'gslb.example': {
        nameservers: ['ns1'],
        records: { ns1: { A: '192.0.2.53' } },
        steered: { www: { pool: 'web', policy: 'fastest' } },
      },
    },
    dns: { udpEngine, listeners: [`${address}:5300`] },
  };
}

/** An unbound, and at the address that it asks from the port that probes ask: far from one of them. */
async function startResolver(t: TestContext, authority: Place, far: string): Promise<Place> {
  const place = { address: loopbackAddress(), port: 5353 };
  // Another host of its network.
  const egress = place.address.replace(/\d+$/, (last) => String((Number(last) % 254) + 1));
  const unbound = await startUnbound({
    place,
    root: { name: 'a.root.', address: authority.address },
    lines: [
      `outgoing-interface: ${egress}`,
      ...['module-config: "iterator"', 'cache-max-ttl: 0', 'do-ip6: no'],
    ],
    clauses: [
      ...['stub-zone:', '  name: "gslb.example"'],
      `  stub-addr: ${authority.address}@${authority.port}`,
    ],
  });
  const door = await openDoor(egress, place, (from) => (from === far ? FAR_MS : 0));
  t.after(async () => {
    door.close();
    await unbound.stop();
  });
  return place;
}

/** Passes each query on to the resolver, and its reply back, after a time that depends on who asks. */
async function openDoor(
  address: string,
  resolver: Place,
  delayOf: (from: string) => number,
): Promise<Socket> {
  const door = createSocket('udp4');
  door.on('message', async (query, from) => {
    await delay(delayOf(from.address));
    const asking = createSocket('udp4');
    // A resolver that is stopped meanwhile never replies.
    asking.unref();
    asking.send(query, resolver.port, resolver.address);
    const [reply] = await once(asking, 'message');
    asking.close();
    door.send(reply, from.port, from.address);
  });
  door.bind(DNS_PORT, address);
  await once(door, 'listening');
  return door;
}
