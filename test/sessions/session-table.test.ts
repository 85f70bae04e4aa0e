import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytesOf } from '../../src/http/ascii.ts';
import { hashSessionKey, sessionKeySecretOf } from '../../src/sessions/session-key.ts';
import {
  changeSession,
  confirmSession,
  createSessionTable,
  doubtSessions,
  expiryOf,
  findSession,
  isConfirmed,
  PLACES_PER_SET,
  putSession,
  type SessionTable,
} from '../../src/sessions/session-table.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';

const NOW = 1_800_000_000;

function serverAt(table: SessionTable, high: number, low: number, now = NOW): number {
  const place = findSession(table, high, low, now);
  return place < 0 ? 0 : table.servers[place]!;
}

test('a session is found with its server until its time is over', () => {
  const table = createSessionTable(100);
  putSession(table, 1, 2, 7, NOW + 10, NOW);
  assert.equal(serverAt(table, 1, 2), 7);
  assert.equal(serverAt(table, 2, 1), 0);
  assert.equal(serverAt(table, 0, 0), 0, 'a free place is no session');
  assert.equal(serverAt(table, 1, 2, NOW + 9), 7);
  assert.equal(serverAt(table, 1, 2, NOW + 10), 0);
  putSession(table, 1, 2, 8, NOW + 30, NOW + 10);
  assert.equal(serverAt(table, 1, 2, NOW + 10), 8);
  assert.equal(expiryOf(table, 1, 2), NOW + 30);
  assert.deepEqual(table.counters, { hits: 3, misses: 3, inserted: 1, evicted: 0 });
});

test('it holds as many sessions as it is for, and nearly none leaves early', () => {
  const count = 100_000;
  const table = createSessionTable(count);
  const secret = sessionKeySecretOf('', 'shop');
  const key = { high: 0, low: 0 };
  const keyOf = (index: number): void => {
    const bytes = bytesOf(`user-${index}`);
    hashSessionKey(secret, bytes, 0, bytes.length, key);
  };
  for (let index = 0; index < count; index++) {
    keyOf(index);
    putSession(table, key.high, key.low, index + 1, NOW + 60, NOW);
  }
  let lost = 0;
  for (let index = 0; index < count; index++) {
    keyOf(index);
    const server = serverAt(table, key.high, key.low);
    if (server === 0) lost++;
    else assert.equal(server, index + 1);
  }
  assert.equal(lost, table.counters.evicted);
  assert.ok(lost < count * 0.02, `${lost} lost`);
});

test('who is used stays, who is not makes room', () => {
  const table = createSessionTable(1);
  assert.equal(table.servers.length, PLACES_PER_SET);
  for (let low = 0; low < PLACES_PER_SET; low++) putSession(table, 9, low, 1, NOW + 60, NOW);
  putSession(table, 9, 100, 1, NOW + 60, NOW);
  for (let low = 101; low < 400; low++) {
    assert.equal(serverAt(table, 9, 100), 1, `${low}`);
    putSession(table, 9, low, 1, NOW + 60, NOW);
  }
  assert.equal(table.counters.evicted, 300);
});

test('a place whose time is over is taken before anybody has to leave', () => {
  const table = createSessionTable(1);
  for (let low = 0; low < PLACES_PER_SET; low++) putSession(table, 9, low, 1, NOW + 1 + low, NOW);
  putSession(table, 9, 100, 2, NOW + 60, NOW + 1);
  assert.equal(table.counters.evicted, 0);
  assert.equal(serverAt(table, 9, 100, NOW + 1), 2);
  assert.equal(serverAt(table, 9, 1, NOW + 1), 1);
});

test('news change only what is here, and doubt ends with the next confirmation', () => {
  const table = createSessionTable(100);
  assert.equal(changeSession(table, 1, 2, 5, NOW + 5), false);
  putSession(table, 1, 2, 4, NOW + 5, NOW);
  assert.ok(changeSession(table, 1, 2, 5, NOW + 50));
  assert.equal(serverAt(table, 1, 2, NOW + 10), 5);
  const place = findSession(table, 1, 2, NOW);
  for (let round = 0; round < 300; round++) {
    assert.ok(isConfirmed(table, place));
    doubtSessions(table);
    assert.equal(isConfirmed(table, place), false);
    assert.equal(serverAt(table, 1, 2), 5, 'still served');
    confirmSession(table, place);
  }
});

test('it says what a map says, except for sessions that had to leave', () => {
  const step = fc.record({
    low: fc.nat(60),
    server: fc.integer({ min: 1, max: 0xffff_ffff }),
    ttl: fc.integer({ min: 1, max: 20 }),
    pass: fc.nat(3),
    isPut: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const table = createSessionTable(20);
      const plain = new Map<number, { server: number; expires: number }>();
      let now = NOW;
      for (const { low, server, ttl, pass, isPut } of steps) {
        now += pass;
        if (isPut) {
          putSession(table, 0xffff_ffff, low, server, now + ttl, now);
          plain.set(low, { server, expires: now + ttl });
        } else {
          const known = plain.get(low);
          const expected = known && known.expires > now ? known.server : 0;
          const said = serverAt(table, 0xffff_ffff, low, now);
          if (said !== 0 || table.counters.evicted === 0) assert.equal(said, expected);
        }
      }
    }),
    { seed: fuzzSeed(20_261_122), numRuns: fuzzRuns(500) },
  );
});

test('keys differ by input, upstream and secret, and spread evenly', () => {
  const bytes = bytesOf('xxalicexx');
  const keyOf = (secret: string, upstream: string): string => {
    const key = { high: 0, low: 0 };
    hashSessionKey(sessionKeySecretOf(secret, upstream), bytes, 2, 7, key);
    return `${key.high} ${key.low}`;
  };
  assert.equal(keyOf('a', 'shop'), keyOf('a', 'shop'));
  assert.equal(new Set([keyOf('a', 'shop'), keyOf('b', 'shop'), keyOf('a', 'api')]).size, 3);
});
