import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

/** docs/dns-compliance.md says of each rule of an RFC which test shows it: here, that each is there. */
const ROOT = new URL('../../', import.meta.url);
const page = readFileSync(new URL('docs/dns-compliance.md', ROOT), 'utf8');

/** What an authoritative nameserver is held to; those that are not served are rows too. */
const RFCS = [
  1034, 1035, 1995, 1996, 2136, 2181, 2308, 3225, 3425, 3597, 4034, 4035, 4343, 4592, 5001, 5155,
  5936, 6604, 6672, 6840, 6891, 6895, 7344, 7766, 7828, 7830, 7858, 7871, 7873, 8020, 8467, 8482,
  8484, 8490, 8767, 8906, 8914, 8945, 9018, 9077, 9250, 9460, 9471, 9567, 9619, 9824,
];

type Row = { readonly what: string; readonly rfcs: string; readonly proof: string };

/** Rows of the tables whose last column names tests, by section. */
function rows(text: string): Map<string, Row[]> {
  const found = new Map<string, Row[]>();
  for (const section of text.split(/^## /m).slice(1)) {
    const [title = ''] = section.split('\n');
    if (title.startsWith('RFC 8906') || title === 'Not served') continue;
    const lines = section.split('\n').filter((line) => line.startsWith('| '));
    const cells = lines.slice(1).map((line) => line.split(/(?<!\\)\|/).slice(1, -1));
    found.set(
      title,
      cells.map(([what = '', rfcs = '', proof = '']) => ({ what, rfcs, proof })),
    );
  }
  return found;
}

/** What a name on the page stands for, below `test/`. */
function fileOf(name: string): string {
  if (name === 'rfc8906') return 'interop/rfc8906.test.ts';
  if (name.endsWith('.txt')) return name.includes('/') ? name : `golden/config/${name}`;
  if (name.startsWith('e2e/')) return `${name}.e2e.test.ts`;
  return name.endsWith('.ts') ? name : `${name}.test.ts`;
}

/** Programs that a row names beside the test that runs them. */
const PROGRAMS = new Set(['ldns-verify-zone', 'dnssec-verify']);

const testsIn = (proof: string): string[] =>
  [...proof.matchAll(/`([^`]+)`/g)].map(([, name]) => name!).filter((name) => !PROGRAMS.has(name));

function problemsOf(text: string): string[] {
  return [...rows(text)].flatMap(([title, all]) =>
    all.flatMap(({ proof, what }) => {
      const named = testsIn(proof);
      const missing = named.filter((name) => !isTest(fileOf(name)));
      if (named.length === 0) return [`${title}: no test for: ${what.trim()}`];
      return missing.map((name) => `${title}: ${name} is no test, for: ${what.trim()}`);
    }),
  );
}

/** A file of tests that has some, what is told about a configuration, or rows that a test goes through. */
function isTest(path: string): boolean {
  const file = new URL(`test/${path}`, ROOT);
  if (!existsSync(file)) return false;
  return !path.endsWith('.test.ts') || /\btest\(/.test(readFileSync(file, 'utf8'));
}

test('each rule on the page of compliance has a test, and each test that it names is there', () => {
  const all = [...rows(page).values()].flat();
  assert.ok(all.length > 100, `${all.length} rows`);
  assert.deepEqual(problemsOf(page), []);
});

test('problemsOf() finds rows without a test, and names of none', () => {
  const table = (proof: string): string =>
    `## Data\n\n| a | b | c |\n|---|---|---|\n| x | 1 | ${proof} |\n`;
  assert.deepEqual(problemsOf(table('`dns/name`')), []);
  assert.deepEqual(problemsOf(table('no test')), ['Data: no test for: x']);
  assert.deepEqual(problemsOf(table('`dns/nobody`')), ['Data: dns/nobody is no test, for: x']);
});

test('each RFC in scope has a row', () => {
  const numbers = new Set([...page.matchAll(/\b\d{4}\b/g)].map(([number]) => Number(number)));
  assert.deepEqual(
    RFCS.filter((rfc) => !numbers.has(rfc)),
    [],
  );
});

test('each limit that the page names is a constant of the source or a key of the configuration', () => {
  const sources = readdirSync(new URL('src/', ROOT), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(new URL(`src/${name}`, ROOT), 'utf8'))
    .join('\n');
  const manual = readFileSync(new URL('docs/CONFIG.md', ROOT), 'utf8');
  const limits = (rows(page).get('Abuse') ?? []).flatMap(({ rfcs }) => testsIn(rfcs));
  assert.ok(limits.length > 15);
  for (const limit of limits) {
    const isConstant = new RegExp(`^(export )?const ${limit} = `, 'm').test(sources);
    assert.ok(isConstant || manual.includes(`${limit}\``) || manual.includes(`${limit}.`), limit);
  }
});
