import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ADDED_SERVERS_MAX, createServerWriter } from '../../src/control/server-writer.ts';
import { withLiveServers } from '../../src/discovery/live-servers.ts';
import type { FoundServer } from '../../src/discovery/server-set.ts';
import { isIdle, type ServerWord } from '../../src/discovery/server-word.ts';
import { DEFAULT_RESILIENCE } from '../../src/resilience/settings.ts';
import { createConfig } from '../nameserver/fixture.ts';

/** A writer over words in memory and a set of servers that DNS gives. */
function open() {
  const words = new Map<string, ServerWord>();
  const events: string[] = [];
  const down = new Set<string>();
  let found: readonly FoundServer[] = [];
  const { balancer } = createConfig();
  const web = {
    algorithm: { kind: 'random', options: {} },
    servers: [],
    keepalive: { idleMax: 1, idleTimeoutMs: 1 },
    connectTimeoutMs: 1,
    responseTimeoutMs: 1,
    bodyIdleTimeoutMs: 60_000,
    ...DEFAULT_RESILIENCE,
  };
  const upstreams = () =>
    withLiveServers({ ...balancer, upstreams: { web } }, new Map([['web', found]]), [
      ...words.values(),
    ]).upstreams;
  const writer = createServerWriter({
    upstreams,
    isDown: (_, server) => down.has(server),
    clock: { nowMs: () => 0 },
    events: {
      record: (kind, subject, message) => void events.push(`${kind} ${subject} ${message}`),
    },
    inForce: async () => void events.push('in force'),
    words: {
      current: () => [...words.values()],
      async set(word) {
        words.delete(word.server);
        if (!isIdle(word)) words.set(word.server, word);
        return { shared: true, detail: '' };
      },
      close() {},
    },
  });
  return {
    writer,
    words,
    events,
    down,
    servers: () => upstreams()['web']?.servers ?? [],
    find(...lasts: number[]): void {
      found = lasts.map((last) => ({
        ...{ address: `192.0.2.${last}`, port: 80 },
        ...{ weight: 1, priority: 0 },
      }));
    },
  };
}

const said = { upstream: 'web', reason: '', by: 'anna' };

test('what was said of a server that has left DNS stands, and can be taken back', async () => {
  const { events, find, servers, words, writer } = open();
  find(1, 2);
  const server = '192.0.2.1:80';
  await writer.change({ ...said, server, mode: 'drain', reason: 'disk' });
  assert.deepEqual(events, [
    'in force',
    'server.drain web/192.0.2.1:80 Server 192.0.2.1:80 of web drains; said by anna: disk.',
  ]);
  find(2);
  find(1, 2);
  assert.equal(servers()[0]?.mode, 'drain', 'it comes back as it went');
  find(2);
  assert.ok('problem' in (await writer.change({ ...said, server, weight: 2 })));
  assert.ok(!('problem' in (await writer.change({ ...said, server, mode: 'ready' }))));
  assert.equal(words.size, 0);
  assert.ok(
    'problem' in (await writer.change({ ...said, server, mode: 'ready' })),
    'no word is left',
  );
});

test('one that people added stays when DNS gives it too, and its word goes with it', async () => {
  const { find, servers, words, writer } = open();
  find(2);
  await writer.add({ ...said, address: '192.0.2.1', port: 80, weight: 4 });
  find(1, 2);
  assert.equal(servers().length, 2);
  assert.equal(servers().find(({ address }) => address === '192.0.2.1')?.weight, 4);
  const change = await writer.remove({ ...said, server: '192.0.2.1:80' });
  assert.ok(!('problem' in change) && change.isThere, 'DNS still gives it');
  assert.equal(words.size, 0);
});

test('people add so many servers and no more', async () => {
  const { servers, writer } = open();
  for (let port = 1; port <= ADDED_SERVERS_MAX; port += 1) {
    assert.ok(!('problem' in (await writer.add({ ...said, address: '192.0.2.1', port }))));
  }
  const refused = await writer.add({ ...said, address: '192.0.2.2', port: 1 });
  assert.ok('problem' in refused && refused.code === 'too-many-servers');
  assert.equal(servers().length, ADDED_SERVERS_MAX);
});

test('the last server that can take requests is drained by force only', async () => {
  const { down, find, writer } = open();
  find(1, 2);
  down.add('192.0.2.2:80');
  const drain = { ...said, server: '192.0.2.1:80', mode: 'drain' } as const;
  const refused = await writer.change(drain);
  assert.ok('problem' in refused && refused.code === 'no-usable-server', 'the other is down');
  assert.ok(!('problem' in (await writer.change({ ...drain, force: true }))));
  const rest = await writer.change({ ...drain, mode: 'maintenance' });
  assert.ok(!('problem' in rest), 'it took none any more');
});

test('one address is one server, however it is spelt', async () => {
  const { servers, writer } = open();
  await writer.add({ ...said, address: '2001:DB8:0::1', port: 80 });
  assert.deepEqual(
    servers().map(({ name }) => name),
    ['[2001:db8::1]:80'],
  );
  const again = await writer.add({ ...said, address: '2001:db8::1', port: 80 });
  assert.ok('problem' in again && again.code === 'server-exists');
});
