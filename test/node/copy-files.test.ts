import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openCopyFiles } from '../../src/node/copy-files.ts';
import { copyOf } from '../../src/secondary/zone-copy.ts';
import type { ZoneContent } from '../../src/zone/zone-content.ts';
import { APEX, a, NS, soa } from '../secondary/primary-stream.ts';
import { scratchDirectory } from './scratch.ts';

function contentOf(serial: number, last = serial): ZoneContent {
  const copy = copyOf(APEX, soa(serial), [NS, a('x', last)]);
  assert.ok(copy.ok);
  return copy.content;
}
const keptAt = (content: ZoneContent, confirmedMs: number) => ({
  ...{ content, confirmedMs },
  primary: '192.0.2.1:53',
});

test('a copy is there again after a restart, with the time of its confirmation', async () => {
  const directory = scratchDirectory('copies');
  const files = openCopyFiles(directory);
  assert.equal(await files.read(APEX), undefined);
  const first = contentOf(7);
  assert.equal(await files.keep(keptAt(first, 1000)), undefined);
  assert.equal(await files.keep(keptAt(first, 2000)), undefined);
  assert.deepEqual(await openCopyFiles(directory).read(APEX), keptAt(first, 2000));
  const second = contentOf(8);
  await openCopyFiles(directory).keep(keptAt(second, 2500));
  await files.keep(keptAt(second, 3000));
  assert.deepEqual(await openCopyFiles(directory).read(APEX), keptAt(second, 3000));
  // One file that says when, one with the records; none of those before.
  assert.equal(readdirSync(join(directory, 'copies')).length, 2);
});

test('a copy that was damaged on disk is none', async () => {
  const directory = scratchDirectory('copies');
  await openCopyFiles(directory).keep(keptAt(contentOf(7), 1000));
  for (const name of readdirSync(join(directory, 'copies'))) {
    const path = join(directory, 'copies', name);
    const whole = readFileSync(path);
    for (const cut of [0, 1, whole.length - 1]) {
      writeFileSync(path, whole.subarray(0, cut));
      assert.equal(await openCopyFiles(directory).read(APEX), undefined, `${name} ${cut}`);
    }
    writeFileSync(path, whole);
    assert.ok(await openCopyFiles(directory).read(APEX));
  }
});

test('without a state directory nothing is kept; one that cannot be written is a reason', async () => {
  const nothing = openCopyFiles(undefined);
  assert.equal(await nothing.keep(keptAt(contentOf(7), 1)), undefined);
  assert.equal(await nothing.read(APEX), undefined);
  const file = join(scratchDirectory('copies'), 'file');
  writeFileSync(file, '');
  const problem = await openCopyFiles(file).keep(keptAt(contentOf(7), 1));
  assert.match(problem ?? '', /cannot be written \((ENOTDIR|EEXIST)\)/);
});
