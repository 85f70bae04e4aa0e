import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type OverridesChange, openOverrides, parseOverride } from '../../src/control/overrides.ts';
import type { Override } from '../../src/health/override.ts';
import { settle } from '../monitoring/moved-clock.ts';
import { createFlawedStore, type FlawedStore } from './flawed-store.ts';

const KEY = 'overrides/manual/region/frankfurt';

test('set() is in force at once and reaches the store', async () => {
  const { overrides, flawed } = await opened();
  flawed.hold();
  const setting = overrides.set(drain(flawed));
  assert.deepEqual(overrides.current(), [drain(flawed)]);
  flawed.release();
  await setting;
  const stored = await flawed.other.get(KEY);
  assert.deepEqual(JSON.parse(stored?.value ?? ''), drain(flawed));
});

test('clear() wins over a set() that the store has not yet taken', async () => {
  for (const slow of [false, true]) {
    const { overrides, flawed } = await opened();
    if (slow) flawed.hold();
    const setting = overrides.set(drain(flawed));
    const clearing = overrides.clear(() => true);
    flawed.release();
    await Promise.all([setting, clearing]);
    await settle();
    assert.deepEqual(overrides.current(), [], `slow ${slow}`);
    assert.equal(await flawed.other.get(KEY), undefined, `slow ${slow}`);
  }
});

test('a late echo of an earlier word does not bring it back', async () => {
  const { overrides, flawed } = await opened();
  await overrides.set({ ...drain(flawed), reason: 'first' });
  flawed.hold();
  const second = overrides.set({ ...drain(flawed), reason: 'second' });
  const reasons = (): readonly string[] => overrides.current().map(({ reason }) => reason);
  assert.deepEqual(reasons(), ['second']);
  flawed.release();
  await settle();
  assert.deepEqual(reasons(), ['second']);
  await second;
  await settle();
  assert.deepEqual(reasons(), ['second']);
});

test('what another node sets and clears is in force here too', async () => {
  const { overrides, flawed, changes } = await opened();
  const { version } = await flawed.other.compareAndSet(KEY, 0, JSON.stringify(drain(flawed)));
  await settle();
  assert.deepEqual(overrides.current(), [drain(flawed)]);
  await flawed.other.compareAndSet(KEY, version, undefined);
  await settle();
  assert.deepEqual(overrides.current(), []);
  assert.deepEqual(
    changes.map(({ current, lapsed }) => [current.length, lapsed.length]),
    [
      [1, 0],
      [0, 0],
    ],
  );
});

test('a foreign word that comes after ours while ours is still being written counts', async () => {
  const { overrides, flawed } = await opened();
  flawed.hold();
  const setting = overrides.set(drain(flawed));
  flawed.release();
  await settle();
  await setting;
  const version = (await flawed.other.get(KEY))?.version ?? 0;
  flawed.hold();
  const again = overrides.set({ ...drain(flawed), reason: 'ours' });
  await flawed.other.compareAndSet(KEY, version, JSON.stringify({ ...drain(flawed), by: 'other' }));
  flawed.release();
  await again;
  await settle();
  // The last write of the store is what both nodes end up with.
  const stored = JSON.parse((await flawed.other.get(KEY))?.value ?? '');
  assert.deepEqual(overrides.current(), [stored]);
});

test('an override lapses at its time, here and in the store, and is told once', async () => {
  const { overrides, flawed, changes } = await opened();
  const lasting = { ...drain(flawed), target: { kind: 'pool', name: 'web' } } as const;
  await overrides.set({ ...drain(flawed), expiresAtMs: flawed.clock.nowMs() + 60_000 });
  await overrides.set(lasting);
  await flawed.clock.advance(59_999);
  assert.equal(overrides.current().length, 2);
  await flawed.clock.advance(1);
  assert.deepEqual(overrides.current(), [lasting]);
  assert.equal(await flawed.other.get(KEY), undefined);
  assert.deepEqual(
    changes.flatMap(({ lapsed }) => lapsed.map(({ target }) => target.name)),
    ['frankfurt'],
  );
});

test('lapsing does not delete a newer word of another node', async () => {
  const { overrides, flawed } = await opened();
  await overrides.set({ ...drain(flawed), expiresAtMs: flawed.clock.nowMs() + 1000 });
  const version = (await flawed.other.get(KEY))?.version ?? 0;
  flawed.hold();
  const newer = { ...drain(flawed), by: 'other', setAtMs: flawed.clock.nowMs() + 900 };
  await flawed.other.compareAndSet(KEY, version, JSON.stringify(newer));
  await flawed.clock.advance(1000);
  assert.deepEqual(overrides.current(), []);
  flawed.release();
  await settle();
  await settle();
  assert.deepEqual(overrides.current(), [newer]);
  assert.deepEqual(JSON.parse((await flawed.other.get(KEY))?.value ?? ''), newer);
});

test('a store that is away changes nothing about what is in force', async () => {
  const { overrides, flawed, warnings } = await opened();
  flawed.fail(true);
  await overrides.set(drain(flawed));
  assert.deepEqual(overrides.current(), [drain(flawed)]);
  assert.equal((await overrides.clear(() => true)).length, 1);
  assert.deepEqual(overrides.current(), []);
  assert.deepEqual(warnings, ['store.unavailable', 'store.unavailable']);
});

test('openOverrides() starts without a store that is away', async () => {
  const flawed = await createFlawedStore();
  flawed.fail(true);
  const { overrides, warnings } = await opened(flawed);
  assert.deepEqual(overrides.current(), []);
  assert.deepEqual(warnings, ['store.unavailable']);
});

test('openOverrides() takes what is in force and skips what is lapsed or no override', async () => {
  const flawed = await createFlawedStore();
  const put = (name: string, value: unknown) =>
    flawed.other.compareAndSet(`overrides/manual/region/${name}`, 0, JSON.stringify(value));
  await put('frankfurt', drain(flawed));
  await put('lapsed', { ...drain(flawed), expiresAtMs: flawed.clock.nowMs() - 1 });
  await put('action', { ...drain(flawed), action: 'explode' });
  await put('null', null);
  await flawed.other.compareAndSet('overrides/manual/region/text', 0, '{');
  const { overrides } = await opened(flawed);
  assert.deepEqual(overrides.current(), [drain(flawed)]);
  await settle();
  const keys = (await flawed.other.list('overrides/')).map(({ key }) => key.split('/').at(-1));
  assert.deepEqual(keys, ['action', 'frankfurt', 'null', 'text']);
});

test('people and drills have places of their own on one target', async () => {
  const { overrides, flawed } = await opened();
  await overrides.set(drain(flawed));
  await overrides.set({ ...drain(flawed), drill: 'drill-1' });
  await overrides.set({ ...drain(flawed), action: 'up' });
  assert.deepEqual(
    overrides.current().map(({ action, drill }) => [action, drill]),
    [
      ['up', undefined],
      ['drain', 'drill-1'],
    ],
  );
});

test('close() leaves no timer behind and hears no more', async () => {
  const { overrides, flawed, changes } = await opened();
  await overrides.set({ ...drain(flawed), expiresAtMs: flawed.clock.nowMs() + 1000 });
  overrides.close();
  assert.equal(flawed.clock.pending(), 0);
  const before = changes.length;
  await flawed.other.compareAndSet('overrides/drill/x', 0, JSON.stringify(drain(flawed)));
  await settle();
  assert.equal(changes.length, before);
});

test('parseOverride() takes overrides and nothing else', () => {
  const override = { ...drainAt(5), expiresAtMs: 6, drill: 'd' };
  assert.deepEqual(parseOverride(JSON.parse(JSON.stringify(override))), override);
  for (const value of [null, 1, 'x', [], {}, { ...override, setAtMs: '5' }]) {
    assert.equal(parseOverride(value), undefined);
  }
});

function drainAt(setAtMs: number): Override {
  const target = { kind: 'region', name: 'frankfurt' } as const;
  return { target, action: 'drain', reason: '', by: 'test', setAtMs };
}

const drain = ({ clock }: FlawedStore): Override => drainAt(clock.nowMs());

async function opened(given?: FlawedStore) {
  const flawed = given ?? (await createFlawedStore());
  const warnings: string[] = [];
  const changes: OverridesChange[] = [];
  const overrides = await openOverrides(
    flawed.clock,
    flawed.store,
    { warn: (event) => warnings.push(event) },
    (change) => changes.push(change),
  );
  return { overrides, flawed, warnings, changes };
}
