import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openJournalFiles } from '../../src/node/journal-file.ts';

const DAY_MS = 86_400_000;
const START_MS = 1_780_000_000_000;
const config = (letter: string, text = letter) => ({ hash: letter.repeat(64), text });

function place(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'meridian-journal-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

test('openJournalFiles() keeps segments and configurations', async (t) => {
  const files = openJournalFiles(place(t));
  await assert.rejects(files.starts());
  await files.keepConfig(config('a', 'text'), START_MS);
  await files.begin(START_MS + 1, 'two\n');
  await files.begin(START_MS, 'one\n');
  await files.append(START_MS, 'more\ntorn');
  assert.deepEqual(await files.starts(), [START_MS, START_MS + 1]);
  assert.deepEqual(await files.read(START_MS), ['one', 'more', 'torn']);
  assert.equal(await files.readConfig('a'.repeat(64)), 'text');
  await assert.rejects(files.readConfig('b'.repeat(64)));
  await assert.rejects(files.read(5));
});

test('prune() removes what is older than the days that are kept, but not what reaches into them', async (t) => {
  const directory = place(t);
  const files = openJournalFiles(directory, { bytesMax: 1e9, daysMax: 2 });
  for (let day = 0; day < 6; day += 1) {
    await files.keepConfig(config('abcdef'[day]!), START_MS + day * DAY_MS);
    await files.begin(START_MS + day * DAY_MS, 'x\n');
  }
  await files.prune(START_MS + 5 * DAY_MS + 1);
  assert.deepEqual(
    (await files.starts()).map((start) => (start - START_MS) / DAY_MS),
    [3, 4, 5],
  );
  const left = readdirSync(join(directory, 'journal')).filter((name) => name.startsWith('config'));
  assert.deepEqual(left.map((name) => name[7]).toSorted(), ['d', 'e', 'f']);
});

test('prune() keeps all files together below the limit, and what is written always', async (t) => {
  const files = openJournalFiles(place(t), { bytesMax: 1000, daysMax: 100 });
  for (let count = 0; count < 10; count += 1) {
    await files.keepConfig(config('0123456789'[count]!, 'c'.repeat(100)), START_MS + count);
    await files.begin(START_MS + count, 'x'.repeat(200));
  }
  await files.prune(START_MS + 100);
  const starts = await files.starts();
  assert.ok(starts.length >= 1 && starts.length <= 4, String(starts));
  assert.equal(starts.at(-1), START_MS + 9);
  assert.ok(await files.readConfig('9'.repeat(64)));
  await assert.rejects(files.readConfig('0'.repeat(64)));
  await files.begin(START_MS + 200, 'x'.repeat(5000));
  await files.prune(START_MS + 200);
  assert.deepEqual(await files.starts(), [START_MS + 200]);
});

test('openJournalFiles() leaves files alone that are not its own', async (t) => {
  const directory = place(t);
  mkdirSync(join(directory, 'journal'));
  const other = join(directory, 'journal', 'notes.txt');
  writeFileSync(other, 'mine');
  const files = openJournalFiles(directory, { bytesMax: 1, daysMax: 1 });
  await files.begin(START_MS, 'x\n');
  await files.begin(START_MS + 1, 'x\n');
  await files.prune(START_MS + 10 * DAY_MS);
  assert.ok(existsSync(other));
  assert.deepEqual(await files.starts(), [START_MS + 1]);
});

test('openJournalFiles() rejects where it cannot write', async (t) => {
  const directory = place(t);
  const file = join(directory, 'file');
  writeFileSync(file, '');
  chmodSync(file, 0o400);
  await assert.rejects(openJournalFiles(file).begin(START_MS, 'x'));
});
