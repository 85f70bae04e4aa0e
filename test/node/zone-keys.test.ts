import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { PEERS_WAIT_MS } from '../../src/node/company.ts';
import { KEYS_LOOK_MS, KEYS_RETRY_MS } from '../../src/node/zone-keys.ts';
import { createFactWorld, KEY_A, KEY_B } from '../cluster/fact-world.ts';
import { createMovedClock } from '../monitoring/moved-clock.ts';
import { scratchDirectory } from './scratch.ts';
import { configOf, good, keysRig, refused, SHARED, ZONE } from './zone-keys-rig.ts';

const NOW = 1_790_000_000_000;
const WEEK_MS = 7 * 86_400_000;
const weeks = (nowMs: number): number => Math.floor(nowMs / WEEK_MS);
const ALONE = (directory: string): string => `node: { name: one, stateDirectory: ${directory} }`;
const RETRY = { by: 'test', zone: ZONE };

async function sharing(t: TestContext) {
  const world = await createFactWorld(NOW);
  t.after(() => world.close());
  return world;
}

test('nodes that start at once have one set of keys, and tell the signer before the zone', async (t) => {
  const world = await sharing(t);
  const config = configOf({ [ZONE]: 'true', 'plain.example': 'false' }, ...SHARED);
  const names = ['one', 'two', 'three'];
  const nodes = await Promise.all(names.map((name) => world.node(name)));
  const rigs = nodes.map((node) => keysRig(world.clock, config, node));
  await Promise.all(rigs.map(({ keeper }) => keeper.ready));
  await world.settle();
  const [first] = rigs;
  for (const rig of rigs) {
    assert.deepEqual(rig.order.slice(-2), [`tell ${ZONE}`, `overlay ${ZONE}`]);
    assert.deepEqual(rig.signing(), first!.signing());
    assert.deepEqual(rig.overlay(), first!.overlay());
    rig.keeper.close();
  }
  assert.equal(first!.overlay()?.serialIncrement, weeks(NOW));
  assert.equal(first!.data('DNSKEY').length, 1);
  const made = rigs
    .flatMap(({ events }) => events)
    .filter((line) => line.startsWith('dnssec.keys-made'));
  assert.equal(made.length, 1);
  const stored = (await world.store.list('')).map(({ value }) => value).join();
  assert.ok(!stored.includes(first!.signing()!.zoneKeys[0]!.jwk.d!));
});

test('without an answer of the store no keys are made; they come when it answers', async (t) => {
  const world = await sharing(t);
  const node = await world.node('one', { isCut: true });
  const rig = keysRig(world.clock, configOf({ [ZONE]: 'true' }, ...SHARED), node);
  await rig.keeper.ready;
  assert.equal(rig.signing(), undefined);
  assert.match(rig.events.join(), /dnssec\.no-keys: gslb\.example is answered unsigned.*store/);
  assert.match(rig.status().problem ?? '', /does not answer/);
  assert.equal(refused(await rig.keeper.startRoll({ ...RETRY, key: 'csk' })), 'no-keys');
  await world.clock.advance(3 * KEYS_RETRY_MS);
  assert.equal(rig.events.length, 1, 'said once');
  node.cut(false);
  await world.clock.advance(KEYS_RETRY_MS);
  await world.settle();
  assert.equal(rig.signing()?.zoneKeys.length, 1);
  assert.equal(rig.status().problem, undefined);
  rig.keeper.close();
});

test('a node that starts while the store is away has the keys that its disk knows', async (t) => {
  const world = await sharing(t);
  const config = configOf({ [ZONE]: 'true' }, ...SHARED);
  const directory = scratchDirectory('keys');
  const before = await world.node('one', { directory });
  const first = keysRig(world.clock, config, before);
  await first.keeper.ready;
  first.keeper.close();
  await before.close();
  const again = await world.node('one', { directory, isCut: true });
  const second = keysRig(world.clock, config, again);
  await second.keeper.ready;
  assert.deepEqual(second.signing(), first.signing());
  assert.equal(refused(await second.keeper.startRoll({ ...RETRY, key: 'csk' })), 'cut-off');
  second.keeper.close();
});

test('keys that another cluster key has sealed are not made anew', async (t) => {
  const world = await sharing(t);
  const config = configOf({ [ZONE]: 'true' }, ...SHARED);
  const one = keysRig(world.clock, config, await world.node('one', { keyTexts: [KEY_A] }));
  await one.keeper.ready;
  await world.settle();
  const two = keysRig(world.clock, config, await world.node('two', { keyTexts: [KEY_B] }));
  await two.keeper.ready;
  assert.equal(two.signing(), undefined);
  assert.match(two.status().problem ?? '', /which this node does not have/);
  for (const { keeper } of [one, two]) keeper.close();
});

test('a node that has lost its cluster key makes no keys in the place of the shared ones', async (t) => {
  const world = await sharing(t);
  const directory = scratchDirectory('keys');
  const keyed = configOf({ [ZONE]: 'true' }, ALONE(directory), ...SHARED);
  const before = await world.node('one', { directory });
  const first = keysRig(world.clock, keyed, before);
  await first.keeper.ready;
  first.keeper.close();
  await before.close();
  const keyless = await world.node('one', { directory, keyTexts: [] });
  const config = configOf({ [ZONE]: 'true', 'new.example': 'true' }, ALONE(directory));
  const second = keysRig(world.clock, config, keyless);
  await second.keeper.ready;
  assert.equal(second.signing(), undefined);
  assert.match(second.status().problem ?? '', /no cluster key \(cluster\.keys\)/);
  assert.equal(second.data('DNSKEY', 'new.example').length, 1, 'others have keys of their own');
  second.keeper.close();
  await keyless.close();
  const again = keysRig(world.clock, keyed, await world.node('one', { directory }));
  await again.keeper.ready;
  assert.deepEqual(again.signing(), first.signing());
  again.keeper.close();
});

test('a roll is gone through on one node and followed by all', async (t) => {
  const world = await sharing(t);
  const config = configOf({ [ZONE]: '{ keys: ksk-zsk }' }, ...SHARED);
  const nodes = [await world.node('one'), await world.node('two')];
  const rigs = nodes.map((node) => keysRig(world.clock, config, node));
  await Promise.all(rigs.map(({ keeper }) => keeper.ready));
  await world.settle();
  const [one, two] = rigs as [(typeof rigs)[0], (typeof rigs)[0]];
  const both = async (): Promise<string[]> => {
    await world.settle();
    assert.deepEqual(two.overlay(), one.overlay());
    assert.deepEqual(two.signing(), one.signing());
    return one.status().keys.map(({ role, stage }) => `${role} ${stage}`);
  };
  const old = one.signing()!.zoneKeys;
  const started = good(await one.keeper.startRoll({ ...RETRY, key: 'zsk' }));
  assert.equal(started.sharing?.shared, true);
  assert.deepEqual(await both(), ['ksk active', 'zsk active', 'zsk published']);
  assert.equal(one.overlay()?.serialIncrement, weeks(NOW) + 1);
  assert.equal(two.status().roll?.waitsFor, 'time');
  assert.equal(refused(await two.keeper.advanceRoll(RETRY)), 'roll-too-early');
  await world.clock.advance(two.status().roll!.untilMs! - world.clock.nowMs());
  assert.equal(two.status().roll?.waitsFor, 'nothing');
  good(await two.keeper.advanceRoll(RETRY));
  assert.deepEqual(await both(), ['ksk active', 'zsk retired', 'zsk active']);
  assert.notDeepEqual(one.signing()?.zoneKeys, old);
  await world.clock.advance(2 * 3_600_000);
  good(await one.keeper.advanceRoll(RETRY));
  assert.deepEqual(await both(), ['ksk active', 'zsk active']);
  assert.equal(refused(await one.keeper.advanceRoll(RETRY)), 'no-roll');

  good(await one.keeper.startRoll({ ...RETRY, key: 'ksk' }));
  assert.equal((await both()).length, 3);
  assert.equal(one.status().ds.length, 2);
  assert.equal(refused(await one.keeper.advanceRoll(RETRY)), 'roll-needs-ds');
  assert.equal(refused(await one.keeper.startRoll({ ...RETRY, key: 'zsk' })), 'roll-running');
  good(await one.keeper.advanceRoll({ ...RETRY, dsSeen: true, dsTtlSeconds: 60 }));
  assert.equal(one.status().roll?.waitsFor, 'time');
  await world.clock.advance(2 * 3_600_000);
  good(await two.keeper.advanceRoll(RETRY));
  assert.deepEqual(await both(), ['ksk leaving', 'zsk active', 'ksk active']);
  await world.clock.advance(2 * 3_600_000);
  good(await two.keeper.advanceRoll(RETRY));
  assert.deepEqual(await both(), ['zsk active', 'ksk active']);
  assert.match(one.status().roll?.detail ?? '', /take out the DS of the old key/);
  good(await two.keeper.advanceRoll({ ...RETRY, dsSeen: true }));
  assert.deepEqual(await both(), ['zsk active', 'ksk active']);
  assert.equal(one.status().ds.length, 1);
  const said = rigs
    .flatMap(({ events }) => events)
    .filter((line) => line.startsWith('dnssec.roll'));
  assert.equal(said.length, 8);
  const shown = JSON.stringify(one.status());
  for (const { jwk } of one.signing()!.zoneKeys) assert.ok(!shown.includes(jwk.d!));
  for (const { keeper } of rigs) keeper.close();
});

test('of two rolls that are begun at one moment on two nodes one is refused', async (t) => {
  const world = await sharing(t);
  const config = configOf({ [ZONE]: 'true' }, ...SHARED);
  const nodes = [await world.node('one'), await world.node('two')];
  const rigs = nodes.map((node) => keysRig(world.clock, config, node));
  await Promise.all(rigs.map(({ keeper }) => keeper.ready));
  await world.settle();
  const begun = await Promise.all(
    rigs.map(({ keeper }) => keeper.startRoll({ ...RETRY, key: 'csk' })),
  );
  await world.settle();
  assert.deepEqual(begun.map(refused).sort(), ['keys-changed', 'taken']);
  const [one, two] = rigs.map((rig) => rig.data('DNSKEY'));
  assert.equal(one?.length, 2);
  assert.deepEqual(one, two);
  const taken = begun.find((each) => refused(each) === 'taken')!;
  assert.deepEqual(good(taken).keys, rigs[0]!.status().keys);
  for (const { keeper } of rigs) keeper.close();
});

test('the serial moves at the end of the week, and only then', async () => {
  const clock = createMovedClock(NOW);
  const rig = keysRig(
    clock,
    configOf({ [ZONE]: 'true' }, ALONE(scratchDirectory('keys'))),
    undefined,
  );
  await rig.keeper.ready;
  const { length } = rig.order;
  await clock.advance((weeks(NOW) + 1) * WEEK_MS - NOW - 1);
  assert.deepEqual(rig.order.slice(length), []);
  await clock.advance(KEYS_LOOK_MS);
  assert.deepEqual(rig.order.slice(length), [`overlay ${ZONE}`]);
  assert.equal(rig.overlay()?.serialIncrement, weeks(NOW) + 1);
  rig.keeper.close();
});

test('a node alone keeps its keys in a file that only its owner reads, and writes no other over', async () => {
  const clock = createMovedClock(NOW);
  const directory = scratchDirectory('keys');
  const config = configOf({ [ZONE]: '{ algorithm: ed25519 }' }, ALONE(directory));
  const start = async () => {
    const rig = keysRig(clock, config, undefined);
    await rig.keeper.ready;
    rig.keeper.close();
    return rig;
  };
  const first = await start();
  const file = join(directory, 'dnssec-keys', `${ZONE}.json`);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal(first.status().kept, 'file');
  const second = await start();
  assert.deepEqual(second.signing(), first.signing());
  assert.deepEqual(second.events, []);
  writeFileSync(file, '{"version":9}');
  const third = await start();
  assert.equal(third.signing(), undefined);
  assert.match(third.events.join(), /dnssec\.no-keys.*are left alone/);
  assert.equal(readFileSync(file, 'utf8'), '{"version":9}');
  rmSync(file);
  mkdirSync(`${file}.next`);
  const fourth = await start();
  assert.match(fourth.status().problem ?? '', /cannot be written/);
  assert.equal(fourth.signing(), undefined, 'keys that cannot be kept are not used');
});

test('keys of a node alone become those of all when the nodes get a secret', async (t) => {
  const world = await sharing(t);
  const directory = scratchDirectory('keys');
  const alone = keysRig(world.clock, configOf({ [ZONE]: 'true' }, ALONE(directory)), undefined);
  await alone.keeper.ready;
  const config = configOf({ [ZONE]: 'true' }, ALONE(directory), ...SHARED);
  const one = keysRig(world.clock, config, await world.node('one'));
  await one.keeper.ready;
  await world.settle();
  const two = keysRig(
    world.clock,
    configOf({ [ZONE]: 'true' }, ...SHARED),
    await world.node('two'),
  );
  await two.keeper.ready;
  assert.deepEqual(one.signing(), alone.signing());
  assert.deepEqual(two.signing(), alone.signing());
  assert.match(one.events.join(), /are those of all nodes now/);
  for (const { keeper } of [alone, one, two]) keeper.close();
});

test('without a store a node waits for what the others have before it makes keys', async (t) => {
  const world = await sharing(t);
  const config = configOf(
    { [ZONE]: 'true' },
    SHARED[0]!.replace('}', ', listen: "127.0.0.1:8054" }'),
    ALONE(scratchDirectory('keys')),
  );
  const node = await world.node('one');
  const rig = keysRig(world.clock, config, node);
  await world.clock.advance(PEERS_WAIT_MS - 1);
  assert.equal(rig.signing(), undefined);
  await world.clock.advance(1);
  await rig.keeper.ready;
  assert.equal(rig.signing()?.zoneKeys.length, 1);
  rig.keeper.close();
});

test('a reload signs new zones and lets others go; other keys than asked for stay, with a word', async () => {
  const clock = createMovedClock(NOW);
  const own = ALONE(scratchDirectory('keys'));
  const rig = keysRig(clock, configOf({ [ZONE]: 'true' }, own), undefined);
  await rig.keeper.ready;
  const before = rig.signing();
  rig.keeper.setConfig(configOf({ [ZONE]: 'true', 'new.example': 'true' }, own));
  await clock.advance(0);
  assert.deepEqual(rig.order.slice(-2), [`tell ${ZONE},new.example`, 'overlay new.example']);
  rig.keeper.setConfig(configOf({ 'new.example': 'true' }, own));
  await clock.advance(0);
  assert.deepEqual(rig.order.slice(-2), ['tell new.example', `overlay ${ZONE}`]);
  assert.equal(rig.overlay(), undefined);
  assert.equal(refused(rig.keeper.status(ZONE)), 'zone-not-signed');
  rig.keeper.setConfig(configOf({ [ZONE]: '{ keys: ksk-zsk, algorithm: ed25519 }' }, own));
  await clock.advance(0);
  assert.deepEqual(rig.signing(), before);
  assert.match(
    rig.events.at(-1) ?? '',
    /^dnssec\.keys-differ:.*--key csk changes it.*cannot be rolled/,
  );
  assert.equal(rig.status().warnings.length, 2);
  rig.keeper.setConfig(configOf({ [ZONE]: '{ validity: 2d, refresh: 1d }' }, own));
  await clock.advance(0);
  assert.deepEqual(rig.signing()?.times, {
    ...{ validitySeconds: 172_800, refreshSeconds: 86_400, jitterSeconds: 21_600 },
  });
  rig.keeper.close();
});

test('a folder is looked at every minute; one that was emptied takes no signature away', async () => {
  const clock = createMovedClock(Date.now());
  const folder = scratchDirectory('keys');
  const keygen = (...words: string[]): string => {
    const all = ['-q', '-K', folder, '-a', '13', ...words, ZONE];
    const { status, stderr, stdout } = spawnSync('dnssec-keygen', all, { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    return stdout.trim();
  };
  const config = configOf({ [ZONE]: `{ folder: ${folder} }` });
  const rig = keysRig(clock, config, undefined);
  await rig.keeper.ready;
  assert.match(rig.events.join(), /dnssec\.no-keys.*has no key files of the zone/);
  keygen('-f', 'KSK', '-P', 'sync', '-1mi');
  keygen('-A', '-1mi', '-P', '-1mi');
  await clock.advance(KEYS_LOOK_MS);
  assert.deepEqual(
    [rig.data('DNSKEY').length, rig.data('CDS').length, rig.signing()?.zoneKeys.length],
    [2, 1, 1],
  );
  assert.deepEqual(
    rig
      .status()
      .keys.map(({ role, stage }) => `${role} ${stage}`)
      .sort(),
    ['ksk active', 'zsk active'],
  );
  const increment = rig.overlay()!.serialIncrement!;
  keygen('-A', '+1h', '-P', '-1mi');
  await clock.advance(KEYS_LOOK_MS);
  assert.deepEqual([rig.data('DNSKEY').length, rig.signing()?.zoneKeys.length], [3, 1]);
  await clock.advance(3_700_000);
  assert.equal(rig.signing()?.zoneKeys.length, 2);
  assert.ok(rig.overlay()!.serialIncrement! > increment);
  assert.equal(refused(await rig.keeper.startRoll({ ...RETRY, key: 'zsk' })), 'keys-in-folder');
  for (const name of readdirSync(folder)) rmSync(join(folder, name));
  await clock.advance(KEYS_LOOK_MS);
  assert.equal(rig.signing()?.zoneKeys.length, 2);
  assert.match(
    rig.events.at(-1) ?? '',
    /dnssec\.key-files.*any more, and is used as it was there last/,
  );
  assert.match(rig.status().problem ?? '', /no key files/);
  rig.keeper.close();
});
