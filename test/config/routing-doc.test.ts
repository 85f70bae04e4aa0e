import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { validateConfig } from '../../src/config/validate.ts';
import { centroids } from './centroids.ts';

/** The examples of the manual are routes that a node takes without an error or a warning. */
const MANUAL = readFileSync(new URL('../../docs/ROUTING.md', import.meta.url), 'utf8');
const EXAMPLES = [...MANUAL.matchAll(/```yaml\n(.*?)```/gs)].map(([, text]) => text!);

test('docs/ROUTING.md has examples', () => assert.ok(EXAMPLES.length >= 2));

const isWhole = (example: string): boolean => example.startsWith('balancer:');

for (const example of EXAMPLES.filter(isWhole)) {
  test(`a node takes the listener of ${example.split('\n', 4).at(-1)!.trim()}`, () => {
    const text = `regions:
  eu: { location: DE, vips: 127.0.1.1 }
node: { roles: [balancer] }
${example}      upstream: rest
  upstreams:
    rest: { servers: ['10.0.0.1:80'] }
`;
    const result = validateConfig(text, 'test.yaml', {}, centroids);
    assert.deepEqual(result.ok ? [] : result.issues, []);
  });
}

for (const example of EXAMPLES.filter((each) => !isWhole(each))) {
  test(`a node takes the example that begins ${example.split('\n', 1)}`, () => {
    const routes = example.replace(/^/gm, '        ');
    const names = [...new Set(example.match(/\b(web|canary|next|shadow)\b/g) ?? [])];
    const upstreams = [...names, 'rest'].map((name) => `    ${name}: { servers: ['10.0.0.1:80'] }`);
    const text = `regions:
  a: { location: DE, vips: 127.0.1.1 }
node: { roles: [balancer] }
balancer:
  upstreams:
${upstreams.join('\n')}
  listeners:
    - region: a
      address: 127.0.0.1
      port: 8080
      routes:
${routes}
        - { path: /the-rest-of-the-file, upstream: rest }
`;
    const result = validateConfig(text, 'test.yaml', {}, centroids);
    assert.deepEqual(result.ok ? [] : result.issues, []);
    const ours = result.ok ? result.warnings.filter(({ path }) => path.includes('routes')) : [];
    assert.deepEqual(ours, []);
  });
}
