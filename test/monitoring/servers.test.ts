import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Check } from '../../src/health/composite.ts';
import { initialVerdict, observe, type VerdictState } from '../../src/health/verdict.ts';
import { createServerHealth, type HealthServer } from '../../src/monitoring/servers.ts';

const RULES = { rise: 1, fall: 1, intervalMs: 1000 };

function seen(ok: boolean): VerdictState {
  const reason = ok ? '200 OK' : 'connection refused';
  return observe(initialVerdict(), { atMs: 1, ok, rttMs: 1, reason }, RULES);
}

const target = (key: string): Check => ({ kind: 'target', key });
const SERVERS: readonly HealthServer[] = [
  { upstream: 'shop', name: 'a', live: target('k1') },
  { upstream: 'shop', name: 'b', live: target('k2') },
  { upstream: 'blog', name: 'a', live: target('k1') },
  { upstream: 'static', name: 'c' },
];

function bench() {
  const calls: { flags: number[]; events: string[] }[] = [];
  const health = createServerHealth({
    onChange: (flags, events) =>
      calls.push({
        flags: [...flags],
        events: events.map(({ kind, subject, message }) => `${kind} ${subject} ${message}`),
      }),
  });
  return { health, calls, flags: [...health.setServers(SERVERS)] };
}

test('setServers() begins with every server usable: unknown is not down', () => {
  const { health, flags } = bench();
  assert.deepEqual(flags, [1, 1, 1, 1]);
  assert.deepEqual(health.status('shop', 'a'), { state: 'unknown', reason: 'not probed yet' });
  assert.deepEqual(health.status('static', 'c'), { state: 'up', reason: 'not monitored' });
  assert.equal(health.status('shop', 'z'), undefined);
});

test('observe() takes a server out wherever it serves, and tells so once', () => {
  const { health, calls } = bench();
  health.observe({ key: 'k1', state: seen(false) });
  health.observe({ key: 'k1', state: seen(false) });
  health.observe({ key: 'unknown key', state: seen(false) });
  assert.deepEqual(calls, [
    {
      flags: [0, 1, 0, 1],
      events: [
        'server.down shop/a down: connection refused',
        'server.down blog/a down: connection refused',
        'upstream.down blog down: no server is usable, requests are answered with 503',
      ],
    },
  ]);
  assert.deepEqual(health.status('blog', 'a'), { state: 'down', reason: 'connection refused' });
});

test('observe() clears every flag of an upstream when all its servers are down, and returns them', () => {
  const { health, calls } = bench();
  health.observe({ key: 'k1', state: seen(false) });
  health.observe({ key: 'k2', state: seen(false) });
  assert.deepEqual([...health.flags()], [0, 0, 0, 1]);
  assert.ok(calls[1]?.events.some((event) => event.startsWith('upstream.down shop')));
  health.observe({ key: 'k2', state: seen(true) });
  assert.deepEqual([...health.flags()], [0, 1, 0, 1]);
  assert.deepEqual(calls[2]?.events, [
    'server.up shop/b up: 200 OK',
    'upstream.up shop up: 1 usable',
  ]);
});

test('setServers() keeps what is known of the servers that stay', () => {
  const { health } = bench();
  health.observe({ key: 'k1', state: seen(false) });
  health.observe({ key: 'k2', state: seen(false) });
  const flags = health.setServers([
    { upstream: 'new', name: 'x', live: target('k9') },
    SERVERS[1]!,
  ]);
  assert.deepEqual([...flags], [1, 0]);
  assert.deepEqual(
    [...health.setServers(SERVERS)],
    [1, 0, 1, 1],
    'a server that left is forgotten',
  );
});

test('observe() calls a server degraded that is up and slow, and up again', () => {
  const { health, calls } = bench();
  const rules = { ...RULES, slowAboveMs: 100 };
  const answer = (state: VerdictState, rttMs: number) =>
    observe(state, { atMs: 1, ok: true, rttMs, reason: '200 OK' }, rules);
  const slow = answer(initialVerdict(), 150);
  health.observe({ key: 'k2', state: slow });
  assert.deepEqual([...health.flags()], [1, 2, 1, 1]);
  assert.deepEqual(health.status('shop', 'b'), {
    state: 'degraded',
    reason: '200 OK, after 150 ms',
  });
  health.observe({ key: 'k1', state: seen(false) });
  health.observe({ key: 'k2', state: answer(slow, 1) });
  assert.deepEqual(
    calls.map(({ events, flags }) => [flags, ...events]),
    [
      [[1, 2, 1, 1], 'server.degraded shop/b degraded: 200 OK, after 150 ms'],
      [
        [0, 2, 0, 1],
        'server.down shop/a down: connection refused',
        'server.down blog/a down: connection refused',
        'upstream.down blog down: no server is usable, requests are answered with 503',
      ],
      [[0, 1, 0, 1], 'server.up shop/b up: 200 OK'],
    ],
    'shop is never down: a degraded server is usable',
  );
});

test('observe() calls a server unready that is up and fails its readiness', () => {
  const { health, calls } = bench();
  const [live, ready] = [target('live'), target('ready')];
  health.setServers([{ upstream: 'shop', name: 'a', live, ready }]);
  const steps = [
    ['live', true, 'up'],
    ['ready', true, 'up'],
    ['ready', false, 'unready'],
    ['live', false, 'down'],
    ['ready', true, 'down'],
    ['ready', false, 'down'],
    ['live', true, 'unready'],
    ['ready', true, 'up'],
  ] as const;
  for (const [key, ok, expected] of steps) {
    health.observe({ key, state: seen(ok) });
    assert.equal(health.status('shop', 'a')?.state, expected, `${key} ${ok}`);
  }
  assert.deepEqual(
    calls.flatMap(({ events }) => events.map((event) => event.split(' ', 2).join(' '))),
    [
      'server.up shop/a',
      ...['server.unready shop/a', 'upstream.down shop'],
      'server.down shop/a',
      'server.unready shop/a',
      ...['server.up shop/a', 'upstream.up shop'],
    ],
  );
});

test('observe() judges a server by a group of monitors as a whole', () => {
  const { health, calls } = bench();
  const member = (key: string, more = {}) => {
    return { check: target(key), required: false, inverted: false, weight: 1, ...more };
  };
  const members = [member('web', { required: true }), member('cart'), member('search')];
  const live: Check = { kind: 'composite', name: 'fine', members, need: 2 };
  health.setServers([{ upstream: 'shop', name: 'a', live }]);
  const steps = [
    ['cart', true, 'unknown', 'fine: 3 of 3, 2 needed (web: not probed yet)'],
    ['web', true, 'up', 'fine: 3 of 3, 2 needed'],
    ['search', false, 'up', 'fine: 2 of 3, 2 needed (search: connection refused)'],
    ['cart', false, 'down', 'fine: 1 of 3, 2 needed (cart: connection refused)'],
    ['search', true, 'up', 'fine: 2 of 3, 2 needed (cart: connection refused)'],
    ['web', false, 'down', 'fine: must have (web: connection refused)'],
  ] as const;
  for (const [key, ok, state, reason] of steps) {
    health.observe({ key, state: seen(ok) });
    assert.deepEqual(health.status('shop', 'a'), { state, reason }, `${key} ${ok}`);
  }
  assert.deepEqual(
    calls.map(({ flags }) => flags),
    [[1], [0], [1], [0]],
    'only a change is told',
  );
});

test('observe() calls a server degraded when one of its group is slow, and says which time that was', () => {
  const { health } = bench();
  const members = ['web', 'cart'].map((key) => {
    return { check: target(key), required: false, inverted: false, weight: 1 };
  });
  health.setServers([
    { upstream: 'shop', name: 'a', live: { kind: 'composite', name: 'g', members, need: 1 } },
  ]);
  const rules = { ...RULES, slowAboveMs: 100 };
  const slow = { atMs: 1, ok: true, rttMs: 150, reason: '200 OK' };
  health.observe({ key: 'cart', state: observe(initialVerdict(), slow, rules) });
  const degraded = { state: 'degraded', reason: '200 OK, after 150 ms' };
  assert.deepEqual(health.status('shop', 'a'), degraded);
  health.observe({ key: 'web', state: seen(false) });
  assert.deepEqual(health.status('shop', 'a'), degraded, 'what is down is no load');
});

test('observe() says of a degraded server what makes it so, not what else is slow', () => {
  const { health } = bench();
  const member = (check: Check, inverted = false) => {
    return { check, required: false, inverted, weight: 1 };
  };
  const group = (name: string, need: number, members: ReturnType<typeof member>[]): Check => {
    return { kind: 'composite', name, members, need };
  };
  const rules = { ...RULES, slowAboveMs: 100 };
  const slow = (reason: string) =>
    observe(initialVerdict(), { atMs: 1, ok: true, rttMs: 150, reason }, rules);
  const broken = group('broken', 2, [member(target('stock')), member(target('mail'))]);
  const live = group('site', 1, [
    member(target('standby'), true),
    member(broken),
    member(target('web')),
  ]);
  health.setServers([{ upstream: 'shop', name: 'a', live }]);
  health.observe({ key: 'standby', state: slow('standby is there') });
  health.observe({ key: 'mail', state: seen(false) });
  health.observe({ key: 'stock', state: slow('plenty in stock') });
  health.observe({ key: 'web', state: seen(true) });
  assert.equal(health.status('shop', 'a')?.state, 'up', 'neither counts');
  health.observe({ key: 'web', state: slow('200 OK') });
  const degraded = { state: 'degraded', reason: '200 OK, after 150 ms' };
  assert.deepEqual(health.status('shop', 'a'), degraded);
});
