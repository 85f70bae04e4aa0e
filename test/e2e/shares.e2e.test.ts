import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { loopbackAddress } from '../node/free-addresses.ts';
import { startNodeFixture } from '../node/node-fixture.ts';
import { until } from '../node/until.ts';
import { openAsker } from './subnet-asker.ts';

/**
 * Two regions with equal weights, and those who are sent to the one make twice as many requests as the others: what
 * balancers count is told beside what is wanted, and weights are trimmed as far as they may be.
 */
const NAME = 'www.gslb.example';
const PORTS = { dns: 5300, http: 8080 };
const CLIENTS = 200;
const WINDOW_MS = 1000;
const DEADLINE_MS = 60_000;
const EAGER = 2;

test('weights are trimmed by what balancers count', async (t) => {
  let timer: NodeJS.Timeout | undefined;
  t.after(() => clearInterval(timer));
  const [dns, frankfurt, singapore] = [loopbackAddress(), loopbackAddress(), loopbackAddress()];
  const { node, stop } = await startNodeFixture(config(dns, { frankfurt, singapore }));
  t.after(stop);
  t.after(stop);
  const asker = openAsker(t, { address: dns, port: PORTS.dns, name: NAME });
  const shareOf = async (): Promise<number> => {
    const sent = await asker.addresses(CLIENTS);
    return sent.filter((address) => address === frankfurt).length / CLIENTS;
  };
  assert.ok(Math.abs((await shareOf()) - 0.5) < 0.08, 'half of them each');

  let client = 0;
  timer = setInterval(async () => {
    client = (client + 1) % CLIENTS;
    const address = await asker.ask(client);
    const visits = address === frankfurt ? EAGER : 1;
    if (address !== undefined) for (let left = visits; left > 0; left -= 1) await visit(address);
  }, 10);
  const known = () => node.plane.status().capacity?.planning?.shares[0];
  const told = () => known()?.endpoints.find(({ name }) => name === 'web/frankfurt');
  await until(
    () => (told()?.achieved ?? 0) > 0.6,
    DEADLINE_MS,
    () => JSON.stringify(known()),
  );
  assert.ok(Math.abs(told()!.target - 0.5) < 1e-9);
  assert.ok(known()!.caches > CLIENTS / 4, `${known()!.caches} caches`);

  await until(
    () => told()!.trim < 0.85,
    DEADLINE_MS,
    () => JSON.stringify(known()),
  );
  await until(async () => (await shareOf()) < 0.46, DEADLINE_MS, 'fewer are sent there');
  clearInterval(timer);
  const { body } = await node.plane.metrics();
  assert.match(body, /^meridian_shares_target\{pool="web",endpoint="frankfurt"\} 0\.5$/m);
  assert.match(body, /^meridian_shares_trim\{pool="web",endpoint="frankfurt"\} 0\.8/m);
});

function config(
  dns: string,
  places: { readonly frankfurt: string; readonly singapore: string },
): Record<string, unknown> {
  const listener = (region: 'frankfurt' | 'singapore') => ({
    ...{ region, address: places[region], port: PORTS.http },
    routes: [{ filters: [{ kind: 'respond', status: 204 }], upstream: 'web' }],
  });
  return {
    node: { name: 'fra-1', roles: ['nameserver', 'balancer'], workers: { dns: 1, balancer: 1 } },
    regions: {
      frankfurt: { location: 'DE', vips: [places.frankfurt] },
      singapore: { location: 'SG', vips: [places.singapore] },
    },
    capacity: { window: `${WINDOW_MS}ms` },
    pools: { web: { endpoints: ['frankfurt', 'singapore'] } },
    policies: {
      even: { chain: ['healthy', { step: 'weighted', mode: 'sticky', trim: true }, 'first'] },
    },
    zones: {
      'gslb.example': {
        nameservers: ['ns1'],
        records: { ns1: { A: '192.0.2.53' } },
        steered: { www: { pool: 'web', policy: 'even' } },
      },
    },
    dns: { listeners: [`${dns}:${PORTS.dns}`] },
    balancer: {
      upstreams: { web: { servers: [`${places.frankfurt}:${PORTS.http}`] } },
      listeners: [listener('frankfurt'), listener('singapore')],
    },
  };
}

async function visit(host: string): Promise<void> {
  const socket = net.connect({ host, port: PORTS.http });
  socket.on('error', () => {});
  socket.end('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  socket.resume();
  // What fails comes to an end all the same.
  await once(socket, 'close').catch(() => {});
}
