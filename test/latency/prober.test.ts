import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { ProbeReading } from '../../src/clients/probe-round.ts';
import type { VantageConfig } from '../../src/config/config.ts';
import type { ProbesConfig } from '../../src/config/latency-config.ts';
import { addressFromUint32, formatAddress, parseAddress } from '../../src/ip/address.ts';
import { createProber } from '../../src/latency/prober.ts';
import { createResolverTeller } from '../../src/latency/resolver-teller.ts';
import { RESOLVERS_PREFIX } from '../../src/latency/store-keys.ts';
import { memory } from '../../src/store/memory.ts';
import { createRandom } from '../bench/random.ts';
import { createMovedClock } from '../monitoring/moved-clock.ts';

/** Nameservers that tell who asks, and a prober that measures those, on one clock that is moved. */
const WINDOW_MS = 60_000;
const probes: ProbesConfig = {
  ...{ resolversMax: 100, beacons: [], methods: ['dns'], intervalMs: 600_000 },
  ...{ perSecond: 2, allow: [], exclude: [] },
};
const vantage: VantageConfig = { name: 'fra-1', region: 'frankfurt', source: ['192.0.2.99'] };

async function open(t: TestContext, more: Partial<ProbesConfig> = {}, vantages = [vantage]) {
  const clock = createMovedClock(1_800_000_000_000);
  const store = await memory.open({}, clock);
  const said: string[] = [];
  const parts = {
    ...{ store, clock },
    log: { warn: (kind: string) => void said.push(kind) },
    config: () => ({ probes: { ...probes, ...more }, windowMs: WINDOW_MS }),
  };
  const sent: { readonly atMs: number; readonly to: string; readonly from: string | undefined }[] =
    [];
  const told: { readonly region: string; readonly reading: ProbeReading }[] = [];
  const random = createRandom(7);
  const nameservers = ['ns-1', 'ns-2'].map((node) => createResolverTeller({ ...parts, node }));
  const prober = createProber({
    ...parts,
    draw: () => random() / 2 ** 32,
    async roundTrip(_, to, from) {
      sent.push({ atMs: clock.nowMs(), to, from });
      return to.startsWith('198.') ? undefined : 20;
    },
    vantages: () => vantages,
    tell: (region, reading) => void told.push({ region, reading }),
  });
  t.after(async () => {
    for (const each of [...nameservers, prober]) each.close();
    await store.close();
  });
  return { clock, store, nameservers, prober, sent, told, said };
}

/** As a worker tells them. */
function sources(...texts: string[]): Uint8Array {
  return Uint8Array.from(
    texts.flatMap((text) => {
      const { bytes, family } = parseAddress(text)!;
      return family === 6 ? [...bytes] : [...new Uint8Array(10), 255, 255, ...bytes];
    }),
  );
}

test('who asks nameservers is measured from the vantage point, and told of its region', async (t) => {
  const { clock, nameservers, prober, sent, told } = await open(t);
  nameservers[0]!.hear(sources('203.0.113.53', '203.0.113.53', '198.51.100.53'));
  nameservers[1]!.hear(sources('198.51.100.53', '198.51.100.53', '2001:db8::53'));
  await clock.advance(5 * WINDOW_MS);
  assert.deepEqual([...new Set(sent.map(({ to }) => to))].sort(), [
    '198.51.100.53',
    '203.0.113.53',
  ]);
  assert.ok(sent.every(({ from }) => from === '192.0.2.99'));
  assert.deepEqual(
    told.map(({ reading, region }) => [region, reading.target.address, reading.rttMs]),
    [['frankfurt', '203.0.113.53', 20]],
  );
  assert.deepEqual(prober.status(), { targets: 2, answering: 1, answered: 2, unanswered: 1 });
});

test('a vantage point without an address of a family measures nothing of that', async (t) => {
  const { clock, nameservers, sent } = await open(t);
  nameservers[0]!.hear(sources('2001:db8::53', '2001:db8::53'));
  await clock.advance(5 * WINDOW_MS);
  assert.deepEqual(sent, []);
});

test('a flood of queries with made-up sources has nobody probed beyond the rate', async (t) => {
  const { clock, nameservers, sent } = await open(t, { resolversMax: 5000 });
  const random = createRandom(8);
  const minutes = 90;
  for (let minute = 0; minute < minutes; minute += 1) {
    // Two of each, as who was seen once does not count; one victim in all.
    const made = Array.from({ length: 1000 }, () => formatAddress(addressFromUint32(random())));
    const victims = Array.from({ length: 500 }, () => '203.0.113.66');
    nameservers[0]!.hear(sources(...made, ...made, ...victims));
    await clock.advance(WINDOW_MS);
  }
  const toVictim = sent.filter(({ to }) => to === '203.0.113.66');
  assert.ok(sent.length > 1000, `${sent.length}`);
  // Gaps vary, but on the whole it is two a second.
  assert.ok(sent.length <= minutes * 60 * 2 * 1.05, `${sent.length}`);
  // Two exchanges every eight minutes at the soonest.
  assert.ok(toVictim.length <= (minutes / 8 + 1) * 2, `${toVictim.length}`);
});

test('nobody is probed where nobody is to be', async (t) => {
  const { clock, nameservers, prober, sent, store } = await open(t, {}, []);
  nameservers[0]!.hear(sources('203.0.113.53', '203.0.113.53'));
  await clock.advance(5 * WINDOW_MS);
  assert.deepEqual(sent, []);
  assert.equal(prober.status(), undefined);
  assert.equal((await store.list(RESOLVERS_PREFIX)).length, 1);
});

test('a nameserver that is gone is forgotten, and a list that is none is passed over', async (t) => {
  const { clock, nameservers, prober, store } = await open(t);
  await store.compareAndSet(`${RESOLVERS_PREFIX}ns-9`, 0, '[["10.0.0.1"');
  nameservers[0]!.hear(sources('203.0.113.53', '203.0.113.53'));
  await clock.advance(2 * WINDOW_MS);
  assert.equal(prober.status()?.targets, 1);
  nameservers[0]!.close();
  await clock.advance(6 * WINDOW_MS);
  assert.equal(prober.status()?.targets, 0);
});
