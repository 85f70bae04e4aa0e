import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServerConfig } from '../../src/config/config.ts';
import { serving, withLiveServers } from '../../src/discovery/live-servers.ts';
import { arrange, type FoundServer, readService } from '../../src/discovery/server-set.ts';
import { parseServerWord, type ServerWord } from '../../src/discovery/server-word.ts';

const word = (server: string, more: Partial<ServerWord>): ServerWord => ({
  ...{ upstream: 'web', server, reason: '', by: 'test', setAtMs: 0 },
  ...more,
});
const inDns = (address: string, more: Partial<FoundServer> = {}): FoundServer => ({
  ...{ address, port: 80, weight: 1, priority: 0 },
  ...more,
});

function live(
  written: readonly ServerConfig[],
  found: readonly FoundServer[],
  words: readonly ServerWord[] = [],
): readonly ServerConfig[] {
  const { balancer } = emptyConfig();
  const upstream = {
    algorithm: { kind: 'round-robin', options: {} },
    servers: written,
    keepalive: { idleMax: 1, idleTimeoutMs: 1 },
    connectTimeoutMs: 1,
    responseTimeoutMs: 1,
  };
  const before = { ...balancer, upstreams: { web: upstream as never } };
  return withLiveServers(before, new Map([['web', found]]), words).upstreams['web']!.servers;
}

test('servers of the file, of DNS and of people are one list; the first of an address stands', () => {
  const own = { name: 'first', address: '192.0.2.1', port: 80, weight: 3 };
  const servers = live(
    [own],
    [inDns('192.0.2.1'), inDns('192.0.2.2', { weight: 5, priority: 1 })],
    [
      word('192.0.2.3:80', { added: { address: '192.0.2.3', port: 80 } }),
      word('192.0.2.2:80', { weight: 7, mode: 'drain' }),
      { ...word('first', { mode: 'maintenance' }), upstream: 'other' },
    ],
  );
  assert.deepEqual(servers, [
    own,
    {
      ...{ name: '192.0.2.2:80', address: '192.0.2.2', port: 80 },
      ...{ weight: 7, priority: 1, origin: 'dns', mode: 'drain' },
    },
    { name: '192.0.2.3:80', address: '192.0.2.3', port: 80, weight: 1, origin: 'api' },
  ]);
  assert.deepEqual(
    serving(servers).map(({ name }) => name),
    ['first', '192.0.2.3:80'],
  );
});

test('the order of an answer changes nothing, a weight of 0 beside others is a small one', () => {
  const some = [
    inDns('192.0.2.2', { weight: 0 }),
    inDns('192.0.2.1', { weight: 50 }),
    inDns('192.0.2.3', { priority: 1 }),
    inDns('192.0.2.1', { weight: 50, priority: 2 }),
  ];
  const arranged = arrange(some);
  assert.deepEqual(arrange(some.toReversed()), arranged);
  assert.deepEqual(
    arranged.map(({ address, priority, weight }) => [address, priority, weight]),
    [
      ['192.0.2.1', 0, 50],
      ['192.0.2.2', 0, 0.5],
      ['192.0.2.3', 1, 1],
    ],
  );
  assert.deepEqual(
    arrange([inDns('192.0.2.1', { weight: 0 })]).map(({ weight }) => weight),
    [1],
  );
});

test('SRV says port, weight and priority; the target "." is no server', () => {
  const rdata = (...target: number[]) => Uint8Array.of(0, 1, 0, 2, 0x1f, 0x90, ...target);
  assert.deepEqual(readService(rdata(1, 0x41, 0)), {
    ...{ priority: 1, weight: 2, port: 8080 },
    target: 'a.',
  });
  assert.equal(readService(rdata(0)), undefined);
  assert.equal(readService(rdata(3, 0x41, 0)), undefined, 'a broken name');
});

test('a word is read as it was kept, and nothing else is', () => {
  const kept = word('192.0.2.3:80', { mode: 'drain', weight: 2 });
  assert.deepEqual(parseServerWord(JSON.stringify(kept)), kept);
  for (const bad of ['', '{}', JSON.stringify({ ...kept, mode: 'asleep' }), '[1]']) {
    assert.equal(parseServerWord(bad), undefined, bad);
  }
});

function emptyConfig() {
  return { balancer: { engine: 'auto' as const, upstreams: {}, listeners: [] } };
}
