import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { validateConfig } from '../../src/config/validate.ts';
import { imported, places } from './octodns-rig.ts';

/**
 * What becomes of each file of test/migration/zones: test/golden/octodns.
 * After a wanted change: node --test --test-update-snapshots test/migration/octodns-golden.test.ts
 */
const ZONES = new URL('zones/', import.meta.url);
const GOLDEN = new URL('../golden/octodns/', import.meta.url);

for (const name of readdirSync(ZONES).sort()) {
  test(`${name} is imported as in test/golden/octodns`, (t) => {
    const result = imported({ [name]: readFileSync(new URL(name, ZONES), 'utf8') });
    assert.ok(result.ok, JSON.stringify(result));
    const golden = new URL(name, GOLDEN).pathname;
    t.assert.fileSnapshot(result.text, golden, { serializers: [String] });
    assert.ok(!result.text.includes('undefined') && !result.text.includes('NaN'));
    const checked = validateConfig(result.text, name, {}, places);
    assert.deepEqual(checked.ok ? checked.warnings : checked.issues, []);
  });
}
