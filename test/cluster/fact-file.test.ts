import assert from 'node:assert/strict';
import { readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Fact } from '../../src/cluster/fact.ts';
import { TOMBSTONE_KEEP_MS } from '../../src/cluster/fact.ts';
import {
  believable,
  FACT_FILE_BYTES_MAX,
  FACT_FILE_NAME,
  openFactFile,
  readFactFile,
} from '../../src/cluster/fact-file.ts';
import { createReplica } from '../../src/cluster/replica.ts';
import { createMovedClock } from '../monitoring/moved-clock.ts';
import { scratchDirectory } from '../node/scratch.ts';
import { createFactWorld, drain } from './fact-world.ts';

const NOW_MS = 1_790_000_000_000;

test('what was written is read again, and the file is the owner’s alone', async (_t) => {
  const { directory, facts, file, path } = opened();
  file.schedule();
  assert.equal(await file.flush(), undefined);
  const read = readFactFile(directory);
  assert.deepEqual(JSON.stringify(read.facts), JSON.stringify(facts));
  assert.deepEqual([read.clock, read.savedAtMs, read.problems], [{ offsetMs: 1 }, NOW_MS, []]);
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('schedule() writes changes that come together once, and soon', async (_t) => {
  const { clock, file, path, writes } = opened();
  file.schedule();
  file.schedule();
  await clock.advance(99);
  assert.equal(writes(), 0);
  await clock.advance(1);
  await file.flush();
  assert.equal(writes(), 1);
  assert.ok(readFileSync(path, 'utf8').includes('"k1"'));
  file.schedule();
  await file.close();
  assert.equal(writes(), 2);
  assert.equal(clock.pending(), 0);
});

test('readFactFile() leaves out damaged lines and nothing else', async (_t) => {
  const { directory, facts, file, path } = opened();
  assert.deepEqual(readFactFile(directory), { facts: [], problems: [] });
  file.schedule();
  await file.flush();
  const text = readFileSync(path, 'utf8');
  const lines = text.split('\n');
  writeFileSync(path, text.replace('"k1"', '"k9"'));
  const bent = readFactFile(directory);
  assert.equal(bent.facts.length, facts.length - 1);
  assert.match(bent.problems[0] ?? '', /is damaged: 1 of its lines/);
  writeFileSync(path, lines.toSpliced(0, 1, 'garbage').join('\n'));
  assert.equal(readFactFile(directory).facts.length, facts.length);
  writeFileSync(path, text.slice(0, -20));
  assert.equal(readFactFile(directory).facts.length, facts.length - 1);
  truncateSync(path, FACT_FILE_BYTES_MAX + 1);
  assert.match(readFactFile(directory).problems[0] ?? '', /too large/);
});

test('a directory that cannot be written is said, and again when it can be', async (_t) => {
  const { directory, file, problems } = opened();
  rmSync(directory, { recursive: true });
  writeFileSync(directory, 'a file in its place');
  file.schedule();
  assert.match((await file.flush()) ?? '', /cannot be written \((ENOTDIR|EEXIST)\)/);
  await file.flush();
  rmSync(directory);
  assert.equal(await file.flush(), undefined);
  assert.deepEqual(
    problems.map((problem) => problem === undefined),
    [false, true],
  );
  assert.equal(readFactFile(directory).facts.length, 3);
});

test('believable() leaves out what people may have cleared since nobody remembers when', () => {
  const replica = createReplica('a');
  for (const key of ['override/manual/region/x', 'config/current', 'secret/dns-cookies']) {
    replica.write(key, '1', NOW_MS);
  }
  const read = { facts: replica.all(), savedAtMs: NOW_MS, problems: [] };
  assert.equal(believable(read, NOW_MS + TOMBSTONE_KEEP_MS).length, 3);
  const keys = believable(read, NOW_MS + TOMBSTONE_KEEP_MS + 1).map(({ key }) => key);
  assert.deepEqual(keys, ['config/current', 'secret/dns-cookies']);
});

test('a node that restarts without store and peers has what it had, whatever its clock says', async (t) => {
  const world = await createFactWorld();
  t.after(world.close);
  const directory = scratchDirectory('facts');
  const before = await world.node('one', { directory });
  const { shared } = await before.overrides.set(drain(before, 'frankfurt'));
  assert.equal(shared, true);
  // Nothing is done at the end: the process is killed.
  for (const skewMs of [0, -world.clock.nowMs() + 1000]) {
    const after = await world.node('one', { directory, isCut: true, skewMs });
    assert.deepEqual(after.targets(), ['frankfurt']);
    void after.overrides.set(drain(after, 'frankfurt', { action: 'up' }));
    assert.equal(after.overrides.current()[0]?.action, 'up');
    assert.deepEqual(after.changes.length, 1);
    after.overrides.close();
  }
});

test('words of a wrong clock on the disk are brought to the present when the time is known', async (t) => {
  const directory = scratchDirectory('facts');
  const elsewhere = await createFactWorld();
  const ahead = await elsewhere.node('one', {
    directory,
    skewMs: 400 * 24 * 3600_000,
    isClockless: true,
  });
  await ahead.overrides.set(drain(ahead, 'frankfurt'));
  ahead.facts.secrets.put('dns-cookies', Buffer.from('cookie'));
  await elsewhere.close();
  const world = await createFactWorld();
  t.after(world.close);
  const one = await world.node('one', { directory });
  const two = await world.node('two');
  assert.deepEqual(two.targets(), ['frankfurt']);
  const cookies = two.facts.secrets.get('dns-cookies');
  assert.ok(cookies.state === 'known' && Buffer.from(cookies.bytes).toString() === 'cookie');
  await two.overrides.clear(() => true);
  await world.settle();
  assert.deepEqual(one.targets(), []);
});

function opened() {
  const directory = scratchDirectory('facts');
  const clock = createMovedClock(NOW_MS);
  const replica = createReplica('a');
  for (const key of ['k1', 'k2']) replica.write(key, 'välue', NOW_MS, { expiresAtMs: NOW_MS + 5 });
  replica.write('k3', undefined, NOW_MS);
  const facts: readonly Fact[] = replica.all();
  const problems: (string | undefined)[] = [];
  let writes = 0;
  const content = () => {
    writes += 1;
    return { facts, clock: { offsetMs: 1 }, savedAtMs: NOW_MS };
  };
  const file = openFactFile(directory, content, clock, (problem) => problems.push(problem));
  const path = join(directory, FACT_FILE_NAME);
  return { directory, clock, facts, file, path, problems, writes: () => writes };
}
