import assert from 'node:assert/strict';
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createLineWriter, PENDING_BYTES_MAX } from '../../src/telemetry/line-writer.ts';

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
      for (const part of parts) assert.equal(writer.write(lines(part)), true);
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

test('what cannot be written is dropped, and goes on once it can be', async () => {
  await inFolder(async (folder) => {
    const file = join(folder, 'not', 'there');
    const writer = createLineWriter(file, () => 0);
    writer.write(lines('a\n'));
    while (writer.problem() === undefined) await new Promise((resolve) => setImmediate(resolve));
    assert.match(writer.problem()!, /ENOENT/);
    assert.equal(writer.write(lines('b\n')), false);
    await writer.close();
  });
});

test('what waits is bounded', async () => {
  await inFolder(async (folder) => {
    const writer = createLineWriter(join(folder, 'log'), () => 0);
    const big = new Uint8Array(PENDING_BYTES_MAX / 2).fill(0x0a);
    assert.deepEqual(
      [writer.write(big), writer.write(big), writer.write(big)],
      [true, true, false],
    );
    await writer.close();
  });
});

async function written(file: string, text: string): Promise<void> {
  while ((await readFile(file, 'utf8').catch(() => '')) !== text) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}
