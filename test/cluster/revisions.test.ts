import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { HISTORY_MAX, REVISION_KEY } from '../../src/cluster/revisions.ts';
import { createFactWorld, type FactNode } from './fact-world.ts';

const draft = (text: string) => ({ text, by: 'ann', note: 'why' });

test('publish() gives all nodes the next revision, in order', async (t) => {
  const { world, one, two } = await opened(t);
  const followed = follow(two);
  for (const [index, text] of ['a: 1', 'a: 2', 'ü: 3'].entries()) {
    const published = await one.facts.revisions.publish(draft(text), index);
    assert.ok(published.ok && published.revision.revision === index + 1);
  }
  await world.settle();
  assert.deepEqual(followed, ['1 a: 1', '2 a: 2', '3 ü: 3']);
  assert.deepEqual(follow(two), ['3 ü: 3'], 'who comes later hears the current one');
  const current = two.facts.revisions.current();
  assert.deepEqual([current?.by, current?.note, current?.sha256.length], ['ann', 'why', 64]);
});

test('publish() refuses what does not follow the current revision', async (t) => {
  const { world, one, two } = await opened(t);
  const results = await Promise.all([
    one.facts.revisions.publish(draft('one'), 0),
    two.facts.revisions.publish(draft('two'), 0),
  ]);
  const lost = results.find(({ ok }) => !ok);
  assert.equal(results.filter(({ ok }) => ok).length, 1, 'one of two authors is told');
  assert.ok(lost && !lost.ok && lost.problem === 'conflict');
  await world.settle();
  const late = await two.facts.revisions.publish(draft('x'), 0);
  assert.ok(!late.ok && /the current one is 1/.test(late.message));
});

test('publish() needs the store, and says so', async (t) => {
  const { one } = await opened(t);
  one.cut(true);
  const away = await one.facts.revisions.publish(draft('x'), 0);
  assert.ok(!away.ok && away.problem === 'store-away');
  assert.equal(one.facts.revisions.current(), undefined);
  assert.deepEqual(await one.facts.revisions.history(), []);
});

test('publish() takes large configurations, but not any size', async (t) => {
  const { one } = await opened(t);
  const large = 'zones: { example.com: {} }\n'.repeat(150_000);
  assert.equal((await one.facts.revisions.publish(draft(large), 0)).ok, true);
  assert.equal(one.facts.revisions.current()?.text, large);
  const noise = randomBytes(600_000).toString('hex');
  const refused = await one.facts.revisions.publish(draft(noise), 1);
  assert.ok(!refused.ok && refused.problem === 'too-large');
});

test('a revision never goes back, though the store was emptied, set back, and published to', async (t) => {
  const { world, one, two } = await opened(t);
  const { revisions } = one.facts;
  await revisions.publish(draft('1'), 0);
  const backup = await world.backup();
  for (const expected of [1, 2]) await revisions.publish(draft(`${expected + 1}`), expected);
  await world.settle();
  const followed = follow(two);
  await world.restore(backup);
  await world.clock.advance(40_000);
  for (const node of [one, two]) assert.equal(node.facts.revisions.current()?.revision, 3);

  one.cut(true);
  two.cut(true);
  await world.empty();
  const fresh = await world.node('fresh');
  await fresh.facts.revisions.publish(draft('from nothing'), 0);
  one.cut(false);
  two.cut(false);
  await world.clock.advance(40_000);
  for (const node of [one, two, fresh]) {
    assert.equal(node.facts.revisions.current()?.text, '3', node.name);
  }
  assert.deepEqual(followed, ['3 3']);
});

test('history() gives the last revisions, oldest first', async (t) => {
  const { one, two } = await opened(t);
  for (let expected = 0; expected < HISTORY_MAX + 3; expected += 1) {
    await one.facts.revisions.publish(draft(`${expected + 1}`), expected);
  }
  const history = await two.facts.revisions.history();
  assert.equal(history.length, HISTORY_MAX);
  assert.deepEqual([history[0]?.text, history.at(-1)?.text], ['4', `${HISTORY_MAX + 3}`]);
  two.cut(true);
  assert.equal((await two.facts.revisions.history()).length, 1);
});

test('a damaged revision is not followed', async (t) => {
  const { world, one, two } = await opened(t);
  await one.facts.revisions.publish(draft('good'), 0);
  await world.settle();
  const followed = follow(two);
  const value = one.facts.replica.value(REVISION_KEY)!;
  const bent = value.replace(/"sha256":"[0-9a-f]{4}/, '"sha256":"0000');
  one.facts.replica.write(REVISION_KEY, bent, world.clock.nowMs(), { as: { revision: 2 } });
  await world.settle();
  assert.deepEqual(followed, ['1 good']);
  assert.ok(two.log.includes('config.revision'));
});

function follow({ facts }: FactNode): string[] {
  const followed: string[] = [];
  facts.revisions.follow(({ revision, text }) => followed.push(`${revision} ${text}`));
  return followed;
}

async function opened(t: TestContext) {
  const world = await createFactWorld();
  t.after(world.close);
  return { world, one: await world.node('one'), two: await world.node('two') };
}

test('a revision by nobody who has the cluster key is not believed, and stands in the way', async (t) => {
  const { world, one, two } = await opened(t);
  const { revisions } = one.facts;
  await revisions.publish(draft('a: 1'), 0);
  await world.settle();
  // Somebody who can write to the store, and has no key, puts a later one there.
  const stranger = await world.node('stranger', { keyTexts: [] });
  const forged = await stranger.facts.revisions.publish(draft('a: evil'), 1);
  assert.ok(!forged.ok || forged.revision.revision === 2);
  await world.settle();
  for (const { facts } of [one, two]) assert.notEqual(facts.revisions.current()?.text, 'a: evil');
  const blind = await revisions.publish(draft('a: 3'), 0);
  assert.ok(!blind.ok && blind.problem === 'conflict', 'its number is taken');
  const over = await revisions.publish(draft('a: 3'), 2);
  assert.ok(over.ok && over.revision.revision === 3);
  await world.settle();
  assert.equal(two.facts.revisions.current()?.text, 'a: 3');
});
