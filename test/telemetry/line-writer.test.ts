import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createLineWriter, noLines, PENDING_BYTES_MAX } from '../../src/telemetry/line-writer.ts';

/** The writer on real files, with a clock that the test moves. */

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'meridian-lines-'));
  try {
    await run(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}
const lines = (text: string): Uint8Array => new TextEncoder().encode(text);

test('batches are appended in their order, to what is there', async () => {
  await inFolder(async (folder) => {
    const file = join(folder, 'access.log');
    for (const parts of [['a\n', 'b\n'], ['c\n']]) {
      const writer = createLineWriter(file, () => 0);
      for (const part of parts) writer.write(lines(part));
      await writer.close();
    }
    assert.equal(await readFile(file, 'utf8'), 'a\nb\nc\n');
  });
});

test('a file that was renamed is opened anew by its name within a second', async () => {
  await inFolder(async (folder) => {
    const file = join(folder, 'access.log');
    let nowMs = 0;
    const writer = createLineWriter(file, () => nowMs);
    writer.write(lines('a\n'));
    await written(file, 'a\n');
    await rename(file, `${file}.1`);
    writer.write(lines('b\n'));
    await written(`${file}.1`, 'a\nb\n');
    nowMs = 1_000;
    writer.write(lines('c\n'));
    await writer.close();
    assert.equal(await readFile(`${file}.1`, 'utf8'), 'a\nb\n');
    assert.equal(await readFile(file, 'utf8'), 'c\n');
  });
});

test('reopen() opens the file anew at once, after what waits, also when nothing more comes', async () => {
  await inFolder(async (folder) => {
    const file = join(folder, 'access.log');
    const counts = noLines();
    const writer = createLineWriter(file, () => 0, counts);
    writer.write(lines('a\n'));
    await written(file, 'a\n');
    await rename(file, `${file}.1`);
    writer.write(lines('b\n'));
    writer.reopen();
    await written(file, '');
    await written(`${file}.1`, 'a\nb\n');
    writer.write(lines('c\nd\n'));
    await writer.close();
    assert.equal(await readFile(`${file}.1`, 'utf8'), 'a\nb\n');
    assert.equal(await readFile(file, 'utf8'), 'c\nd\n');
    assert.deepEqual(counts, { lines: 4, bytes: 8, dropped: 0 });
  });
});

test('while the new file cannot be opened, lines go on into the renamed one', async () => {
  await inFolder(async (folder) => {
    const logs = join(folder, 'logs');
    await mkdir(logs);
    const file = join(logs, 'access.log');
    const counts = noLines();
    const writer = createLineWriter(file, () => 0, counts);
    writer.write(lines('a\n'));
    await written(file, 'a\n');
    await rename(logs, `${logs}.old`);
    writer.reopen();
    writer.write(lines('b\n'));
    await written(join(`${logs}.old`, 'access.log'), 'a\nb\n');
    await mkdir(logs);
    writer.reopen();
    writer.write(lines('c\n'));
    await writer.close();
    assert.equal(await readFile(file, 'utf8'), 'c\n');
    assert.deepEqual(counts, { lines: 3, bytes: 6, dropped: 0 });
  });
});

test('what cannot be written is dropped and counted, and goes on once it can be', async () => {
  await inFolder(async (folder) => {
    const logs = join(folder, 'not-there');
    const counts = noLines();
    const writer = createLineWriter(join(logs, 'access.log'), () => 0, counts);
    writer.write(lines('a\nb\n'));
    while (counts.dropped === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.match(writer.problem()!, /ENOENT/);
    await mkdir(logs);
    writer.write(lines('c\n'));
    await writer.close();
    assert.equal(writer.problem(), undefined);
    assert.deepEqual(counts, { lines: 1, bytes: 2, dropped: 2 });
  });
});

test('a line that a full disk broke off is ended before the next one begins', async (t) => {
  if (process.platform !== 'linux') return t.skip('needs prlimit');
  await inFolder(async (folder) => {
    const file = join(folder, 'access.log');
    // A file of this process may have so many octets: what is beyond is refused as by a full disk.
    const limit = (most: string) =>
      spawnSync('prlimit', [`--pid=${process.pid}`, `--fsize=${most}:unlimited`]).status === 0;
    const ignore = (): void => {};
    process.on('SIGXFSZ', ignore);
    const counts = noLines();
    const writer = createLineWriter(file, () => 0, counts);
    try {
      assert.ok(limit('8'));
      writer.write(lines('one\nbroken off\nlost\n'));
      while (writer.problem() === undefined) await new Promise((resolve) => setImmediate(resolve));
    } finally {
      assert.ok(limit('unlimited'));
      process.off('SIGXFSZ', ignore);
    }
    writer.write(lines('two\n'));
    await writer.close();
    assert.equal(await readFile(file, 'utf8'), 'one\nbrok\ntwo\n');
    assert.deepEqual(counts, { lines: 2, bytes: 12, dropped: 2 });
  });
});

test('what waits is bounded', async () => {
  await inFolder(async (folder) => {
    const counts = noLines();
    const writer = createLineWriter(join(folder, 'log'), () => 0, counts);
    const big = new Uint8Array(PENDING_BYTES_MAX / 2).fill(0x61);
    big[big.length - 1] = 0x0a;
    for (const batch of [big, big, big]) writer.write(batch);
    assert.equal(counts.dropped, 1);
    await writer.close();
    assert.equal(counts.lines, 2);
  });
});

async function written(file: string, text: string): Promise<void> {
  while ((await readFile(file, 'utf8').catch(() => '')) !== text) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}
