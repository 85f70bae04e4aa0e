import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { KEYS_LOOK_MS } from '../../src/node/zone-keys.ts';
import { createMovedClock } from '../monitoring/moved-clock.ts';
import { scratchDirectory } from './scratch.ts';
import { configOf, keysRig, ZONE } from './zone-keys-rig.ts';

async function world() {
  const clock = createMovedClock(Date.now());
  const folder = scratchDirectory('keys');
  const keygen = (...words: string[]): string => {
    const all = ['-q', '-K', folder, '-a', '13', ...words, ZONE];
    const { status, stderr, stdout } = spawnSync('dnssec-keygen', all, { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    return join(folder, stdout.trim());
  };
  const rig = keysRig(clock, configOf({ [ZONE]: `{ folder: ${folder} }` }), undefined);
  await rig.keeper.ready;
  return { clock, folder, keygen, rig };
}

test('a pair that cannot be read for a while changes neither the keys nor the zone', async () => {
  const { clock, keygen, rig } = await world();
  keygen('-f', 'KSK', '-P', 'sync', '-1mi');
  const zsk = keygen('-A', '-1mi', '-P', '-1mi');
  await clock.advance(KEYS_LOOK_MS);
  const [signing, overlay] = [rig.signing(), rig.overlay()];
  assert.deepEqual([signing?.zoneKeys.length, signing?.entryKeys.length], [1, 1]);
  const look = async (what: string): Promise<void> => {
    await clock.advance(KEYS_LOOK_MS);
    assert.deepEqual(rig.signing(), signing, what);
    assert.deepEqual(rig.overlay(), overlay, what);
  };
  const text = readFileSync(`${zsk}.private`, 'utf8');
  writeFileSync(`${zsk}.private`, text.slice(0, 40));
  await look('half of it is there');
  assert.match(rig.events.at(-1) ?? '', /dnssec\.key-files.*is used.* as it was there last/);
  rmSync(`${zsk}.private`);
  await look('it is away');
  renameSync(`${zsk}.key`, `${zsk}.key.next`);
  await look('both are away');
  assert.match(rig.status().problem ?? '', /as it was there last/);
  renameSync(`${zsk}.key.next`, `${zsk}.key`);
  writeFileSync(`${zsk}.private`, text);
  await look('it is back');
  assert.equal(rig.status().problem, undefined);
  assert.match(rig.events.at(-1) ?? '', /dnssec\.keys-known/);
  rig.keeper.close();
});

test('a pair that went before its time goes at its time', async () => {
  const { clock, keygen, rig } = await world();
  keygen('-f', 'KSK');
  const old = keygen('-A', '-1mi', '-P', '-1mi', '-I', '+1h', '-D', '+2h');
  keygen('-A', '+1h', '-P', '-1mi');
  await clock.advance(KEYS_LOOK_MS);
  for (const end of ['.key', '.private']) rmSync(old + end);
  await clock.advance(KEYS_LOOK_MS);
  assert.equal(rig.data('DNSKEY').length, 3);
  const before = rig.signing()?.zoneKeys;
  await clock.advance(3_600_000);
  assert.notDeepEqual(rig.signing()?.zoneKeys, before, 'the next one signs');
  assert.equal(rig.data('DNSKEY').length, 3);
  await clock.advance(3_600_000);
  assert.equal(rig.data('DNSKEY').length, 2);
  assert.equal(rig.status().problem, undefined);
  rig.keeper.close();
});
