import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { extensions } from '../../src/config/extensions.ts';
import { configReference, REFERENCE_MARKER, withReference } from '../../src/config/reference.ts';

const FILE = new URL('../../docs/CONFIG.md', import.meta.url);

/** When this fails: node --test --test-update-snapshots test/config/reference.test.ts */
test('docs/CONFIG.md holds the reference that the schema makes', (t) => {
  const current = readFileSync(FILE, 'utf8');
  t.assert.fileSnapshot(withReference(current), FILE.pathname, { serializers: [String] });
});

test('configReference() has a section for every kind in every registry', () => {
  const reference = configReference();
  for (const { kind } of Object.values(extensions).flat()) {
    assert.ok(reference.includes(`### \`${kind}\``), kind);
  }
});

test('withReference() replaces only what stands below the marker', () => {
  const text = withReference(`By hand.\n\n${REFERENCE_MARKER}\n\nstale`);
  assert.ok(text.startsWith(`By hand.\n\n${REFERENCE_MARKER}\n\n## \`node\``));
  assert.ok(!text.includes('stale'));
  assert.equal(withReference(text), text);
});
