import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import { createCacheLives, LIVES_MAX } from '../../src/node/cache-lives.ts';
import { createZoneOverlays } from '../../src/node/zone-overlays.ts';
import { createMovedClock } from '../monitoring/moved-clock.ts';
import { scratchDirectory } from './scratch.ts';
import { configOf, good, keysRig, ZONE } from './zone-keys-rig.ts';

const NOW = 1_790_000_000_000;
const DAY_SECONDS = 86_400;
const PROPAGATION_SECONDS = 300;
const ROLL = { by: 'test', zone: ZONE };
const txt = (ttl: number) => ({ owner: `added.${ZONE}.`, type: 'TXT', ttl, data: ['"x"'] });

/** The same with another TTL for all of the zone. */
function withTtl(config: Config, ttl: number): Config {
  const zone = config.zones[ZONE]!;
  return { ...config, zones: { [ZONE]: { ...zone, ttl } } };
}

async function started(config: Config) {
  const clock = createMovedClock(NOW);
  const overlays = createZoneOverlays();
  const rig = keysRig(clock, config, undefined, { overlays });
  await rig.keeper.ready;
  /** How long the step that follows the one that begins to sign with a new key waits. */
  const secondsOfSwitch = async (): Promise<number> => {
    good(await rig.keeper.startRoll({ ...ROLL, key: 'csk' }));
    good(await rig.keeper.advanceRoll({ ...ROLL, dsSeen: true, dsTtlSeconds: 60 }));
    const untilMs = rig.status().roll!.untilMs!;
    await clock.advance(untilMs - clock.nowMs());
    const { roll } = good(await rig.keeper.advanceRoll(ROLL));
    assert.equal(roll?.step, 'switched');
    return (roll!.untilMs! - clock.nowMs()) / 1000 - PROPAGATION_SECONDS;
  };
  return { clock, overlays, rig, secondsOfSwitch };
}

const ALONE = (): Config =>
  configOf({ [ZONE]: 'true' }, `node: { name: one, stateDirectory: ${scratchDirectory('keys')} }`);

test('a roll and the DS wait for the TTLs of records that were added', async () => {
  const { clock, overlays, rig, secondsOfSwitch } = await started(ALONE());
  overlays.set('update', ZONE, { zone: ZONE, rrsets: [txt(2 * DAY_SECONDS)] });
  await clock.advance(2000);
  const untilMs = NOW + (2 * DAY_SECONDS + PROPAGATION_SECONDS) * 1000;
  assert.equal(rig.status().dsFromMs, untilMs);
  assert.equal(await secondsOfSwitch(), 2 * DAY_SECONDS);
  rig.keeper.close();
});

test('a TTL that was lowered, or a record that was removed, just now is still waited for', async () => {
  const config = ALONE();
  const { clock, overlays, rig, secondsOfSwitch } = await started(withTtl(config, 2 * DAY_SECONDS));
  const madeMs = clock.nowMs();
  rig.keeper.setConfig(withTtl(config, 60));
  overlays.set('update', ZONE, { zone: ZONE, rrsets: [txt(3 * DAY_SECONDS)] });
  await clock.advance(2000);
  overlays.set('update', ZONE, undefined);
  const removedMs = clock.nowMs();
  const seconds = await secondsOfSwitch();
  const passed = (clock.nowMs() - removedMs) / 1000;
  // When it was seen last: a second or so after it came.
  assert.ok(Math.abs(seconds + passed - 3 * DAY_SECONDS) <= 2, `${seconds} + ${passed}`);
  assert.ok(rig.status().dsFromMs! >= madeMs + 3 * DAY_SECONDS * 1000);
  rig.keeper.close();
});

test('a TTL that was lowered before a restart, or by it, is waited for after it', async () => {
  const config = ALONE();
  const before = await started(withTtl(config, 3 * DAY_SECONDS));
  before.rig.keeper.setConfig(withTtl(config, 2 * DAY_SECONDS));
  const loweredMs = before.clock.nowMs();
  before.rig.keeper.close();
  const { rig } = await started(withTtl(config, 60));
  const { dsFromMs } = rig.status();
  assert.equal(dsFromMs, loweredMs + (3 * DAY_SECONDS + PROPAGATION_SECONDS) * 1000);
  rig.keeper.close();

  // When it has passed, nothing is waited for but the keys.
  const after = await started(withTtl(config, 60));
  await after.clock.advance(4 * DAY_SECONDS * 1000);
  assert.equal(await after.secondsOfSwitch(), 3600);
  after.rig.keeper.close();
});

test('TTLs that cannot be read are not waited for, with a word', async () => {
  const directory = scratchDirectory('keys');
  writeFileSync(join(directory, 'zone-ttls.json'), '{"version":1,"zones":{"x":[1]}}');
  const own = `node: { name: one, stateDirectory: ${directory} }`;
  const { rig } = await started(configOf({ [ZONE]: 'true' }, own));
  assert.match(rig.events.join(), /state\.unreadable.*zone-ttls\.json cannot be read \(damaged\)/);
  rig.keeper.close();
});

test('what caches have forgotten is not waited for, and what is remembered has a limit', () => {
  const config = ALONE();
  const lives = createCacheLives(() => []);
  const look = (ttl: number, atMs: number): void => lives.look(withTtl(config, ttl).zones, atMs);
  look(2 * DAY_SECONDS, NOW);
  look(7200, NOW + 1000);
  assert.equal(lives.rememberedUntilMs(ZONE, NOW + 1000), NOW + 2 * DAY_SECONDS * 1000);
  const laterMs = NOW + 3 * DAY_SECONDS * 1000;
  look(7200, laterMs);
  assert.equal(lives.rememberedUntilMs(ZONE, laterMs), laterMs + 7_200_000);
  for (let at = 0; at < 3 * LIVES_MAX; at += 1) look(DAY_SECONDS - at, laterMs + at);
  const untilMs = lives.rememberedUntilMs(ZONE, laterMs + 3 * LIVES_MAX);
  assert.ok(untilMs >= laterMs + DAY_SECONDS * 1000, 'never less');
  assert.ok(untilMs <= laterMs + DAY_SECONDS * 1000 + 3 * LIVES_MAX);
});
