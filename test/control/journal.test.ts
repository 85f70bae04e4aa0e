import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  ALIVE_MS,
  FUTURE_SLACK_MS,
  LENGTH_PER_SECOND_MAX,
  SEGMENT_LENGTH_MAX,
  SEGMENT_MS_MAX,
  SILENCE_MS,
} from '../../src/control/journal.ts';
import type { Moment } from '../../src/control/journal-entry.ts';
import { createJournalMemory } from '../../src/control/journal-memory.ts';
import { FLUSH_MS, PENDING_LENGTH_MAX, RETRY_MS } from '../../src/control/journal-writer.ts';
import { DOWN } from '../../src/health/health-word.ts';
import { writeExceptions } from '../../src/health/health-words.ts';
import { createConfig, NOW_MS } from '../nameserver/fixture.ts';
import {
  createDiskDouble,
  hashOf,
  type JournalRig,
  openJournal,
  servingOf,
  words,
} from './journal-rig.ts';

const serving = servingOf();
const ALL_UP = words(60, 60, 60, 60, 60);

async function moment({ journal }: JournalRig, atMs: number): Promise<Moment> {
  const found = await journal.momentAt(atMs);
  if ('problem' in found) throw new Error(found.message);
  return found;
}

async function problem({ journal }: JournalRig, atMs: number): Promise<string> {
  const found = await journal.momentAt(atMs);
  return 'problem' in found ? found.code : 'none';
}

const wordAt = async (rig: JournalRig, atMs: number, name = 'web/us') =>
  (await moment(rig, atMs)).endpoints.get(name)?.word;

test('momentAt() tells the words of each instant by name, with who said so', async () => {
  const rig = openJournal();
  const { clock, journal, said } = rig;
  journal.note(serving, ALL_UP);
  await clock.advance(1000);
  said.set('web/us', { state: 'drained', reason: 'drained by alice', near: [] });
  journal.note(serving, words(DOWN, 60, 60, 60, 60));
  await clock.advance(1000);
  journal.note(serving, words(7, 60, 60, 60, 60));
  await clock.advance(1000);
  assert.equal(await wordAt(rig, NOW_MS), 60);
  assert.equal(await wordAt(rig, NOW_MS + 999), 60);
  assert.equal(await wordAt(rig, NOW_MS + 1000), DOWN);
  assert.equal(await wordAt(rig, NOW_MS + 2500), 7);
  const then = await moment(rig, NOW_MS + 1500);
  assert.deepEqual(then.endpoints.get('web/us'), {
    word: DOWN,
    state: 'drained',
    reason: 'drained by alice',
  });
  assert.deepEqual([then.node, then.generation, then.revision], ['test', 1, 1]);
  assert.equal(then.config, hashOf(createConfig()));
});

test('momentAt() tells what clients near a region see, while they see it', async () => {
  const rig = openJournal();
  const { clock, journal, said } = rig;
  journal.note(serving, ALL_UP);
  await clock.advance(1000);
  said.set('web/us', {
    state: 'up',
    reason: 'up: most',
    near: [{ region: 'eu', state: 'down', reason: 'eu cannot reach it' }],
  });
  const exceptions = writeExceptions([{ near: 1, endpoint: 0, word: DOWN }]);
  journal.note(serving, { words: ALL_UP.words, exceptions });
  await clock.advance(1000);
  journal.note(serving, ALL_UP);
  await clock.advance(1000);
  assert.deepEqual((await moment(rig, NOW_MS + 500)).near, []);
  assert.deepEqual((await moment(rig, NOW_MS + 1500)).near, [
    ['eu', 'web/us', DOWN, 'down', 'eu cannot reach it'],
  ]);
  assert.deepEqual((await moment(rig, NOW_MS + 2500)).near, []);
});

test('momentAt() tells the configuration that was served, and steeringPart() has it', async () => {
  const rig = openJournal();
  const { clock, journal } = rig;
  journal.note(serving, ALL_UP);
  await clock.advance(1000);
  const { regions } = createConfig();
  const { ap, us } = regions;
  const next = createConfig({
    regions: { ap: ap!, us: us!, eu: { ...regions['eu']!, vips: ['198.51.100.9', '2001:db8::9'] } },
  });
  journal.note(servingOf(next, 2), ALL_UP);
  await clock.advance(1000);
  const [before, after] = [await moment(rig, NOW_MS + 500), await moment(rig, NOW_MS + 1500)];
  assert.deepEqual([before.generation, after.generation], [1, 2]);
  assert.equal(before.config, hashOf(createConfig()));
  assert.equal(after.config, hashOf(next));
  assert.deepEqual((await journal.steeringPart(after.config))?.regions, next.regions);
  assert.deepEqual((await journal.steeringPart(before.config))?.pools, createConfig().pools);
  assert.equal(await journal.steeringPart('0'.repeat(64)), undefined);
});

test('momentAt() refuses the future and what was before the record, and says what it has', async () => {
  const rig = openJournal();
  rig.journal.note(serving, ALL_UP);
  await rig.clock.advance(5000);
  assert.equal(await problem(rig, NOW_MS - 1), 'explain.before-record');
  assert.equal(await problem(rig, NOW_MS + 5000 + FUTURE_SLACK_MS + 1), 'explain.future');
  assert.equal(await wordAt(rig, NOW_MS + 5000 + FUTURE_SLACK_MS), 60);
  const refused = await rig.journal.momentAt(NOW_MS - 1);
  assert.ok('problem' in refused);
  assert.match(refused.hint ?? '', /from 2026-05-28T20:26:40.000Z to 2026-05-28T20:26:45.000Z/);
});

test('momentAt() knows when the node was not there, and finds what it recorded before', async () => {
  const disk = createDiskDouble();
  const first = openJournal(disk);
  first.journal.note(serving, words(DOWN, 60, 60, 60, 60));
  await first.clock.advance(ALIVE_MS * 3 + 5000);
  await first.journal.close();
  await first.clock.advance(3_600_000);
  const second = openJournal(disk, first.clock);
  second.journal.note(serving, ALL_UP);
  await second.clock.advance(1000);
  assert.equal(await wordAt(second, NOW_MS), DOWN);
  // The signs of life reach to the end.
  assert.equal(await wordAt(second, NOW_MS + ALIVE_MS * 3 + 5000 + SILENCE_MS), DOWN);
  assert.equal(
    await problem(second, NOW_MS + ALIVE_MS * 3 + 5000 + SILENCE_MS + 1),
    'explain.not-running',
  );
  assert.equal(await wordAt(second, second.clock.nowMs()), 60);
});

test('a segment begins with everything, so one segment is enough', async () => {
  const disk = createDiskDouble();
  const { clock, journal } = openJournal(disk);
  journal.note(serving, words(DOWN, 60, 60, 60, 60));
  for (let hours = 0; hours < 3; hours += 1) await clock.advance(SEGMENT_MS_MAX + 1);
  journal.note(serving, words(DOWN, 1, 60, 60, 60));
  await clock.advance(1000);
  await journal.close();
  assert.ok(disk.segments.size >= 3, String(disk.segments.size));
  for (const text of disk.segments.values()) assert.match(text, /^\{"kind":"serving"/);
  const starts = [...disk.segments.keys()];
  const last = starts.at(-1)!;
  for (const start of starts) if (start !== last) disk.segments.delete(start);
  const reader = openJournal(disk, clock);
  assert.equal(await wordAt(reader, clock.nowMs()), DOWN);
});

test('momentAt() goes on behind a torn line, and says how many there were', async () => {
  const disk = createDiskDouble();
  const rig = openJournal(disk);
  rig.journal.note(serving, ALL_UP);
  await rig.clock.advance(1000);
  rig.journal.note(serving, words(DOWN, 60, 60, 60, 60));
  await rig.clock.advance(1000);
  await rig.journal.close();
  const [[start, text]] = [...disk.segments] as [[number, string]];
  disk.segments.set(start, `${text}{"kind":"health","atMs":178000000`);
  const reader = openJournal(disk, rig.clock);
  const then = await moment(reader, NOW_MS + 2000);
  assert.deepEqual([then.endpoints.get('web/us')?.word, then.damaged], [DOWN, 1]);
  disk.segments.set(start, text.slice(1));
  assert.equal(await problem(reader, NOW_MS + 500), 'explain.damaged');
});

test('a segment of a wrong clock is not taken for the present', async () => {
  const disk = createDiskDouble();
  const future = openJournal(disk);
  await future.clock.advance(86_400_000);
  future.journal.note(serving, words(DOWN, 60, 60, 60, 60));
  await future.clock.advance(1000);
  await future.journal.close();
  const rig = openJournal(disk);
  rig.journal.note(serving, ALL_UP);
  await rig.clock.advance(86_401_000);
  assert.equal(await wordAt(rig, rig.clock.nowMs()), 60);
});

test('a disk that refuses is one line in the log, and the record goes on in memory', async () => {
  const disk = createDiskDouble();
  const rig = openJournal(disk);
  const { clock, heard, journal } = rig;
  disk.fails = 'ENOSPC';
  journal.note(serving, ALL_UP);
  for (let count = 1; count < 50; count += 1) {
    await clock.advance(FLUSH_MS * 10);
    journal.note(serving, words(count, 60, 60, 60, 60));
  }
  assert.deepEqual(heard, ['journal.unwritable']);
  assert.equal(await wordAt(rig, clock.nowMs()), 49);
  await clock.advance(RETRY_MS * 3);
  assert.deepEqual(heard, ['journal.unwritable']);
  disk.fails = undefined;
  await clock.advance(RETRY_MS + FLUSH_MS);
  assert.deepEqual(heard, ['journal.unwritable', 'journal.recovered']);
  await journal.close();
  const reader = openJournal(disk, clock);
  assert.equal(await wordAt(reader, clock.nowMs()), 49);
  assert.ok(await reader.journal.steeringPart(hashOf(createConfig())));
});

test('what waits for a disk that hangs is bounded', async () => {
  const disk = createDiskDouble();
  const rig = openJournal({ ...disk, append: () => new Promise(() => {}) });
  rig.journal.note(serving, ALL_UP);
  await rig.clock.advance(FLUSH_MS);
  rig.said.set('web/us', { state: 'up', reason: 'x'.repeat(100_000), near: [] });
  const enough = Math.ceil(PENDING_LENGTH_MAX / 100_000) + 10;
  for (let count = 0; count < enough; count += 1) {
    rig.journal.note(serving, words(count, 60, 60, 60, 60));
    await rig.clock.advance(1000);
  }
  assert.deepEqual(rig.heard, ['journal.unwritable']);
});

test('changes within a flush are one write', async () => {
  const disk = createDiskDouble();
  const { clock, journal } = openJournal(disk);
  journal.note(serving, ALL_UP);
  await clock.advance(FLUSH_MS);
  const before = disk.writes;
  for (let count = 0; count < 100; count += 1) {
    journal.note(serving, words(count, 60, 60, 60, 60));
    await clock.advance(1);
  }
  await clock.advance(FLUSH_MS);
  assert.equal(disk.writes, before + 1);
});

test('health that changes faster than is written is taken together, and said to be', async () => {
  const rig = openJournal();
  const { clock, journal, said } = rig;
  journal.note(serving, ALL_UP);
  said.set('web/us', { state: 'up', reason: 'r'.repeat(LENGTH_PER_SECOND_MAX), near: [] });
  await clock.advance(1000);
  journal.note(serving, words(1, 60, 60, 60, 60));
  await clock.advance(100);
  journal.note(serving, words(2, 60, 60, 60, 60));
  await clock.advance(100);
  journal.note(serving, words(3, 60, 60, 60, 60));
  await clock.advance(5000);
  assert.equal(await wordAt(rig, NOW_MS + 1000), 1);
  const between = await moment(rig, NOW_MS + 1150);
  assert.deepEqual([between.endpoints.get('web/us')?.word, between.isCoarse], [1, true]);
  const after = await moment(rig, NOW_MS + 2100);
  assert.deepEqual([after.endpoints.get('web/us')?.word, after.isCoarse], [3, false]);
});

test('createJournalMemory() forgets the oldest segments, and configurations that none names', async () => {
  const memory = createJournalMemory(2000);
  for (let start = 1; start <= 5; start += 1) {
    memory.begin(start, incompressible(start), `config-${start}`);
    memory.keepConfig(`config-${start}`, 'text');
  }
  // Two closed ones, once they are compressed, and the one that is written.
  while (memory.firstMs() !== 3) await nextTurn();
  assert.equal(await memory.linesAt(2), undefined);
  assert.equal(await memory.config('config-2'), undefined);
  assert.equal(await memory.config('config-3'), 'text');
  memory.append('y'.repeat(500));
  assert.equal((await memory.linesAt(99))?.length, 2);
  assert.deepEqual(await memory.linesAt(4), [incompressible(4)]);
});

test('createJournalMemory() keeps a full segment, however long it is before it is compressed', async () => {
  const memory = createJournalMemory();
  const full = 'the same again '.repeat(SEGMENT_LENGTH_MAX / 10);
  memory.begin(1, full, 'config');
  memory.begin(2, full, 'config');
  memory.begin(3, 'head', 'config');
  for (const startMs of [1, 2]) assert.deepEqual(await memory.linesAt(startMs), [full]);
  assert.equal(memory.firstMs(), 1);
});

/** 900 characters of which compressing leaves most. */
const incompressible = (seed: number): string =>
  Array.from({ length: 21 }, (_, at) =>
    createHash('sha256').update(`${seed} ${at}`).digest('base64'),
  )
    .join('')
    .slice(0, 900);
