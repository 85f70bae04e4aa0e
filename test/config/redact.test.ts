import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { redactConfig } from '../../src/config/redact.ts';
import { validateConfig } from '../../src/config/validate.ts';
import { centroids } from './centroids.ts';

const SECRET = 'correct-horse-battery';
const minimal = readFileSync(
  new URL('../../config/examples/minimal.yaml', import.meta.url),
  'utf8',
);

test('redactConfig() hides tokens and whatever is called a secret', () => {
  const text = minimal
    .replace(
      'path: /healthz',
      `path: /healthz, headers: { Authorization: Bearer ${SECRET}, X-A: b }`,
    )
    .concat(`admin: { tokens: ['${SECRET}', 'sha256:${'a'.repeat(64)}'] }\n`);
  const result = validateConfig(text, 'test.yaml', {}, centroids);
  assert.ok(result.ok);
  const store = {
    kind: 'redis',
    options: { url: `redis://user:${SECRET}@host:6379/0`, password: SECRET },
  };
  const shown = redactConfig({ ...result.config, store });
  assert.ok(!JSON.stringify(shown).includes(SECRET));
  assert.deepEqual(shown.admin.tokens, ['(redacted)', '(redacted)']);
  assert.deepEqual(shown.store.options, {
    url: 'redis://(redacted)@host:6379/0',
    password: '(redacted)',
  });
  assert.deepEqual(shown.zones, result.config.zones);
  assert.equal(result.config.admin.tokens[0], SECRET);
});

test('redactConfig() hides what cookies are signed with', () => {
  const affinity = `affinity: { cookie: { secret: ${SECRET}, formerSecret: ${SECRET} } }`;
  const upstreams = `upstreams: { a: { servers: [192.0.2.1:80], ${affinity} } }`;
  const text = `regions: { eu: { location: DE } }\nbalancer: { ${upstreams} }\n`;
  const result = validateConfig(text, 'test.yaml', {}, centroids);
  assert.ok(result.ok, JSON.stringify(result));
  const shown = redactConfig(result.config);
  assert.ok(!JSON.stringify(shown).includes(SECRET));
  const cookie = shown.balancer.upstreams['a']!.affinity!.cookie!;
  assert.deepEqual([cookie.name, cookie.maxAgeSeconds], ['MERIDIAN', 0]);
});
