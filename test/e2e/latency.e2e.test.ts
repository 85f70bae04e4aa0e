import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import { ask } from '../interop/ask.ts';
import { loopbackAddress } from '../node/free-addresses.ts';
import { type NodeFixture, startNodeFixture } from '../node/node-fixture.ts';
import { scratchDirectory } from '../node/scratch.ts';
import { until } from '../node/until.ts';

/**
 * What a balancer's own connections say of ways decides where names lead: clients that geography has in Singapore, and
 * that are a fraction of a millisecond from Frankfurt's balancer, are served there, and stay there after a restart.
 */
const NAME = 'www.gslb.example';
const VIP = { frankfurt: '192.0.2.1', singapore: '192.0.2.2' };
const CLIENT = '127.77.1.99';
const STRANGER = '127.78.1.99';
const DEADLINE_MS = 30_000;
const PORTS = { dns: 5300, http: 8080 };

for (const engine of ['auto', 'portable']) {
  test(`names follow what balancers measure, ${engine}`, async (t) => {
    const [address, state] = [loopbackAddress(), scratchDirectory('latency')];
    const before = await start(t, config(address, state, engine));
    assert.equal(await region(address, CLIENT), VIP.singapore, 'nobody has measured yet');
    const isThere = async (): Promise<boolean> => {
      for (let host = 2; host < 12; host += 1) await visit(address, `127.77.1.${host}`);
      return (await region(address, CLIENT)) === VIP.frankfurt;
    };
    await until(isThere, DEADLINE_MS, 'the latency map');
    assert.equal(await region(address, STRANGER), VIP.singapore, 'of whom nothing is known');

    const { latency } = before.node.plane.status();
    assert.equal(latency?.map?.networks, 1);
    assert.equal(latency?.planning?.networks, 1);
    const { body } = await before.node.plane.metrics();
    assert.match(body, /^meridian_latency_map_networks 1$/m);
    await before.stop();

    await start(t, config(address, state, engine));
    assert.equal(await region(address, CLIENT), VIP.frankfurt, 'the map is kept on disk');
  });
}

function config(address: string, state: string, engine: string): Record<string, unknown> {
  return {
    node: {
      ...{ name: 'fra-1', roles: ['nameserver', 'balancer'] },
      ...{ stateDirectory: state, workers: { dns: 1, balancer: 1 } },
    },
    regions: {
      frankfurt: { location: 'DE', vips: [VIP.frankfurt] },
      singapore: { location: 'SG', vips: [VIP.singapore] },
    },
    geo: { overrides: [{ networks: ['127.0.0.0/8'], location: 'SG' }] },
    latency: { window: '1s', windows: 2, band: '1ms', churnPercent: 100, dwell: '0s' },
    pools: { web: { endpoints: [{ region: 'frankfurt' }, { region: 'singapore' }] } },
    policies: { fastest: { chain: ['latency'] } },
    zones: {
      'gslb.example': {
        nameservers: ['ns1'],
        records: { ns1: { A: '192.0.2.53' } },
        steered: { www: { pool: 'web', policy: 'fastest' } },
      },
    },
    dns: { listeners: [`${address}:${PORTS.dns}`] },
    balancer: {
      engine,
      upstreams: { web: { servers: [`${address}:${PORTS.http}`] } },
      listeners: [
        {
          ...{ region: 'frankfurt', address, port: PORTS.http },
          routes: [{ filters: [{ kind: 'respond', status: 204 }], upstream: 'web' }],
        },
      ],
    },
  };
}

async function start(t: TestContext, world: Record<string, unknown>): Promise<NodeFixture> {
  const fixture = await startNodeFixture(world);
  t.after(fixture.stop);
  return fixture;
}

async function region(address: string, client: string): Promise<string | undefined> {
  const server = { address, port: PORTS.dns };
  const { answer } = await ask('dig', server, '-b', client, NAME);
  return answer[0]?.split(' ').at(-1);
}

/** One request, from an address of this machine's own. */
async function visit(host: string, localAddress: string): Promise<void> {
  const socket = net.connect({ host, port: PORTS.http, localAddress });
  socket.end('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  socket.resume();
  await once(socket, 'close');
}
