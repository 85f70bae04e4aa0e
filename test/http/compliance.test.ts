import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

/** docs/http-compliance.md says of each rule which test shows it: here, that each is there. */
const ROOT = new URL('../../', import.meta.url);
const page = readFileSync(new URL('docs/http-compliance.md', ROOT), 'utf8');

/** What is wrong with the rows of tables, whose last column is a file and words of it. */
function problemsOf(text: string): string[] {
  const rows = text.split('\n').filter((line) => /^\| (?!-)/.test(line));
  return rows.flatMap((row) => {
    const [rule = '', , proof = ''] = row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
    if (proof === 'test') return [];
    const [, name] = /^`([^`]+)`/.exec(proof) ?? [];
    const quoted = [...proof.matchAll(/“([^”]+)”/g)].map(([, words]) => words!);
    if (name === undefined || quoted.length === 0) return [`no test for: ${rule}`];
    const file = new URL(`test/${name.endsWith('.ts') ? name : `${name}.test.ts`}`, ROOT);
    if (!existsSync(file)) return [`${name} is no file, for: ${rule}`];
    const source = readFileSync(file, 'utf8');
    return quoted
      .filter((words) => !source.includes(words))
      .map((words) => `${name} knows nothing of "${words}", for: ${rule}`);
  });
}

test('each rule on the page has a test, and each test that it names is there', () => {
  assert.ok(page.split('\n').filter((line) => line.startsWith('| ')).length > 70);
  assert.deepEqual(problemsOf(page), []);
});

test('problemsOf() finds rows without a test, and names of none', () => {
  const row = (proof: string): string =>
    `| rule | RFC | test |\n|---|---|---|\n| x | 1 | ${proof} |\n`;
  assert.deepEqual(problemsOf(row('`balancer/smuggling` “no Host”')), []);
  assert.deepEqual(problemsOf(row('`balancer/smuggling`')), ['no test for: x']);
  assert.deepEqual(problemsOf(row('`balancer/nobody` “x”')), [
    'balancer/nobody is no file, for: x',
  ]);
  assert.deepEqual(problemsOf(row('`balancer/smuggling` “nothing such”')), [
    'balancer/smuggling knows nothing of "nothing such", for: x',
  ]);
});
