import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openStateFile, readState, type SavedState } from '../../src/node/state-file.ts';

const STATE: SavedState = {
  overrides: [
    {
      target: { kind: 'region', name: 'frankfurt' },
      action: 'drain',
      reason: 'kernel',
      by: 'ann',
      setAtMs: 1,
      expiresAtMs: 2,
    },
  ],
  monitoring: { a: 1 },
  health: { b: 2 },
};

test('readState() gives what was written, now and then or at the end', async (t) => {
  const directory = join(scratch(t), 'made', 'when', 'needed');
  const file = openStateFile(directory);
  assert.equal(await file.write(STATE), undefined);
  assert.deepEqual(readState(directory), { state: STATE });
  assert.equal(await file.write({ ...STATE, overrides: [] }), undefined);
  assert.deepEqual(readState(directory).state?.overrides, []);
  assert.equal(file.writeLast(STATE), undefined);
  assert.deepEqual(readState(directory), { state: STATE });
  assert.deepEqual(readdirSync(directory), ['node-state.json']);
});

test('what was still being written does not take the place of the last word', async (t) => {
  const directory = scratch(t);
  const file = openStateFile(directory);
  const slow = file.write({ ...STATE, health: 'before' });
  assert.equal(file.writeLast({ ...STATE, health: 'last' }), undefined);
  await slow;
  assert.equal(readState(directory).state?.health, 'last');
});

test('readState() knows nothing, and has no problem, when there is no file', (t) => {
  assert.deepEqual(readState(scratch(t)), {});
  assert.deepEqual(readState(join(scratch(t), 'nowhere')), {});
});

test('readState() says what is wrong with a file that it cannot use', (t) => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['', /not JSON/],
    ['{"version":1,', /not JSON/],
    ['null', /another version/],
    ['[]', /another version/],
    ['{"version":2,"overrides":[]}', /another version/],
  ];
  for (const [text, problem] of cases) {
    const directory = scratch(t);
    writeFileSync(join(directory, 'node-state.json'), text);
    const read = readState(directory);
    assert.match(read.problem ?? '', problem, text);
    assert.equal(read.state, undefined, text);
  }
  const directory = scratch(t);
  mkdirSync(join(directory, 'node-state.json'));
  assert.match(readState(directory).problem ?? '', /cannot be read \(EISDIR\)/);
});

test('readState() leaves out overrides that are none', (t) => {
  const directory = scratch(t);
  const overrides = [null, 7, {}, { ...STATE.overrides[0], action: 'explode' }, STATE.overrides[0]];
  const text = JSON.stringify({ version: 1, overrides });
  writeFileSync(join(directory, 'node-state.json'), text);
  assert.deepEqual(readState(directory).state?.overrides, STATE.overrides);
  writeFileSync(join(directory, 'node-state.json'), '{"version":1,"overrides":"all"}');
  assert.deepEqual(readState(directory).state?.overrides, []);
});

test('openStateFile() returns why it cannot write, in words', async (t) => {
  const directory = scratch(t);
  writeFileSync(join(directory, 'file'), '');
  const file = openStateFile(join(directory, 'file', 'below'));
  for (const problem of [await file.write(STATE), file.writeLast(STATE)]) {
    assert.match(problem ?? '', /cannot be written \(ENOTDIR\)/);
  }
});

function scratch(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'meridian-state-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}
