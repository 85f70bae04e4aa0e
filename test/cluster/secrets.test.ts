import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createKeyring, SECRET_BYTES_MAX } from '../../src/cluster/sealed.ts';
import { secretKindOf, secretKinds } from '../../src/cluster/secret-kinds.ts';
import { RESEAL_AGE_MS, RESEAL_MS } from '../../src/cluster/secrets.ts';
import { createFactWorld, type FactNode, KEY_A, KEY_B, type NodeOptions } from './fact-world.ts';

const NAME = 'dns-cookies';
const zeros = (count: number): Uint8Array => new Uint8Array(count);

test('put() is known to all nodes, and nowhere in the clear', async (t) => {
  const { world, one, two } = await opened(t);
  const told: string[] = [];
  const stop = two.facts.secrets.watch(NAME, (secret) => told.push(secret.state));
  assert.equal(one.facts.secrets.put(NAME, Buffer.from('a secret')).ok, true);
  await world.settle();
  assert.equal(text(two, NAME), 'a secret');
  const stored = (await world.store.list('')).map(({ value }) => value).join();
  assert.ok(
    !stored.includes('a secret') && !stored.includes(Buffer.from('a secret').toString('base64')),
  );
  one.facts.secrets.drop(NAME);
  await world.settle();
  assert.deepEqual(two.facts.secrets.get(NAME), { state: 'absent' });
  assert.deepEqual(told, ['known', 'absent']);
  stop();
});

test('put() refuses names of no kind, and what is too large', async (t) => {
  const { one } = await opened(t);
  const { secrets } = one.facts;
  for (const name of [
    'nosuch',
    'dns-cookies/x',
    'dnssec-keys',
    'dnssec-keys/',
    'dnssec-keys/a b',
  ]) {
    assert.equal(secrets.put(name, zeros(1)).ok, false, name);
    assert.equal((await secrets.createOnce(name, () => zeros(1))).ok, false, name);
  }
  const large = secrets.put(NAME, zeros(SECRET_BYTES_MAX + 1));
  assert.ok(!large.ok && /too large/.test(large.reason));
  assert.equal(secrets.put(NAME, zeros(SECRET_BYTES_MAX)).ok, true);
  assert.deepEqual(secrets.names(), [NAME]);
});

test('a value sealed with an unknown key is locked and says which key is missing', async (t) => {
  const { world, one } = await opened(t);
  one.facts.secrets.put(NAME, Buffer.from('x'));
  await world.settle();
  const other = await world.node('other', { keyTexts: [KEY_B] });
  const secret = other.facts.secrets.get(NAME);
  const [idA, idB] = [idOf(KEY_A), idOf(KEY_B)];
  assert.ok(secret.state === 'locked');
  assert.ok(secret.reason.includes(`key ${idA}`) && secret.reason.includes(`it has ${idB}`));
  other.facts.secrets.get(NAME);
  assert.deepEqual(other.log, ['secret.locked'], 'once');
  assert.equal((await other.facts.secrets.createOnce(NAME, () => zeros(1))).ok, false);
  const keyless = await world.node('keyless', { keyTexts: [] });
  const refused = keyless.facts.secrets.put('tls-tickets', zeros(1));
  assert.ok(!refused.ok && /no cluster key/.test(refused.reason));
});

test('a value that was moved to another name or put back from earlier does not open', async (t) => {
  const { world, one } = await opened(t);
  const { replica, secrets } = one.facts;
  secrets.put('certificate/a', Buffer.from('old'));
  const old = replica.value('secret/certificate/a');
  secrets.put('certificate/a', Buffer.from('new'));
  for (const name of ['certificate/a', 'certificate/b']) {
    replica.write(`secret/${name}`, old, world.clock.nowMs());
    const secret = secrets.get(name);
    assert.ok(secret.state === 'locked' && /does not open/.test(secret.reason), name);
  }
});

test('createOnce() gives all nodes one value, however many begin at once', async (t) => {
  const { world, one, two } = await opened(t);
  const three = await world.node('three');
  const made = await Promise.all(
    [one, two, three, one].map(({ facts, name }) => {
      return facts.secrets.createOnce(NAME, () => Buffer.from(`made by ${name}`));
    }),
  );
  await world.settle();
  const values = new Set([one, two, three].map((node) => text(node, NAME)));
  assert.equal(values.size, 1);
  assert.ok(made.every((each) => each.ok && values.has(Buffer.from(each.bytes).toString())));
  assert.equal(new Set(made.map((each) => each.ok && each.isNew)).size, 2, 'one has made it');
  const again = await two.facts.secrets.createOnce(NAME, () => assert.fail('made again'));
  assert.ok(again.ok && !again.isNew);
});

test('createOnce() makes nothing when the value comes while the store is asked', async (t) => {
  const { one, two } = await opened(t);
  two.hold(true);
  await one.facts.secrets.createOnce(NAME, () => Buffer.from('one'));
  const late = two.facts.secrets.createOnce(NAME, () => assert.fail('made again'));
  assert.equal(two.facts.secrets.get(NAME).state, 'absent');
  // The news of it, and then the store's answer.
  two.hold(false);
  const made = await late;
  assert.ok(made.ok && !made.isNew && Buffer.from(made.bytes).toString() === 'one');
});

test('createOnce() makes nothing without the store, and uses what is known', async (t) => {
  const { world, one, two } = await opened(t);
  await one.facts.secrets.createOnce(NAME, () => Buffer.from('x'));
  await world.settle();
  two.cut(true);
  assert.equal((await two.facts.secrets.createOnce(NAME, () => assert.fail('made'))).ok, true);
  const refused = await two.facts.secrets.createOnce('tls-tickets', () => assert.fail('made'));
  assert.ok(!refused.ok && /the store does not answer/.test(refused.reason));
});

test('a value that is made anew in an emptied store loses against the one that others hold', async (t) => {
  const { world, one, two } = await opened(t);
  await one.facts.secrets.createOnce(NAME, () => Buffer.from('first'));
  one.cut(true);
  two.cut(true);
  await world.empty();
  await world.clock.advance(1000);
  const fresh = await world.node('fresh');
  await fresh.facts.secrets.createOnce(NAME, () => Buffer.from('second'));
  assert.equal(text(fresh, NAME), 'second');
  one.cut(false);
  await world.clock.advance(40_000);
  for (const node of [one, fresh]) assert.equal(text(node, NAME), 'first', node.name);
});

test('createOnce() makes a new value after a drop', async (t) => {
  const { world, one, two } = await opened(t);
  await one.facts.secrets.createOnce(NAME, () => Buffer.from('first'));
  one.facts.secrets.drop(NAME);
  await world.clock.advance(1);
  const made = await two.facts.secrets.createOnce(NAME, () => Buffer.from('second'));
  await world.settle();
  assert.ok(made.ok && made.isNew);
  for (const node of [one, two]) assert.equal(text(node, NAME), 'second', node.name);
});

test('a new first key seals everything again, without undoing what is put meanwhile', async (t) => {
  const { world, one } = await opened(t);
  for (const name of ['certificate/a', 'certificate/b']) {
    one.facts.secrets.put(name, Buffer.from(name));
  }
  await world.clock.advance(RESEAL_AGE_MS);
  const both = await world.node('both', { keyTexts: [KEY_B, KEY_A] });
  one.hold(true);
  one.facts.secrets.put('certificate/b', Buffer.from('later'));
  await world.clock.advance(RESEAL_MS);
  assert.ok(both.log.includes('secret.resealed'));
  one.hold(false);
  await world.clock.advance(1000);
  assert.equal(text(both, 'certificate/a'), 'certificate/a');
  assert.equal(text(both, 'certificate/b'), 'later');
  const onlyNew = await world.node('new', { keyTexts: [KEY_B] });
  assert.equal(text(onlyNew, 'certificate/a'), 'certificate/a');
});

test('nodes that disagree about the first key do not seal against each other without end', async (t) => {
  const { world, one, two } = await opened(t, [
    { keyTexts: [KEY_A, KEY_B] },
    { keyTexts: [KEY_B, KEY_A] },
  ]);
  one.facts.secrets.put(NAME, Buffer.from('x'));
  await world.clock.advance(RESEAL_AGE_MS * 4);
  const resealed = [...one.log, ...two.log].filter((event) => event === 'secret.resealed');
  assert.ok(resealed.length >= 2 && resealed.length <= 4, `${resealed.length} times`);
  assert.equal(text(one, NAME), 'x');
});

test('every kind of secret says what it is for, and has names of its own', () => {
  for (const { kind, subject, summary } of secretKinds) {
    assert.match(summary, /\.$/);
    assert.equal(secretKindOf(subject === undefined ? kind : `${kind}/example.com`)?.kind, kind);
  }
  assert.equal(new Set(secretKinds.map(({ kind }) => kind)).size, secretKinds.length);
});

function text({ facts }: FactNode, name: string): string {
  const secret = facts.secrets.get(name);
  return secret.state === 'known' ? Buffer.from(secret.bytes).toString() : secret.state;
}

function idOf(keyText: string): string {
  return createKeyring([keyText], zeros).keyIds[0] ?? '';
}

async function opened(t: TestContext, options: readonly NodeOptions[] = []) {
  const world = await createFactWorld();
  t.after(world.close);
  return {
    world,
    one: await world.node('one', options[0]),
    two: await world.node('two', options[1]),
  };
}
