import assert from 'node:assert/strict';
import { test } from 'node:test';
import type {
  ConfigPublication,
  ConfigRevision,
  ConfigText,
} from '../../src/control/control-plane.ts';
import { assertProblem, openAdmin } from './admin-harness.ts';

const PATH = '/api/v1/config/revisions';

test('a configuration is published, listed and read back', async (t) => {
  const { call } = await openAdmin(t);
  const body = { text: 'regions: {}', note: 'first' };
  const tried = await call('POST', PATH, { body: { ...body, dryRun: true } });
  assert.equal(tried.json<ConfigPublication>().published, false);
  const published = await call('POST', PATH, { body });
  assert.equal(published.status, 200);
  const { revision, sharing } = published.json<ConfigPublication>();
  assert.deepEqual([revision, sharing?.shared], [1, false]);
  const rows = (await call('GET', PATH)).json<readonly ConfigRevision[]>();
  assert.deepEqual(
    rows.map(({ isCurrent, note }) => [note, isCurrent]),
    [['first', true]],
  );
  assert.equal((await call('GET', `${PATH}/1`)).json<ConfigText>().text, body.text);
});

test('a configuration larger than other requests may be is read', async (t) => {
  const { call } = await openAdmin(t);
  const text = `# ${'x'.repeat(1_000_000)}\nregions: {}`;
  assert.equal((await call('POST', PATH, { body: { text } })).status, 200);
});

test('what cannot be published says why', async (t) => {
  const { call } = await openAdmin(t);
  const post = (body: object) => call('POST', PATH, { body });
  const invalid = assertProblem(await post({ text: 'bad', name: 'm.yaml' }), 422, 'invalid-config');
  assert.match(JSON.stringify(invalid['issues']), /m\.yaml/);
  assertProblem(await post({ text: 'small' }), 409, 'config.shrinks');
  assertProblem(await post({ text: 'x', replaces: 4 }), 409, 'config.conflict');
  assertProblem(await post({ text: 'x', replaces: -1 }), 400, 'invalid-request');
  assertProblem(await post({ note: 'no text' }), 400, 'invalid-request');
  assertProblem(await call('GET', `${PATH}/9`), 404, 'config.no-revision');
  assertProblem(await call('GET', `${PATH}/x`), 400, 'invalid-request');
});
