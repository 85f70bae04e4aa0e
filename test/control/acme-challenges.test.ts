import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CHALLENGE_EXPIRES_SECONDS,
  createAcmeChallenges,
} from '../../src/control/acme-challenges.ts';
import type { AcmeChallengeChange, Problem } from '../../src/control/control-plane.ts';
import { config, configOf, record, ZONE } from '../nameserver/update-rig.ts';
import { keepRecords } from './kept-records.ts';

const NOW_MS = 1_780_000_000_000;
const OWNER = '_acme-challenge.www.gslb.example.';

function open(served = config) {
  const kept = keepRecords(NOW_MS);
  const kinds: string[] = [];
  const challenges = createAcmeChallenges({
    ...kept.parts,
    config: () => served,
    events: { record: (kind) => void kinds.push(kind) },
  });
  return { challenges, kinds, records: kept.all, add: kept.add, fail: kept.fail };
}

const done = (result: AcmeChallengeChange | Problem): AcmeChallengeChange => {
  assert.ok(!('problem' in result), JSON.stringify(result));
  return result;
};
const code = (result: object): string | undefined =>
  'code' in result ? `${result.code}` : undefined;
const request = (name: string, value = 'abc', more = {}) => ({
  zone: ZONE,
  name,
  value,
  by: 'test',
  ...more,
});

test('names are proved below _acme-challenge, wildcards as the name they stand in', async () => {
  for (const [name, owner] of [
    ['www.gslb.example', OWNER],
    ['WWW.gslb.example.', OWNER],
    ['*.www.gslb.example', OWNER],
    ['_acme-challenge.www.gslb.example', OWNER],
    ['gslb.example', '_acme-challenge.gslb.example.'],
  ] as const) {
    const { challenges, records } = open();
    const { serial } = done(await challenges.set(request(name)));
    assert.deepEqual([records()[0]!.owner, serial], [owner, 8], name);
  }
});

test('a challenge has a time, and is set anew by the same again', async () => {
  const { challenges, kinds, records } = open();
  const first = done(await challenges.set(request('www.gslb.example')));
  assert.deepEqual(first.challenges, [
    {
      zone: ZONE,
      name: OWNER.slice(0, -1),
      value: 'abc',
      ttlSeconds: 30,
      expiresAtMs: NOW_MS + CHALLENGE_EXPIRES_SECONDS * 1000,
    },
  ]);
  const again = { ttlSeconds: 5, expiresInSeconds: 60 };
  done(await challenges.set(request('www.gslb.example', 'abc', again)));
  assert.deepEqual(
    records().map(({ expiresAtMs, ttl }) => [ttl, expiresAtMs]),
    [[5, NOW_MS + 60_000]],
  );
  done(await challenges.set(request('www.gslb.example', 'def')));
  assert.equal(records().length, 2, 'a wildcard and its name are proved at one');
  assert.deepEqual(kinds, Array(3).fill('zone.acme-challenge'));
});

test('challenges are listed and cleared, one or all of a name, also those that updates wrote', async () => {
  const { add, challenges, records } = open();
  add(record(OWNER, 60, 'TXT', '"by-update"'), record('other.gslb.example.', 60, 'TXT', '"x"'));
  done(await challenges.set(request('www.gslb.example', 'one')));
  const listed = challenges.list(ZONE);
  assert.ok(!('problem' in listed));
  assert.deepEqual(
    listed.map(({ expiresAtMs, value }) => [value, expiresAtMs === undefined]),
    [
      ['by-update', true],
      ['one', false],
    ],
  );
  const clear = (value?: string) =>
    challenges.clear({
      zone: ZONE,
      name: 'www.gslb.example',
      by: 'test',
      ...(value === undefined ? {} : { value }),
    });
  assert.equal(code(await clear('none')), 'no-challenge');
  assert.deepEqual(
    done(await clear('one')).challenges.map(({ value }) => value),
    ['one'],
  );
  done(await clear());
  assert.deepEqual(
    records().map(({ owner }) => owner),
    ['other.gslb.example.'],
  );
  assert.equal(code(await clear()), 'no-challenge');
});

test('what cannot be set says why', async () => {
  const { challenges, fail } = open();
  assert.equal(code(challenges.list('elsewhere.example')), 'no-zone');
  assert.equal(code(await challenges.set({ ...request('a.b'), zone: 'b' })), 'no-zone');
  for (const name of ['www.elsewhere.example', 'a.sub.gslb.example', 'a..gslb.example', '']) {
    assert.equal(code(await challenges.set(request(name))), 'name-not-in-zone', name);
  }
  const alias = open(
    configOf(`
zones:
  gslb.example:
    nameservers: ns.other.example.
    records: { _acme-challenge.www: { CNAME: elsewhere.example. } }
`),
  );
  const refused = await alias.challenges.set(request('www.gslb.example'));
  assert.equal(code(refused), 'record-does-not-fit');
  assert.match(JSON.stringify(refused), /is a CNAME, which stands alone/);
  fail('the store does not answer');
  assert.equal(code(await challenges.set(request('www.gslb.example'))), 'records-not-kept');
});
