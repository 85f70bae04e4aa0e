import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  CHANGES_MAX,
  remembered,
  type SigningSeen,
  serialIncrementOf,
} from '../../src/node/serial-memory.ts';
import { KEYS_LOOK_MS } from '../../src/node/zone-keys.ts';
import { createFactWorld } from '../cluster/fact-world.ts';
import { createMovedClock } from '../monitoring/moved-clock.ts';
import { scratchDirectory } from './scratch.ts';
import { configOf, type KeysRig, keysRig, SHARED, ZONE } from './zone-keys-rig.ts';

const WEEK_MS = 7 * 86_400_000;
/** Just before the end of a week. */
const NOW = 2960 * WEEK_MS - KEYS_LOOK_MS;
const ALONE = (directory: string): string => `node: { name: one, stateDirectory: ${directory} }`;
const incrementOf = (rig: KeysRig): number => rig.overlay()?.serialIncrement ?? 0;

async function started(nowMs: number, directory: string, dnssec: string) {
  const clock = createMovedClock(nowMs);
  const rig = keysRig(clock, configOf({ [ZONE]: dnssec }, ALONE(directory)), undefined);
  await rig.keeper.ready;
  return { clock, rig };
}

test('a serial grows when signing is turned off, and on again, and outlives a restart', async () => {
  const directory = scratchDirectory('keys');
  const { clock, rig } = await started(NOW, directory, 'true');
  const signed = incrementOf(rig);
  const turn = async (dnssec: string): Promise<number> => {
    rig.keeper.setConfig(configOf({ [ZONE]: dnssec }, ALONE(directory)));
    await clock.advance(0);
    return incrementOf(rig);
  };
  assert.equal(await turn('false'), signed + 1);
  assert.deepEqual(rig.overlay()?.rrsets, []);
  assert.equal(rig.signing(), undefined);
  await clock.advance(2 * KEYS_LOOK_MS);
  assert.equal(incrementOf(rig), signed + 2, 'a week later');
  rig.keeper.close();
  const again = await started(NOW + WEEK_MS, directory, 'false');
  assert.equal(incrementOf(again.rig), signed + 2);
  again.rig.keeper.close();
  const on = await started(NOW + WEEK_MS, directory, 'true');
  assert.equal(incrementOf(on.rig), signed + 3);
  assert.equal(on.rig.data('DNSKEY').length, 1);
  on.rig.keeper.close();
});

test('a zone that was signed before anything was remembered keeps its serial', async () => {
  const directory = scratchDirectory('keys');
  const { rig } = await started(NOW, directory, 'true');
  rig.keeper.close();
  rmSync(join(directory, 'zone-signing.json'));
  const off = await started(NOW, directory, 'false');
  assert.equal(incrementOf(off.rig), incrementOf(rig) + 1);
  off.rig.keeper.close();
});

test('nodes that share keys have one serial when signing is turned off, new ones too', async (t) => {
  const world = await createFactWorld(NOW);
  t.after(() => world.close());
  const config = configOf({ [ZONE]: 'true' }, ...SHARED);
  const one = keysRig(world.clock, config, await world.node('one'));
  await one.keeper.ready;
  await world.settle();
  await one.keeper.startRoll({ by: 'test', zone: ZONE, key: 'csk' });
  await world.settle();
  const signed = incrementOf(one);
  const off = configOf({ [ZONE]: 'false', 'never.example': 'false' }, ...SHARED);
  one.keeper.setConfig(off);
  const two = keysRig(world.clock, off, await world.node('two'));
  await two.keeper.ready;
  await world.clock.advance(0);
  assert.equal(incrementOf(one), signed + 1);
  assert.deepEqual(two.overlay(), one.overlay());
  assert.equal(two.overlay('never.example'), undefined);
  for (const { keeper } of [one, two]) keeper.close();
});

test('a clock that is set back takes nothing from the serial', async () => {
  const directory = scratchDirectory('keys');
  const { rig } = await started(NOW, directory, 'true');
  rig.keeper.close();
  const back = await started(NOW - 52 * WEEK_MS, directory, 'true');
  assert.equal(incrementOf(back.rig), incrementOf(rig));
  back.rig.keeper.close();
  const right = await started(NOW + WEEK_MS, directory, 'true');
  assert.equal(incrementOf(right.rig), incrementOf(rig) + 1, 'and is right again afterwards');
  right.rig.keeper.close();
});

test('keys that cannot be read leave the serial as it was', async () => {
  const directory = scratchDirectory('keys');
  const { rig } = await started(NOW, directory, 'true');
  rig.keeper.close();
  writeFileSync(join(directory, 'dnssec-keys', `${ZONE}.json`), 'not keys');
  const bare = await started(NOW, directory, 'true');
  assert.equal(bare.rig.signing(), undefined);
  assert.equal(incrementOf(bare.rig), incrementOf(rig));
  bare.rig.keeper.close();
});

test('key files that are removed take nothing from the serial, and the next change adds to it', async () => {
  const clock = createMovedClock(Date.now());
  const [folder, directory] = [scratchDirectory('keys'), scratchDirectory('keys')];
  const keygen = (...words: string[]): string => {
    const all = ['-q', '-K', folder, '-a', '13', ...words, ZONE];
    const { status, stderr, stdout } = spawnSync('dnssec-keygen', all, { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    return join(folder, stdout.trim());
  };
  const old = keygen('-A', '-4h', '-P', '-4h', '-I', '-2h', '-D', '-1h');
  keygen('-A', '-2h', '-P', '-3h', '-I', '+3h');
  const config = configOf({ [ZONE]: `{ folder: ${folder} }` }, ALONE(directory));
  const rig = keysRig(clock, config, undefined);
  await rig.keeper.ready;
  const before = incrementOf(rig);
  for (const end of ['.key', '.private']) rmSync(old + end);
  await clock.advance(KEYS_LOOK_MS);
  assert.equal(incrementOf(rig), before);
  keygen('-A', '+2h', '-P', '-1mi');
  await clock.advance(KEYS_LOOK_MS);
  const added = incrementOf(rig);
  assert.ok(added > before, 'a new key is published');
  rig.keeper.close();
  const again = keysRig(clock, config, undefined);
  await again.keeper.ready;
  assert.equal(incrementOf(again), added, 'after a restart');
  again.keeper.close();
});

test('a memory that is damaged is begun anew, with a word; what is remembered has a limit', async () => {
  const directory = scratchDirectory('keys');
  writeFileSync(join(directory, 'zone-signing.json'), '{"version":1,"zones":{"x":1}}');
  const { rig } = await started(NOW, directory, 'true');
  assert.match(rig.events.join(), /state\.unreadable.*zone-signing\.json/);
  assert.match(readFileSync(join(directory, 'zone-signing.json'), 'utf8'), /gslb\.example/);
  rig.keeper.close();

  let memory: ReturnType<typeof remembered> | undefined;
  let greatest = 0;
  for (let at = 0; at < 3 * CHANGES_MAX; at += 1) {
    const seen: SigningSeen = {
      ...{ isSigned: true, isAnew: false, weeks: 1, sinceMs: NOW, nowMs: NOW },
      changes: { [`file 13 ${at}`]: 2, 'file 13 stays': 5 },
    };
    memory = remembered(memory, undefined, seen);
    assert.equal(serialIncrementOf(memory), 1 + 5 + 2 * (at + 1));
    greatest = Math.max(greatest, Object.keys(memory.changes).length);
  }
  assert.ok(greatest <= CHANGES_MAX);
});

test('the DS waits from when the zone became signed, each time anew', async () => {
  const directory = scratchDirectory('keys');
  const on = configOf({ [ZONE]: 'true' }, ALONE(directory));
  const { clock, rig } = await started(NOW, directory, 'true');
  const waitMs = rig.status().dsFromMs! - NOW;
  assert.ok(waitMs >= 3_900_000);
  rig.keeper.setConfig(configOf({ [ZONE]: 'false' }, ALONE(directory)));
  await clock.advance(2 * waitMs);
  const turnedMs = clock.nowMs();
  rig.keeper.setConfig(on);
  await clock.advance(0);
  assert.equal(rig.status().dsFromMs, turnedMs + waitMs);
  rig.keeper.close();
  const again = await started(turnedMs + 1000, directory, 'true');
  assert.equal(again.rig.status().dsFromMs, turnedMs + waitMs, 'after a restart');
  again.rig.keeper.close();
  const off = await started(turnedMs + 2000, directory, 'false');
  off.rig.keeper.close();
  const last = await started(turnedMs + 3000, directory, 'true');
  assert.equal(last.rig.status().dsFromMs, turnedMs + 3000 + waitMs, 'off for one life');
  last.rig.keeper.close();
});

test('the DS of keys in a folder waits, too', async () => {
  const clock = createMovedClock(NOW);
  const folder = scratchDirectory('keys');
  const config = configOf({ [ZONE]: `{ folder: ${folder} }` }, ALONE(scratchDirectory('keys')));
  const rig = keysRig(clock, config, undefined);
  await rig.keeper.ready;
  const words = ['-q', '-K', folder, '-a', '13', '-P', '20200101', '-A', '20200101', ZONE];
  assert.equal(spawnSync('dnssec-keygen', words).status, 0);
  await clock.advance(KEYS_LOOK_MS);
  const { dsFromMs } = rig.status();
  assert.ok(dsFromMs! >= NOW + 3_900_000 && dsFromMs! <= NOW + KEYS_LOOK_MS + 3_900_000);
  await clock.advance(3_900_000 + KEYS_LOOK_MS);
  assert.equal(rig.status().dsFromMs, undefined);
  assert.equal(rig.status().ds.length, 1);
  rig.keeper.close();
});
