import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import type { ConfigIssue } from '../../src/config/issue.ts';
import { validateConfig } from '../../src/config/validate.ts';
import { centroids } from './centroids.ts';

/**
 * Each file in test/golden/config is a configuration, a line of dashes, and what a person is told about
 * it. After a wanted change: node --test --test-update-snapshots test/config/golden.test.ts
 */
const FOLDER = new URL('../golden/config/', import.meta.url);
const SEPARATOR = '\n----------\n';
const environment = { HOSTNAME: 'host-1', PORT: '5300', EMPTY: '', TOKEN: '0123456789abcdef' };

for (const name of readdirSync(FOLDER).sort()) {
  test(`validateConfig() reports as written in ${name}`, (t) => {
    const path = new URL(name, FOLDER);
    const [input = ''] = readFileSync(path, 'utf8').split(SEPARATOR);
    const text = `${input}${SEPARATOR}${report(`${input}\n`)}\n`;
    t.assert.fileSnapshot(text, path.pathname, { serializers: [String] });
    assert.ok(!text.includes('\u0000') && !text.includes('undefined'));
  });
}

function report(text: string): string {
  const result = validateConfig(text, 'test.yaml', environment, centroids);
  if (!result.ok) return result.issues.map(line).join('\n');
  return ['valid', ...result.warnings.map((warning) => `warning ${line(warning)}`)].join('\n');
}

function line({ file, line: row, column, path, message, hint }: ConfigIssue): string {
  assert.equal(file, 'test.yaml');
  assert.ok(row >= 1 && column >= 1);
  return `${row}:${column} [${path}] ${message}${hint === undefined ? '' : ` (${hint})`}`;
}
