import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type OverridesChange, parseOverride } from '../../src/control/overrides.ts';
import type { Override } from '../../src/health/override.ts';
import { createFactWorld, drain, type FactWorld } from '../cluster/fact-world.ts';
import { settle } from '../monitoring/moved-clock.ts';
import { createFlawedStore, type FlawedStore } from './flawed-store.ts';
import { openOverrides } from './open-overrides.ts';

const KEY = 'facts/override/manual/region/frankfurt';

test('set() is in force at once, and says so when the store has it', async (t) => {
  const { world, one } = await opened(t);
  one.hold(true);
  const setting = one.overrides.set(drain(one, 'frankfurt'));
  assert.deepEqual(one.targets(), ['frankfurt']);
  one.hold(false);
  assert.deepEqual(await setting, { shared: true, detail: 'the store has it' });
  const stored = JSON.parse((await world.store.get(KEY))?.value ?? '');
  assert.deepEqual(JSON.parse(stored.value), drain(one, 'frankfurt'));
});

test('set() says that nobody else knows yet while the store is away or slow', async (t) => {
  const { world, one, two } = await opened(t);
  one.cut(true);
  await world.clock.advance(40_000);
  const away = await one.overrides.set(drain(one, 'frankfurt'));
  assert.deepEqual(away, {
    shared: false,
    detail: 'in force here; not yet shared: the store does not answer',
  });
  assert.deepEqual(one.targets(), ['frankfurt']);
  assert.deepEqual(two.targets(), []);
  one.cut(false);
  await world.clock.advance(20_000);
  assert.deepEqual(two.targets(), ['frankfurt']);
  one.hold(true);
  const slow = one.overrides.set(drain(one, 'virginia'));
  await world.clock.advance(1000);
  assert.match((await slow).detail, /not confirmed/);
  assert.deepEqual(one.log, ['facts.unshared', 'facts.shared'], 'once each');
});

test('clear() wins over a set() that the store has not yet taken', async (t) => {
  for (const slow of [false, true]) {
    const { world, one, two } = await opened(t);
    one.hold(slow);
    const setting = one.overrides.set(drain(one, 'frankfurt'));
    const clearing = one.overrides.clear(() => true);
    one.hold(false);
    await Promise.all([setting, clearing]);
    await world.settle();
    assert.deepEqual([one.targets(), two.targets()], [[], []], `slow ${slow}`);
  }
});

test('a late echo of an earlier word does not bring it back', async (t) => {
  const { world, one } = await opened(t);
  await one.overrides.set(drain(one, 'frankfurt', { reason: 'first' }));
  one.hold(true);
  const second = one.overrides.set(drain(one, 'frankfurt', { reason: 'second' }));
  const reasons = (): readonly string[] => one.overrides.current().map(({ reason }) => reason);
  assert.deepEqual(reasons(), ['second']);
  one.hold(false);
  await second;
  await world.settle();
  assert.deepEqual(reasons(), ['second']);
});

test('what another node sets and clears is in force here too', async (t) => {
  const { world, one, two } = await opened(t);
  await two.overrides.set(drain(two, 'frankfurt'));
  await world.settle();
  assert.deepEqual(one.targets(), ['frankfurt']);
  await two.overrides.clear(() => true);
  await world.settle();
  assert.deepEqual(one.targets(), []);
  assert.deepEqual(shapes(one.changes), [
    [1, 0],
    [0, 0],
  ]);
});

test('of two words on one target the later one counts on all nodes', async (t) => {
  const { world, one, two } = await opened(t);
  one.hold(true);
  const first = one.overrides.set(drain(one, 'frankfurt'));
  await world.clock.advance(1);
  await two.overrides.set(drain(two, 'frankfurt'));
  one.hold(false);
  await first;
  await world.settle();
  for (const { overrides } of [one, two]) assert.equal(overrides.current()[0]?.by, 'two');
  const stored = JSON.parse((await world.store.get(KEY))?.value ?? '');
  assert.equal(JSON.parse(stored.value).by, 'two');
});

test('an override lapses at its time on every node, without the store, and is told once', async (t) => {
  const { world, one, two } = await opened(t);
  const lasting = { ...drain(one, 'x'), target: { kind: 'pool', name: 'web' } } as const;
  const expiresAtMs = world.clock.nowMs() + 60_000;
  await one.overrides.set(drain(one, 'frankfurt', { expiresAtMs }));
  await one.overrides.set(lasting);
  await world.settle();
  two.cut(true);
  await world.clock.advance(59_999);
  assert.deepEqual(two.targets(), ['frankfurt', 'web']);
  await world.clock.advance(1);
  for (const { changes, targets } of [one, two]) {
    assert.deepEqual(targets(), ['web']);
    const lapsed = changes.flatMap((change) => change.lapsed.map(({ target }) => target.name));
    assert.deepEqual(lapsed, ['frankfurt']);
  }
});

test("a lapse does not take another node's newer word away", async (t) => {
  const { world, one, two } = await opened(t);
  await one.overrides.set(drain(one, 'frankfurt', { expiresAtMs: world.clock.nowMs() + 1000 }));
  await world.settle();
  one.hold(true);
  await world.clock.advance(900);
  await two.overrides.set(drain(two, 'frankfurt'));
  await world.clock.advance(100);
  assert.deepEqual(one.targets(), []);
  one.hold(false);
  await world.settle();
  assert.equal(one.overrides.current()[0]?.by, 'two');
  assert.equal(two.overrides.current()[0]?.by, 'two');
});

test('adopt() takes what was saved, and later words stand', async (t) => {
  const { world, one, two } = await opened(t);
  const saved = [drain(one, 'frankfurt'), drain(one, 'virginia'), drain(one, 'tokyo')];
  const over = drain(one, 'lima', { expiresAtMs: world.clock.nowMs() + 1 });
  await world.clock.advance(1000);
  await two.overrides.set(drain(two, 'frankfurt', { action: 'up' }));
  await two.overrides.set(drain(two, 'virginia'));
  await two.overrides.clear(({ target }) => target.name === 'virginia');
  await world.settle();
  one.overrides.adopt([...saved, over]);
  await world.settle();
  for (const { overrides } of [one, two]) {
    assert.deepEqual(
      overrides.current().map(({ action, target }) => [target.name, action]),
      [
        ['tokyo', 'drain'],
        ['frankfurt', 'up'],
      ],
    );
  }
});

test('people and drills have places of their own on one target', async (t) => {
  const { world, one, two } = await opened(t);
  await one.overrides.set(drain(one, 'frankfurt'));
  await world.clock.advance(1);
  await one.overrides.set(drain(one, 'frankfurt', { drill: 'drill-1' }));
  await world.clock.advance(1);
  await two.overrides.set(drain(two, 'frankfurt', { action: 'up' }));
  await world.settle();
  assert.deepEqual(
    one.overrides.current().map(({ action, drill }) => [action, drill]),
    [
      ['drain', 'drill-1'],
      ['up', undefined],
    ],
  );
});

test('what is no override is left where it is', async (t) => {
  const { world, one } = await opened(t);
  const { clock, replica } = one.facts;
  const put = (name: string, value: unknown): void => {
    replica.write(`override/manual/region/${name}`, JSON.stringify(value), clock.nowMs());
  };
  put('lapsed', drain(one, 'lapsed', { expiresAtMs: clock.nowMs() - 1 }));
  put('action', { ...drain(one, 'action'), action: 'explode' });
  put('null', null);
  put('elsewhere', drain(one, 'here'));
  replica.write('override/manual/region/text', '{', clock.nowMs());
  await world.settle();
  assert.deepEqual(one.targets(), []);
  assert.equal(replica.list('override/').length, 5);
});

test('createOverrides() starts without a store that is away', async () => {
  const { overrides, warnings } = await openedAlone((flawed) => flawed.fail(true));
  assert.deepEqual(overrides.current(), []);
  assert.deepEqual(warnings, ['facts.unshared']);
  overrides.close();
});

test('close() leaves no timer behind and hears no more', async () => {
  const { overrides, flawed, changes } = await openedAlone();
  await overrides.set({ ...drainAt(1), expiresAtMs: flawed.clock.nowMs() + 1000 });
  overrides.close();
  await settle();
  assert.equal(flawed.clock.pending(), 0);
  const before = changes.length;
  const entry = await flawed.other.get(KEY);
  await flawed.other.compareAndSet(KEY, entry?.version ?? 0, undefined);
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

const shapes = (changes: readonly OverridesChange[]): readonly (readonly number[])[] =>
  changes.map(({ current, lapsed }) => [current.length, lapsed.length]);

async function opened(t: TestContext) {
  const world: FactWorld = await createFactWorld();
  t.after(world.close);
  return { world, one: await world.node('one'), two: await world.node('two') };
}

async function openedAlone(prepare: (flawed: FlawedStore) => void = () => {}) {
  const flawed = await createFlawedStore();
  prepare(flawed);
  const warnings: string[] = [];
  const changes: OverridesChange[] = [];
  const log = { warn: (event: string) => warnings.push(event), info: () => {} };
  const overrides = await openOverrides(flawed.clock, flawed.store, log, (change) =>
    changes.push(change),
  );
  return { overrides, flawed, warnings, changes };
}
