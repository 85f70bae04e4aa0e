import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as settle } from 'node:timers/promises';
import type { BalancerConfig, DnsDiscoveryConfig } from '../../src/config/config.ts';
import type { Reply } from '../../src/discovery/reply.ts';
import type { FoundServer } from '../../src/discovery/server-set.ts';
import { createServerFinder } from '../../src/node/server-finder.ts';
import { DEFAULT_RESILIENCE } from '../../src/resilience/settings.ts';

/** Look-ups by a clock that the test moves; what resolvers say is a table. */
const records = (ttlSeconds: number, ...lasts: number[]): Reply => ({
  ...{ kind: 'records', ttlSeconds },
  rdata: lasts.map((last) => Uint8Array.of(192, 0, 2, last)),
});
const AWAY: Reply = { kind: 'failed', reason: 'it does not answer' };

const dns = (more: Partial<DnsDiscoveryConfig> = {}): DnsDiscoveryConfig => ({
  ...{ name: 'web.example.', type: 'A', port: 80, minTtlMs: 1000, maxTtlMs: 60_000 },
  ...more,
});
const balancer = (asked: Readonly<Record<string, DnsDiscoveryConfig>>): BalancerConfig => ({
  ...{ engine: 'auto', listeners: [] },
  upstreams: Object.fromEntries(
    Object.entries(asked).map(([name, own]) => [
      name,
      {
        ...{ algorithm: { kind: 'random', options: {} }, servers: [], discovery: { dns: own } },
        ...{ keepalive: { idleMax: 1, idleTimeoutMs: 1 } },
        ...{
          connectTimeoutMs: 1,
          responseTimeoutMs: 1,
          bodyIdleTimeoutMs: 60_000,
          ...DEFAULT_RESILIENCE,
        },
      },
    ]),
  ),
});

function open(remembered: readonly FoundServer[] = []) {
  const timers = new Map<() => void, number>();
  const asked: string[] = [];
  const changes: string[] = [];
  const news: string[] = [];
  const replies = new Map<string, Reply>();
  const finder = createServerFinder({
    clock: {
      setTimer(ms, run) {
        timers.set(run, ms);
        return () => void timers.delete(run);
      },
    },
    async ask({ address }) {
      asked.push(address);
      return replies.get(address) ?? AWAY;
    },
    draw: () => 0,
    systemResolvers: () => [{ address: 'system', port: 53 }],
    remembered: () => remembered,
    onChange: (upstream, question, servers) =>
      changes.push(`${upstream} ${question}: ${servers.map(({ address }) => address).join()}`),
    onNews: (upstream, { kind }) => news.push(`${upstream} ${kind}`),
  });
  return {
    ...{ finder, replies, asked, changes, news },
    pauses: () => [...timers.values()],
    /** All timers ring. */
    async ring(): Promise<void> {
      const all = [...timers.keys()];
      timers.clear();
      for (const run of all) run();
      await settle();
    },
  };
}

test('resolvers are asked in order until one knows; its TTL says when again', async () => {
  const { asked, changes, finder, pauses, replies, ring } = open();
  const resolvers = ['first', 'second'].map((address) => ({ address, port: 53 }));
  replies.set('second', records(30, 2, 1));
  finder.follow(balancer({ web: dns({ resolvers }) }));
  await finder.ready();
  assert.deepEqual(asked.splice(0), ['first', 'second']);
  assert.deepEqual(changes.splice(0), ['web A web.example. 80: 192.0.2.1,192.0.2.2']);
  assert.deepEqual(pauses(), [30_000]);
  replies.set('second', records(30, 1, 2));
  await ring();
  assert.deepEqual(changes, [], 'another order is the same set');
  replies.set('first', { kind: 'none', reason: 'there is no such name', ttlSeconds: 0 });
  asked.length = 0;
  await ring();
  assert.deepEqual(asked, ['first'], 'who says that there is nothing has answered');
  assert.deepEqual(finder.found().get('web')?.length, 2, 'and it empties nothing');
  finder.close();
  assert.deepEqual(pauses(), []);
});

test('while nobody answers, what was known before a restart is used, and everybody is asked twice', async () => {
  const known = [{ address: '192.0.2.7', port: 80, weight: 1, priority: 0 }];
  const { asked, changes, finder, news, pauses, replies, ring } = open(known);
  finder.follow(balancer({ web: dns() }));
  assert.deepEqual(finder.found().get('web'), known, 'at once');
  await finder.ready();
  assert.deepEqual(asked, ['system', 'system']);
  assert.deepEqual(pauses(), [1000]);
  await ring();
  assert.deepEqual(pauses(), [2000]);
  assert.deepEqual(news, ['web discovery.failed'], 'told once');
  replies.set('system', records(5, 7));
  await ring();
  assert.deepEqual(news, ['web discovery.failed', 'web discovery.recovered']);
  assert.deepEqual(changes, []);
  finder.close();
});

test('a reload keeps what is known of a question, and forgets upstreams that ask no more', async () => {
  const { asked, changes, finder, pauses, replies } = open();
  replies.set('system', records(5, 1));
  finder.follow(balancer({ web: dns(), other: dns({ name: 'other.example.' }) }));
  await finder.ready();
  assert.equal(changes.length, 2);
  asked.length = 0;
  finder.follow(balancer({ web: dns() }));
  await settle();
  assert.deepEqual(asked, [], 'the same question is not asked anew');
  assert.deepEqual([...finder.found().keys()], ['web']);
  assert.deepEqual(pauses(), [5000], 'one timer for one upstream');
  replies.set('system', AWAY);
  finder.follow(balancer({ web: dns({ maxTtlMs: 2000 }) }));
  assert.equal(finder.found().get('web')?.length, 1, 'other bounds, the same servers');
  finder.follow(balancer({ web: dns({ name: 'new.example.' }) }));
  await finder.ready();
  assert.deepEqual(finder.found().get('web'), [], 'another name has other servers');
  finder.close();
  assert.deepEqual(pauses(), [], 'what was under way sets no timer');
});
