import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AcmeChallenge, AcmeChallengeChange } from '../../src/control/control-plane.ts';
import { assertProblem, openAdmin } from './admin-harness.ts';

const PATH = '/api/v1/zones/gslb.example/acme-challenges';
const NAME = 'www.gslb.example';

test('a challenge is set, listed and cleared; the answer says who answers so', async (t) => {
  const { call } = await openAdmin(t);
  const body = { name: NAME, value: 'token-1_A', ttlSeconds: 5, expiresInSeconds: 60 };
  const set = await call('POST', PATH, { body });
  assert.equal(set.status, 200);
  const { challenges, confirmed, pending, visible } = set.json<AcmeChallengeChange>();
  assert.deepEqual([challenges[0]!.value, challenges[0]!.ttlSeconds], ['token-1_A', 5]);
  assert.deepEqual([visible, confirmed, pending], [true, ['node-1', 'node-2'], []]);
  assert.equal((await call('GET', PATH)).json<AcmeChallenge[]>().length, 1);
  assertProblem(await call('DELETE', `${PATH}/${NAME}?value=other`), 404, 'no-challenge');
  const cleared = await call('DELETE', `${PATH}/${NAME}?value=token-1_A`);
  assert.equal(cleared.json<AcmeChallengeChange>().challenges.length, 1);
  assert.deepEqual((await call('GET', PATH)).json(), []);
});

test('a node that does not confirm is named', async (t) => {
  const { call } = await openAdmin(t);
  const set = await call('POST', PATH, { body: { name: NAME, value: 'slow' } });
  assert.equal(set.status, 200);
  const { pending, visible } = set.json<AcmeChallengeChange>();
  assert.deepEqual([visible, pending], [false, ['node-2']]);
});

test('a value that would have to be quoted, and times without end, are refused', async (t) => {
  const { call } = await openAdmin(t);
  for (const wrong of [
    { value: 'a"b' },
    { value: 'a b' },
    { value: '' },
    { value: 'x'.repeat(256) },
    { name: '' },
    { name: 'x'.repeat(300) },
    { ttlSeconds: -1 },
    { ttlSeconds: 100_000 },
    { expiresInSeconds: 0 },
    { expiresInSeconds: 30 * 24 * 3600 },
    { more: 1 },
  ]) {
    const body = { name: NAME, value: 'abc', ...wrong };
    assertProblem(await call('POST', PATH, { body }), 400, 'invalid-request');
  }
});
