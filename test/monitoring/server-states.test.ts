import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serverStates } from '../../src/monitoring/server-states.ts';
import type { HealthServer } from '../../src/monitoring/servers.ts';

const server = (name: string, more: Partial<HealthServer> = {}): HealthServer => ({
  ...{ upstream: 'web', name },
  ...more,
});
/** Names of servers that take requests, of those that only keep whom they have, and the rest. */
function split(servers: readonly HealthServer[], ...flags: readonly number[]): string {
  const states = serverStates(servers, Uint8Array.from(flags));
  const words = states.map(({ draining, server: name, usable }) =>
    usable ? (draining ? `(${name})` : name) : `-${name}`,
  );
  return words.join(' ');
}

test('one that drains keeps whom it has, one in maintenance nobody', () => {
  const servers = [
    server('a', { mode: 'drain' }),
    server('b', { mode: 'maintenance' }),
    server('c'),
  ];
  assert.equal(split(servers, 1, 1, 1), '(a) -b c');
  assert.equal(split(servers, 0, 1, 1), '-a -b c');
});

test('one that is not ready keeps whom it has, like one that drains', () => {
  assert.equal(split([server('a'), server('b', { mode: 'maintenance' })], 3, 3), '(a) -b');
});

test('one that is degraded is usable', () => {
  assert.deepEqual(serverStates([server('a')], Uint8Array.of(2)), [
    { upstream: 'web', server: 'a', usable: true, draining: false, degraded: true },
  ]);
});
