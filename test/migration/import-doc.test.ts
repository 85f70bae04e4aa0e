import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { imported, lines } from './octodns-rig.ts';

/** The example of the manual is what the command makes. */
const FILE = new URL('../../docs/IMPORT.md', import.meta.url);

/** When this fails: node --test --test-update-snapshots test/migration/import-doc.test.ts */
test('docs/IMPORT.md shows what is imported', (t) => {
  const manual = readFileSync(FILE, 'utf8');
  const [, input = ''] = /```yaml\n(.*?)```/s.exec(manual) ?? [];
  const result = imported({ 'shop.example.yaml': input });
  assert.ok(result.ok, result.ok ? '' : lines(result.issues).join('\n'));
  assert.deepEqual(result.warnings, []);
  const updated = manual.replace(
    /(\nbecomes\n\n```yaml\n).*?(```)/s,
    (_, before: string, after: string) => `${before}${result.text}${after}`,
  );
  t.assert.fileSnapshot(updated, FILE.pathname, { serializers: [String] });
});
