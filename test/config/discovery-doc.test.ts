import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { validateConfig } from '../../src/config/validate.ts';
import { centroids } from './centroids.ts';

test('a node takes the example of docs/DISCOVERY.md', () => {
  const manual = readFileSync(new URL('../../docs/DISCOVERY.md', import.meta.url), 'utf8');
  const [, example = ''] = /```yaml\n(.*?)```/s.exec(manual) ?? [];
  const text = `${example}
  listeners: [{ region: a, address: 127.0.0.1, port: 8080, upstream: web }]
regions: { a: { location: DE, vips: 127.0.1.1 } }
monitors: { web-health: { kind: http } }
node: { roles: [balancer] }
`;
  const result = validateConfig(text, 'test.yaml', {}, centroids);
  assert.deepEqual(result.ok ? [] : result.issues, []);
  assert.ok(result.ok);
  assert.deepEqual(result.config.balancer.upstreams['web']?.discovery?.dns, {
    name: 'web.internal.example.',
    type: 'A',
    port: 8080,
    resolvers: [
      { address: '10.0.0.53', port: 53 },
      { address: '10.0.1.53', port: 53 },
    ],
    minTtlMs: 5000,
    maxTtlMs: 300_000,
  });
});
