import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEGRADED, DOWN, FORCED, UNKNOWN } from '../../src/health/health-word.ts';
import { counterLayout } from '../../src/nameserver/counters.ts';
import { setHealth, setSnapshot } from '../../src/nameserver/worker-state.ts';
import {
  type Ask,
  allUp,
  ask,
  compiled,
  createConfig,
  healthOf,
  NOW_MS,
  startWorker,
  UP,
  WEB_POOL,
} from './fixture.ts';

const snapshot = compiled();
const WEB_US = indexOf('web/us');
const WEB_EU = indexOf('web/eu');
const WEB_AP = indexOf('web/ap');

function indexOf(name: string): number {
  return snapshot.endpoints.findIndex((endpoint) => endpoint.name === name);
}

function words(changes: Readonly<Record<number, number>>): Uint32Array {
  const table = allUp(snapshot);
  for (const [endpoint, word] of Object.entries(changes)) table[Number(endpoint)] = word;
  return table;
}

const US = '198.51.100.1';
const EU = '198.51.100.2';
const AP = '198.51.100.3';
const worker = startWorker(snapshot);

test('respond() steers each client subnet to its region', () => {
  const cases: readonly (readonly [string, string, number])[] = [
    // Clients in unknown places around it have the order of the pool too, but are near no region.
    ['20.1.2.0/24', US, 8],
    ['20.0.0.0/8', US, 8],
    ['80.99.0.0/16', EU, 10],
    ['110.5.6.0/24', AP, 8],
    ['80.1.2.0/24', AP, 26],
    ['80.1.2.64/26', EU, 26],
    ['80.1.2.128/25', EU, 25],
    ['80.1.3.0/24', EU, 24],
  ];
  for (const [subnet, address, scope] of cases) {
    const got = ask(worker, 'www.gslb.example', 'A', { subnet });
    assert.deepEqual(got.data, [address], subnet);
    assert.equal(got.scope, scope, subnet);
  }
  const v6 = ask(worker, 'www.gslb.example', 'AAAA', { subnet: '2001:db8:2abc::/48' });
  assert.deepEqual([v6.data, v6.scope], [['2001:db8::2'], 36]);
});

test('respond() steers by the resolver when there is no client subnet', () => {
  const data = (resolver: string): readonly string[] =>
    ask(worker, 'www.gslb.example', 'A', { resolver }).data;
  assert.deepEqual(data('20.9.9.9'), [US]);
  assert.deepEqual(data('80.9.9.9'), [EU]);
  assert.deepEqual(data('2001:db8:3000::1'), [AP]);
  assert.deepEqual(data('::ffff:110.1.1.1'), [AP]);
  assert.equal(ask(worker, 'www.gslb.example', 'A', { resolver: '20.9.9.9' }).scope, undefined);
});

test('respond() uses the resolver and scope 0 when SOURCE is 0', () => {
  const got = ask(worker, 'www.gslb.example', 'A', { subnet: '0.0.0.0/0', resolver: '110.1.1.1' });
  assert.deepEqual([got.data, got.scope], [[AP], 0]);
  const v6 = ask(worker, 'www.gslb.example', 'A', { subnet: '::/0', resolver: '80.1.1.1' });
  assert.deepEqual([v6.data, v6.scope], [[EU], 0]);
});

test('respond() ignores a private client subnet, with a scope that covers its block', () => {
  const cases: readonly (readonly [string, number])[] = [
    ['10.1.2.0/24', 8],
    ['172.20.0.0/16', 12],
    ['192.168.7.0/24', 16],
    ['127.0.0.0/24', 8],
    ['169.254.3.0/24', 16],
    ['100.64.0.0/24', 10],
    ['fd00:1234::/48', 7],
    ['fe80::/64', 10],
    ['::1/128', 128],
  ];
  for (const [subnet, scope] of cases) {
    const got = ask(worker, 'www.gslb.example', 'A', { subnet, resolver: '110.1.1.1' });
    assert.deepEqual([got.data, got.scope], [[AP], scope], subnet);
  }
});

test('respond() echoes the client subnet with scope 0 on everything but steered addresses', () => {
  const subnet = '80.0.0.0/24';
  const scope = (name: string, type = 'A', how: Ask = {}): number | undefined =>
    ask(worker, name, type, { subnet, ...how }).scope;
  assert.equal(scope('static.gslb.example'), 0);
  assert.equal(scope('www.gslb.example', 'TXT'), 0);
  assert.equal(scope('www.gslb.example', 'MX'), 0, 'NODATA');
  assert.equal(scope('v4.gslb.example', 'AAAA'), 0, 'NODATA of a family');
  assert.equal(scope('no.gslb.example'), 0, 'NXDOMAIN');
  assert.equal(scope('sub.gslb.example'), 0, 'referral');
  assert.equal(scope('no.such.test'), 0, 'REFUSED');
  assert.equal(scope('gslb.example', 'AXFR'), 0);
  assert.equal(scope('away.gslb.example'), 0);
  assert.equal(scope('big.gslb.example', 'TXT'), 0, 'truncated');
  assert.ok(scope('to-steered.gslb.example')! > 0, 'CNAME to a steered name');
});

test('respond() echoes family, source and address as they came', () => {
  const { bytes } = ask(worker, 'www.gslb.example', 'A', { subnet: '80.1.2.0/23' });
  assert.deepEqual([...bytes.slice(-11)], [0, 8, 0, 7, 0, 1, 23, 26, 80, 1, 2]);
});

test('respond() follows a static CNAME to a steered name', () => {
  const got = ask(worker, 'to-steered.gslb.example', 'A', { subnet: '110.0.0.0/24' });
  assert.deepEqual(got.answer, [
    'to-steered.gslb.example CNAME www.gslb.example',
    `www.gslb.example A ${AP}`,
  ]);
  const v6 = ask(worker, 'to-steered.gslb.example', 'AAAA', { subnet: '110.0.0.0/24' });
  assert.equal(v6.answer[1], 'www.gslb.example AAAA 2001:db8::3');
});

test('respond() steers at the apex and below a steered wildcard', () => {
  assert.deepEqual(ask(worker, 'gslb.example', 'A', { subnet: '20.0.0.0/24' }).data, [US]);
  assert.equal(ask(worker, 'gslb.example', 'NS').data.length, 2);
  const got = ask(worker, 'x.y.app.gslb.example', 'A');
  assert.match(got.answer[0]!, /^x\.y\.app\.gslb\.example A 198\.51\.100\./);
});

test('respond() offers a family to every client or to none', () => {
  for (const subnet of ['20.0.0.0/24', '80.0.0.0/24', '110.0.0.0/24']) {
    const got = ask(worker, 'v4.gslb.example', 'AAAA', { subnet });
    assert.deepEqual([got.rcode, got.data, got.authority.length], ['NOERROR', [], 1], subnet);
    assert.equal(ask(worker, 'v4.gslb.example', 'A', { subnet }).data.length, 1);
  }
});

test('setHealth() changes answers at once and only for its own generation', () => {
  const moved = startWorker(snapshot);
  const data = (): readonly string[] =>
    ask(moved, 'www.gslb.example', 'A', { subnet: '80.0.0.0/24' }).data;
  assert.deepEqual(data(), [EU]);
  assert.equal(setHealth(moved, healthOf(words({ [WEB_EU]: DOWN })), 1), true);
  assert.deepEqual(data(), [US], 'the next nearest to Frankfurt');
  assert.equal(setHealth(moved, healthOf(words({})), 2), false);
  assert.equal(setHealth(moved, healthOf(new Uint32Array(1)), 1), false);
  assert.deepEqual(data(), [US], 'words of another generation mean other endpoints');
  assert.equal(setHealth(moved, healthOf(words({})), 1), true);
  assert.deepEqual(data(), [EU]);
});

test('respond() keeps the scope over a fail-over', () => {
  const moved = startWorker(snapshot, words({ [WEB_EU]: DOWN }));
  const before = ask(worker, 'www.gslb.example', 'A', { subnet: '80.0.0.0/24' });
  const after = ask(moved, 'www.gslb.example', 'A', { subnet: '80.0.0.0/24' });
  assert.notDeepEqual(after.data, before.data);
  assert.equal(after.scope, before.scope);
});

test('respond() never answers a steered name empty, whatever the state', () => {
  const states = [0, UP, DOWN, DOWN | FORCED, DEGRADED, UNKNOWN];
  for (const us of states) {
    for (const eu of states) {
      for (const ap of states) {
        const table = words({ [WEB_US]: us >>> 0, [WEB_EU]: eu >>> 0, [WEB_AP]: ap >>> 0 });
        const moved = startWorker(snapshot, table);
        for (const type of ['A', 'AAAA']) {
          const { data } = ask(moved, 'www.gslb.example', type, { subnet: '80.0.0.0/24' });
          assert.equal(data.length, 1, `${us} ${eu} ${ap} ${type}`);
        }
      }
    }
  }
});

test('respond() answers sorry addresses when operators have taken everything out', () => {
  const out = (DOWN | FORCED) >>> 0;
  const moved = startWorker(snapshot, words({ [WEB_US]: out, [WEB_EU]: out, [WEB_AP]: out }));
  assert.deepEqual(ask(moved, 'www.gslb.example', 'A').data, ['192.0.2.99']);
  assert.deepEqual(ask(moved, 'www.gslb.example', 'AAAA').data, ['2001:db8::99']);
});

test('respond() shortens the TTL as a change comes near', () => {
  // Of many resolvers the longest: each is told a little less (jitter.test.ts).
  const ttl = (word: number): number => {
    const steered = startWorker(snapshot, words({ [WEB_EU]: word }));
    const told = Array.from({ length: 32 }, (_, i) =>
      ask(steered, 'www.gslb.example', 'A', { subnet: `80.0.${i}.0/24` }),
    );
    return Math.max(...told.map(({ ttls }) => ttls[0]!));
  };
  assert.deepEqual([ttl(60), ttl(12), ttl(1), ttl(UNKNOWN | 60)], [30, 12, 5, 5]);
});

test('respond() draws outcomes in proportion to the weights', () => {
  const counts = new Map<string, number>();
  const total = 20_000;
  for (let i = 0; i < total; i++) {
    const subnet = `20.${i & 255}.${(i >> 8) & 255}.0/24`;
    const [address] = ask(worker, 'share.gslb.example', 'A', { subnet }).data;
    counts.set(address!, (counts.get(address!) ?? 0) + 1);
  }
  for (const [address, share] of [
    [US, 0.25],
    [EU, 0.5],
    [AP, 0.25],
  ] as const) {
    const seen = counts.get(address)! / total;
    assert.ok(Math.abs(seen - share) < 0.02, `${address} ${seen}`);
  }
});

test('respond() draws evenly for one client over time too', () => {
  const total = 200;
  let eu = 0;
  for (let slot = 0; slot < total; slot++) {
    const nowMs = NOW_MS + slot * 30_000;
    const how = { subnet: '20.7.7.0/24', nowMs };
    if (ask(worker, 'share.gslb.example', 'A', how).data[0] === EU) eu++;
  }
  // Independent draws would have a standard deviation of 7; these stay within the golden step.
  assert.ok(Math.abs(eu - total / 2) <= 3, `${eu} of ${total}`);
});

test('respond() draws the same for A and AAAA, for a whole /24 and within one TTL', () => {
  const region = (address: string | undefined): string | undefined => address?.at(-1);
  for (let i = 0; i < 300; i++) {
    const nowMs = NOW_MS + i * 7919;
    const subnet = `80.${i & 255}.9.0/24`;
    const a = ask(worker, 'share.gslb.example', 'A', { subnet, nowMs }).data[0];
    const aaaa = ask(worker, 'share.gslb.example', 'AAAA', { subnet, nowMs }).data[0];
    const host = ask(worker, 'share.gslb.example', 'A', {
      subnet: `80.${i & 255}.9.77/32`,
      nowMs,
    }).data[0];
    assert.equal(region(a), region(aaaa));
    assert.equal(a, host);
  }
});

test('respond() draws the same before and after a change of the TTL alone', () => {
  const shaky = startWorker(snapshot, words({ [WEB_US]: 7 }));
  for (let i = 0; i < 300; i++) {
    const how = { subnet: `80.${i & 255}.9.0/24`, nowMs: NOW_MS + i * 7919 };
    const calm = ask(worker, 'share.gslb.example', 'A', how);
    const soon = ask(shaky, 'share.gslb.example', 'A', how);
    assert.ok(calm.ttls[0]! > 26);
    assert.deepEqual(soon.ttls, [7]);
    assert.deepEqual(soon.data, calm.data);
  }
});

test('respond() counts answers for their endpoint', () => {
  const counted = startWorker(snapshot);
  ask(counted, 'www.gslb.example', 'A', { subnet: '110.0.0.0/24' });
  ask(counted, 'www.gslb.example', 'AAAA', { subnet: '110.0.0.0/24' });
  ask(counted, 'www.gslb.example', 'A', { subnet: '20.0.0.0/24' });
  const { answers } = counterLayout(snapshot.endpoints.length);
  const count = (endpoint: number): number => counted.counters[answers + endpoint]!;
  assert.deepEqual([count(WEB_US), count(WEB_EU), count(WEB_AP)], [1, 0, 2]);
});

test('setSnapshot() serves another configuration from the next query on', () => {
  const moved = startWorker(snapshot);
  const config = createConfig({
    pools: {
      ...createConfig().pools,
      web: {
        ...WEB_POOL,
        endpoints: [{ region: 'ap', weight: 1, addresses: ['192.0.2.77', '2001:db8::77'] }],
      },
    },
  });
  const next = compiled(config, 2);
  setSnapshot(moved, next, healthOf(new Uint32Array(next.endpoints.length).fill(UP)));
  assert.deepEqual(ask(moved, 'www.gslb.example', 'A').data, ['192.0.2.77']);
  assert.equal(setHealth(moved, healthOf(new Uint32Array(8)), 1), false);
});

test('a snapshot survives a structured clone and answers the same', () => {
  const cloned = startWorker(structuredClone(snapshot));
  for (const name of ['www.gslb.example', 'twice.gslb.example', 'sub.gslb.example']) {
    const how = { subnet: '80.1.2.0/24' };
    assert.deepEqual(ask(cloned, name, 'A', how).bytes, ask(worker, name, 'A', how).bytes);
  }
});
