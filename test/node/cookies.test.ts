import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { Secret, Secrets } from '../../src/cluster/secrets.ts';
import type { CookieSecrets } from '../../src/dns/cookie.ts';
import { COOKIE_SECRET_LIFE_MS } from '../../src/nameserver/cookie-secrets.ts';
import { keepCookies } from '../../src/node/cookies.ts';
import { createMovedClock } from '../monitoring/moved-clock.ts';

/** What nodes share, without a store: the first to write has made it. */
function sharedSecrets() {
  let value: Uint8Array | undefined;
  const watchers = new Set<(secret: Secret) => void>();
  const get = (): Secret => (value ? { state: 'known', bytes: value } : { state: 'absent' });
  const set = (bytes: Uint8Array): void => {
    value = bytes;
    for (const watcher of watchers) watcher(get());
  };
  const secrets: Pick<Secrets, 'get' | 'put' | 'createOnce' | 'watch'> = {
    get,
    put(_, bytes) {
      set(bytes);
      return { ok: true, key: 'dns-cookies' };
    },
    async createOnce(_, make) {
      const isNew = value === undefined;
      if (isNew) set(make());
      return { ok: true, bytes: value!, isNew };
    },
    watch(_, onChange) {
      watchers.add(onChange);
      return () => watchers.delete(onChange);
    },
  };
  return secrets;
}

test('nodes that share secrets make and understand the same cookies, over changes too', async () => {
  const clock = createMovedClock();
  const secrets = sharedSecrets();
  const told: CookieSecrets[][] = [[], []];
  const keepers = told.map((list) =>
    keepCookies({ secrets, clock, draw: randomBytes, tell: (cookies) => list.push(cookies) }),
  );
  const now = (node: number) => told[node]!.at(-1)!;
  await clock.advance(0);
  assert.deepEqual(now(0), now(1));
  const first = now(0).current;
  await clock.advance(COOKIE_SECRET_LIFE_MS + 120_000);
  assert.deepEqual(now(0).current, now(1).current);
  assert.notDeepEqual(now(0).current, first);
  for (const node of [0, 1]) {
    assert.ok(now(node).others.some((other) => Buffer.compare(other, first) === 0));
  }
  for (const keeper of keepers) keeper.close();
  const count = told[0]!.length;
  await clock.advance(3 * COOKIE_SECRET_LIFE_MS);
  assert.equal(told[0]!.length, count, 'closed is silent');
});

test('a node that cannot share has secrets of its own, from the first moment', async () => {
  const clock = createMovedClock();
  const told: CookieSecrets[] = [];
  const keeper = keepCookies({
    clock,
    draw: randomBytes,
    tell: (cookies) => told.push(cookies),
    secrets: {
      ...sharedSecrets(),
      get: () => ({ state: 'absent' }),
      createOnce: async () => ({ ok: false, reason: 'there are no cluster keys' }),
    },
  });
  assert.equal(told.length, 1);
  await clock.advance(2 * COOKIE_SECRET_LIFE_MS);
  assert.ok(told.length >= 3);
  keeper.close();
});
