import assert from 'node:assert/strict';
import test from 'node:test';
import { configJsonSchema, configJsonSchemaText } from '../../src/config/json-schema.ts';
import { readPlaces } from '../../src/workers/geo-files.ts';

const FILE = new URL('../../config/meridian.schema.json', import.meta.url);

/** When this fails: node --test --test-update-snapshots test/config/json-schema.test.ts */
test('config/meridian.schema.json is what the schema says', (t) => {
  t.assert.fileSnapshot(configJsonSchemaText(), FILE.pathname, { serializers: [String] });
});

test('configJsonSchema() is draft 2020-12', () => {
  const schema = configJsonSchema() as { $schema: string; additionalProperties: boolean };
  assert.equal(schema.$schema, 'https://json-schema.org/draft/2020-12/schema');
  assert.equal(schema.additionalProperties, false);
});

test('configJsonSchema() describes every key and refuses unknown ones everywhere', () => {
  let keys = 0;
  visit(configJsonSchema(), '', (schema, path) => {
    const properties = Object.entries(
      (schema['properties'] ?? {}) as Record<string, Record<string, unknown>>,
    );
    if (properties.length > 0) assert.equal(schema['additionalProperties'], false, path);
    for (const [key, property] of properties) {
      keys++;
      assert.ok(property['description'], `${path}.${key} has no description`);
    }
    for (const own of ['what', 'hint', 'secret'])
      assert.ok(!(own in schema) || typeof schema[own] === 'object');
  });
  assert.ok(keys > 100);
});

test('configJsonSchema() takes every place that has a name', () => {
  const patterns = new Set<string>();
  visit(configJsonSchema(), '', ({ pattern }, path) => {
    if (path.endsWith('/location/anyOf/0')) patterns.add(String(pattern));
  });
  assert.equal(patterns.size, 1);
  const pattern = new RegExp([...patterns][0]!, 'u');
  const { cloudRegions, countries, subdivisions } = readPlaces();
  const regions = [...cloudRegions].flatMap(([provider, ids]) =>
    [...ids.keys()].map((id) => `${provider}/${id}`),
  );
  for (const name of [...countries.keys(), ...subdivisions.keys(), ...regions])
    assert.match(name, pattern);
  for (const name of ['', 'de', 'aws', 'aws/', '/a', 'aws/a/b', 'Aws/a']) {
    assert.doesNotMatch(name, pattern);
  }
});

function visit(
  node: unknown,
  path: string,
  see: (schema: Record<string, unknown>, path: string) => void,
): void {
  if (typeof node !== 'object' || node === null) return;
  see(node as Record<string, unknown>, path);
  for (const [key, child] of Object.entries(node)) visit(child, `${path}/${key}`, see);
}
