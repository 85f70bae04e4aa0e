import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ZoneDnssec } from '../../src/control/control-plane.ts';
import { assertProblem, openAdmin } from './admin-harness.ts';

const PATH = '/api/v1/zones/gslb.example/dnssec';

test('how a zone is signed is told, and nothing of the secrets', async (t) => {
  const { call } = await openAdmin(t);
  const reply = await call('GET', PATH);
  assert.equal(reply.status, 200);
  const status = reply.json<ZoneDnssec>();
  assert.deepEqual(
    status.keys.map(({ algorithm, role, stage }) => [role, stage, algorithm]),
    [
      ['ksk', 'active', 'ecdsap256'],
      ['zsk', 'active', 'ecdsap256'],
    ],
  );
  assert.match(status.ds[0] ?? '', new RegExp(`^${status.keys[0]?.tag} 13 2 [0-9A-F]{64}$`));
  assert.deepEqual([status.cds, status.cdnskey.length, status.kept], [status.ds, 1, 'shared']);
  for (const word of ['jwk', '"d"', 'privateKey']) assert.ok(!reply.text.includes(word), word);
  assertProblem(await call('GET', '/api/v1/zones/other.example/dnssec'), 404, 'zone-not-signed');
});

test('a roll begins, refuses to hurry, and goes on', async (t) => {
  const { call, plane } = await openAdmin(t);
  const start = (body: unknown) => call('POST', `${PATH}/roll`, { body });
  const next = (body: unknown = {}) => call('POST', `${PATH}/roll/next`, { body });
  for (const body of [{}, { key: 'dsk' }, { key: 'zsk', more: 1 }]) {
    assertProblem(await start(body), 400, 'invalid-request');
  }
  assertProblem(await next(), 409, 'no-roll');
  const started = (await start({ key: 'zsk' })).json<ZoneDnssec>();
  assert.deepEqual([started.roll?.step, started.roll?.waitsFor], ['introduced', 'time']);
  assert.equal(started.sharing?.shared, true);
  assertProblem(await start({ key: 'ksk' }), 409, 'roll-running');
  assertProblem(await next(), 409, 'roll-too-early');
  plane.advance(7_200_000);
  assert.equal((await next()).json<ZoneDnssec>().roll?.step, 'switched');
  plane.advance(7_200_000);
  assert.equal((await next()).json<ZoneDnssec>().roll, undefined);
  const ksk = (await start({ key: 'ksk' })).json<ZoneDnssec>();
  assert.equal(ksk.ds.length, 2);
  assertProblem(await next(), 409, 'roll-needs-ds');
  assertProblem(await next({ dsSeen: true, dsTtlSeconds: -1 }), 400, 'invalid-request');
  const seen = (await next({ dsSeen: true, dsTtlSeconds: 60 })).json<ZoneDnssec>();
  assert.equal(seen.roll?.waitsFor, 'time');
  const kinds = (await plane.events('', 100)).map(({ kind }) => kind);
  assert.equal(kinds.filter((kind) => kind === 'dnssec.roll').length, 5);
});
