import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { TOMBSTONE_KEEP_MS } from '../../src/cluster/fact.ts';
import { STAMP_AHEAD_MAX_MS } from '../../src/cluster/stamp.ts';
import { createFactWorld, drain, type FactNode, type NodeOptions } from './fact-world.ts';

const DAY_MS = 24 * 3600_000;

test('a store that is emptied gets everything back from whoever holds it', async (t) => {
  const { world, one, two } = await opened(t);
  await one.overrides.set(drain(one, 'frankfurt'));
  await two.overrides.set(drain(two, 'virginia'));
  await two.overrides.clear(({ target }) => target.name === 'virginia');
  two.cut(true);
  await world.empty();
  await world.clock.advance(40_000);
  assert.deepEqual([one.targets(), two.targets()], [['frankfurt'], ['frankfurt']]);
  const keys = (await world.store.list('facts/')).map(({ key }) => key);
  assert.deepEqual(keys, [
    'facts/override/manual/region/frankfurt',
    'facts/override/manual/region/virginia',
  ]);
  const fresh = await world.node('fresh');
  assert.deepEqual(fresh.targets(), ['frankfurt']);
});

test('what an older backup holds is overwritten, never taken', async (t) => {
  const { world, one, two } = await opened(t);
  await one.overrides.set(drain(one, 'old'));
  await one.overrides.set(drain(one, 'changed', { reason: 'before' }));
  const backup = await world.backup();
  await world.clock.advance(1000);
  await one.overrides.clear(({ target }) => target.name === 'old');
  await one.overrides.set(drain(one, 'changed', { reason: 'after' }));
  await one.overrides.set(drain(one, 'new'));
  await world.settle();
  await world.restore(backup);
  await world.clock.advance(40_000);
  for (const each of [one, two, await world.node('fresh')]) {
    assert.deepEqual([...each.targets()].sort(), ['changed', 'new'], each.name);
    assert.ok(each.overrides.current().some(({ reason }) => reason === 'after'));
  }
  const changes = [...one.changes, ...two.changes].map(({ current }) => current);
  assert.ok(!changes.slice(-1)[0]?.some(({ target }) => target.name === 'old'));
});

test('words that were spoken on both sides of a partition are all there when it is over', async (t) => {
  const { world, one, two } = await opened(t);
  await one.overrides.set(drain(one, 'both'));
  await world.settle();
  two.cut(true);
  await world.clock.advance(60_000);
  void one.overrides.set(drain(one, 'left'));
  void two.overrides.set(drain(two, 'right'));
  await world.clock.advance(1000);
  void two.overrides.clear(({ target }) => target.name === 'both');
  await world.clock.advance(60_000);
  assert.deepEqual([[...one.targets()].sort(), two.targets()], [['both', 'left'], ['right']]);
  two.cut(false);
  await world.clock.advance(20_000);
  for (const each of [one, two]) assert.deepEqual([...each.targets()].sort(), ['left', 'right']);
  assert.deepEqual(two.log, ['facts.unshared', 'facts.shared']);
});

test('peers carry words while there is no store, and later words still win', async (t) => {
  const { world, one, two } = await opened(t, { hasPeers: () => true, isCut: true });
  await world.clock.advance(1000);
  const setting = one.overrides.set(drain(one, 'frankfurt', { reason: 'ü'.repeat(900) }));
  world.gossip(one, two);
  assert.deepEqual(await setting, { shared: true, detail: 'node two has it' });
  assert.deepEqual(two.targets(), ['frankfurt']);
  void two.overrides.clear(() => true);
  world.gossip(one, two);
  assert.deepEqual(one.targets(), []);
  one.cut(false);
  await world.clock.advance(20_000);
  assert.equal((await world.store.list('facts/')).length, 1, 'the clear is in the store');
});

test('a clear is later than what it clears, whatever the clocks say', async (t) => {
  const world = await createFactWorld();
  t.after(world.close);
  const isClockless = true;
  const ahead = await world.node('ahead', { skewMs: 3600_000, isClockless });
  const behind = await world.node('behind', { skewMs: -3600_000, isClockless });
  await ahead.overrides.set(drain(ahead, 'frankfurt'));
  await world.settle();
  assert.deepEqual(behind.targets(), ['frankfurt']);
  await behind.overrides.clear(() => true);
  await world.settle();
  for (const each of [ahead, behind]) assert.deepEqual(each.targets(), [], each.name);
});

test('an override lapses by the clock of the cluster on a node whose own clock is wrong', async (t) => {
  const world = await createFactWorld();
  t.after(world.close);
  const right = await world.node('right');
  const wrong = await world.node('wrong', { skewMs: -7200_000 });
  const drill = 'drill-1';
  const expiresAtMs = wrong.facts.clock.nowMs() + 60_000;
  assert.equal(expiresAtMs, world.clock.nowMs() + 60_000);
  await wrong.overrides.set(drain(wrong, 'frankfurt', { expiresAtMs, drill }));
  await world.clock.advance(59_999);
  for (const each of [right, wrong]) assert.deepEqual(each.targets(), ['frankfurt'], each.name);
  await world.clock.advance(1);
  for (const each of [right, wrong]) assert.deepEqual(each.targets(), [], each.name);
  assert.ok(wrong.log.includes('clock.skewed'));
});

test('a word from a clock that is far ahead is taken by nobody, and does not stay', async (t) => {
  const { world, one, two } = await opened(t);
  await one.overrides.set(drain(one, 'frankfurt', { reason: 'right' }));
  await world.settle();
  const skewMs = 2 * STAMP_AHEAD_MAX_MS;
  const broken = await world.node('broken', { skewMs, isClockless: true });
  await broken.overrides.set(drain(broken, 'frankfurt', { reason: 'poison' }));
  await broken.overrides.set(drain(broken, 'virginia', { reason: 'poison' }));
  await world.settle();
  for (const each of [one, two]) {
    assert.deepEqual(each.targets(), ['frankfurt'], each.name);
    assert.equal(each.overrides.current()[0]?.reason, 'right');
  }
  await broken.close();
  await world.clock.advance(40_000);
  const values = (await world.store.list('facts/')).map(({ value }) => value);
  assert.ok(values.length === 1 && values[0]?.includes('right'), String(values));
});

test('a node whose clock is far behind neither believes nor destroys what the others say', async (t) => {
  const { world, one } = await opened(t);
  await one.overrides.set(drain(one, 'frankfurt'));
  const skewMs = -3 * STAMP_AHEAD_MAX_MS;
  const behind = await world.node('behind', { skewMs, isClockless: true });
  await world.clock.advance(100_000);
  assert.deepEqual(behind.targets(), []);
  assert.deepEqual(one.targets(), ['frankfurt']);
  assert.equal((await world.store.list('facts/')).length, 1);
});

test('what was cleared long ago leaves the store, too', async (t) => {
  const { world, one, two } = await opened(t);
  await one.overrides.set(drain(one, 'frankfurt'));
  await one.overrides.clear(() => true);
  const expiresAtMs = world.clock.nowMs() + 1000;
  await one.overrides.set(drain(one, 'virginia', { expiresAtMs }));
  await world.clock.advance(40_000);
  assert.equal((await world.store.list('facts/')).length, 2);
  world.clock.leap(TOMBSTONE_KEEP_MS + DAY_MS);
  await world.clock.advance(100_000);
  assert.deepEqual(await world.store.list('facts/'), []);
  for (const each of [one, two]) assert.deepEqual(each.facts.replica.all(), []);
});

test('what is no fact is left alone, unless it stands where one belongs', async (t) => {
  const { world, one } = await opened(t);
  await world.store.compareAndSet('facts/other', 0, 'not ours');
  await one.overrides.set(drain(one, 'frankfurt'));
  const [, entry] = await world.store.list('facts/');
  await world.store.compareAndSet(entry!.key, entry!.version, '{"garbage":1}');
  await world.clock.advance(40_000);
  assert.equal((await world.store.get('facts/other'))?.value, 'not ours');
  assert.deepEqual(one.targets(), ['frankfurt']);
  assert.match((await world.store.get(entry!.key))?.value ?? '', /"stamp"/);
});

test('many nodes that write the same key at once agree', async (t) => {
  const world = await createFactWorld();
  t.after(world.close);
  const nodes: FactNode[] = [];
  for (let each = 0; each < 5; each += 1) nodes.push(await world.node(`n${each}`));
  await Promise.all(
    nodes.map((node) => node.overrides.set(drain(node, 'frankfurt', { reason: node.name }))),
  );
  await world.clock.advance(40_000);
  const reasons = new Set(nodes.map(({ overrides }) => overrides.current()[0]?.reason));
  assert.equal(reasons.size, 1);
});

async function opened(t: TestContext, options: NodeOptions = {}) {
  const world = await createFactWorld();
  t.after(world.close);
  return { world, one: await world.node('one', options), two: await world.node('two', options) };
}
