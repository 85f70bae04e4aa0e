import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

/** docs/LESSONS.md names tests that exist, and every scenario names a row of it. */
const root = new URL('../../', import.meta.url);
const folder = new URL('test/scenario/', root);
const page = readFileSync(new URL('docs/LESSONS.md', root), 'utf8');

type LessonRow = { readonly name: string; readonly tests: readonly string[] };

const rows: readonly LessonRow[] = page
  .split('\n')
  .filter((line) => /^\| (?!---)/.test(line) && !line.endsWith('| Shown by |'))
  .map((line) => {
    const cells = line.slice(1, -1).split(' | ');
    const named = [...(cells.at(-1) ?? '').matchAll(/`([^`]+)`/g)].map(([, path = '']) => path);
    return { name: (cells[0] ?? '').trim(), tests: named };
  });
const scenarios = readdirSync(folder).filter((name) => name.endsWith('.scenario'));

test('every lesson and every rule is shown by a test that exists', () => {
  assert.ok(rows.length > 40, String(rows.length));
  for (const { name, tests } of rows) {
    assert.ok(tests.length > 0, name);
    for (const path of tests) {
      const place = path.endsWith('.scenario') ? new URL(path, folder) : new URL(path, root);
      assert.ok(existsSync(place), `${name}: ${path}`);
    }
  }
  assert.equal(new Set(rows.map(({ name }) => name)).size, rows.length, 'no name twice');
});

for (const file of scenarios) {
  test(`${file} says which lesson or rule it belongs to`, () => {
    const [head = ''] = readFileSync(new URL(file, folder), 'utf8').split(/^[^#]/m);
    const [, name] = /^# (?:Lesson|Rule): (.+)$/m.exec(head) ?? [];
    assert.ok(name !== undefined, 'a line "# Lesson: NAME" or "# Rule: NAME" in its head');
    const row = rows.find((each) => each.name === name);
    assert.ok(row !== undefined, `docs/LESSONS.md has no row "${name}"`);
    assert.ok(row.tests.includes(file), `the row "${name}" does not name it`);
  });
}
