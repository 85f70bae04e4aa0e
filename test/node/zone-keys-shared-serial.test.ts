import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { KEYS_LOOK_MS } from '../../src/node/zone-keys.ts';
import { createFactWorld, type FactNode } from '../cluster/fact-world.ts';
import { scratchDirectory } from './scratch.ts';
import { configOf, type KeysRig, keysRig, SHARED, ZONE } from './zone-keys-rig.ts';

const WEEK_MS = 7 * 86_400_000;
const NOW = 2960 * WEEK_MS + 3_600_000;
const incrementOf = (rig: KeysRig): number => rig.overlay()?.serialIncrement ?? 0;
const configured = (dnssec: string, ...lines: string[]) =>
  configOf({ [ZONE]: dnssec, 'never.example': 'false' }, ...SHARED, ...lines);

/** Nodes of one store, each with a memory of its own that a new life of it does not have. */
async function cluster(t: TestContext) {
  const world = await createFactWorld(NOW);
  t.after(() => world.close());
  const rigs: KeysRig[] = [];
  t.after(() => {
    for (const { keeper } of rigs) keeper.close();
  });
  const settle = async (): Promise<void> => {
    await world.clock.advance(0);
    await world.settle();
  };
  const start = async (node: FactNode, dnssec: string, ...lines: string[]): Promise<KeysRig> => {
    const rig = keysRig(world.clock, configured(dnssec, ...lines), node);
    rigs.push(rig);
    await rig.keeper.ready;
    await settle();
    return rig;
  };
  const turn = async (rig: KeysRig, dnssec: string): Promise<number> => {
    rig.keeper.setConfig(configured(dnssec));
    await settle();
    return incrementOf(rig);
  };
  return { world, start, turn, settle };
}

for (const last of ['true', 'false']) {
  test(`a node that is new has the serial of those who saw signing turned off and on (${last})`, async (t) => {
    const { start, turn, world } = await cluster(t);
    const one = await start(await world.node('one'), 'true');
    const before = incrementOf(one);
    for (const dnssec of ['false', 'true', 'false', ...(last === 'true' ? ['true'] : [])]) {
      await turn(one, dnssec);
    }
    const two = await start(await world.node('two'), last);
    assert.equal(incrementOf(one), before + (last === 'true' ? 4 : 3));
    assert.equal(incrementOf(two), incrementOf(one));
    assert.equal(two.overlay('never.example'), undefined);
    assert.equal(incrementOf(one), before + (last === 'true' ? 4 : 3), 'nor did it add anything');
  });
}

test('nodes that are reloaded one after the other count a turn once', async (t) => {
  const { start, turn, world } = await cluster(t);
  const one = await start(await world.node('one'), 'true');
  const two = await start(await world.node('two'), 'true');
  const before = incrementOf(one);
  assert.equal(await turn(one, 'false'), before + 1);
  assert.equal(incrementOf(two), before, 'still signed: the serial of the signed zone');
  assert.equal(await turn(two, 'false'), before + 1);
  assert.equal(incrementOf(one), before + 1);
});

test('key files that were removed before a node came count with it, too', async (t) => {
  const { start, world } = await cluster(t);
  const nodes = [await world.node('one'), await world.node('two')] as const;
  const folder = scratchDirectory('keys');
  const keygen = (...words: string[]): string => {
    const all = ['-q', '-K', folder, '-a', '13', ...words, ZONE];
    const { status, stderr, stdout } = spawnSync('dnssec-keygen', all, { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    return join(folder, stdout.trim());
  };
  const old = keygen('-A', '20200101', '-P', '20200101', '-I', '20200201', '-D', '20200301');
  keygen('-A', '20200101', '-P', '20200101');
  const one = await start(nodes[0], `{ folder: ${folder} }`);
  const before = incrementOf(one);
  for (const end of ['.key', '.private']) rmSync(old + end);
  await world.clock.advance(KEYS_LOOK_MS);
  const two = await start(nodes[1], `{ folder: ${folder} }`);
  assert.equal(incrementOf(one), before);
  assert.equal(incrementOf(two), before);
});

test('what was seen while the store was away is told when it is back', async (t) => {
  const { settle, start, turn, world } = await cluster(t);
  const [first, second] = [await world.node('one'), await world.node('two')];
  const one = await start(first, 'true');
  first.cut(true);
  await turn(one, 'false');
  const away = await turn(one, 'true');
  assert.equal(incrementOf(one), away);
  first.cut(false);
  await world.clock.advance(2 * KEYS_LOOK_MS);
  await settle();
  const two = await start(second, 'true');
  assert.equal(incrementOf(two), away);
});
