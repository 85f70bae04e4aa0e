import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createAnnouncer,
  HEARTBEAT_MS,
  NEWS_REPEATS,
  REFRESH_MS,
  REFRESH_RECORDS_MAX,
  RESEND_RECORDS_MAX,
} from '../../src/cluster/announcer.ts';
import { encodeFrames, type StatementRecord, type WireRecord } from '../../src/cluster/wire.ts';
import { LEASE_INTERVALS } from '../../src/health/quorum.ts';
import { statement } from './exchange-rig.ts';

const NOW = 1_000_000;
const word = (vantage: string) => ({
  vantage,
  group: 'g',
  node: 'n',
  heardAtMs: 0,
  trusted: true,
  reason: '',
});

function announcer(...vantages: readonly string[]) {
  const voice = createAnnouncer(7);
  for (const vantage of vantages) voice.setVantage(word(vantage));
  return voice;
}

const kinds = (records: readonly WireRecord[]): string => records.map(({ kind }) => kind).join(' ');
const statementsIn = (records: readonly WireRecord[]): readonly StatementRecord[] =>
  records.filter((record) => record.kind === 'statement');

test('put() says what could change a judgement, once, and a sign of life after it', () => {
  const voice = announcer('v');
  assert.equal(voice.put(statement('v', 'k'), NOW), true);
  assert.equal(kinds(voice.takeNews(NOW)), 'statement vantage');
  assert.equal(voice.put(statement('v', 'k', { reason: '204', sinceMs: 5 }), NOW), false);
  for (const change of [
    { verdict: 'down' },
    { slow: true },
    { failing: true },
    { secondsToChange: 1 },
    { leaseMs: 9000 },
  ] as const) {
    voice.put(statement('v', 'k'), NOW);
    voice.takeNews(NOW);
    assert.equal(voice.put(statement('v', 'k', change), NOW), true, JSON.stringify(change));
  }
  assert.equal(kinds(voice.takeNews(NOW)), 'statement vantage');
  assert.equal(kinds(voice.takeNews(NOW)), '');
});

test('takeNews() says of several changes of one target the last', () => {
  const voice = announcer('v');
  for (const verdict of ['up', 'down', 'up'] as const) {
    voice.put(statement('v', 'k', { verdict }), NOW);
  }
  voice.put(statement('v', 'gone'), NOW);
  voice.withdraw('v', 'gone', NOW);
  const said = statementsIn(voice.takeNews(NOW));
  assert.deepEqual(
    said.map(({ key, verdict, withdrawn }) => [key, verdict, withdrawn]),
    [
      ['k', 'up', false],
      ['gone', 'up', true],
    ],
  );
});

test('repeatNews() says twice more what still holds', () => {
  const voice = announcer('v');
  voice.put(statement('v', 'a'), NOW);
  voice.put(statement('v', 'b'), NOW);
  voice.takeNews(NOW);
  voice.put(statement('v', 'b', { verdict: 'down' }), NOW);
  for (let repeat = 0; repeat < NEWS_REPEATS; repeat += 1) {
    assert.equal(voice.hasRepeats(), true);
    const said = statementsIn(voice.repeatNews(NOW));
    assert.deepEqual(
      said.map(({ key }) => key),
      ['a'],
    );
  }
  assert.equal(voice.hasRepeats(), false);
  assert.equal(kinds(voice.repeatNews(NOW)), '');
  assert.deepEqual(
    statementsIn(voice.takeNews(NOW)).map(({ verdict }) => verdict),
    ['down'],
  );
});

test('times are told as ages, and a lease outlives lost signs of life', () => {
  const voice = announcer('v');
  const seen = { atMs: NOW - 200, ok: false, rttMs: 3, reason: 'refused' };
  voice.put(statement('v', 'k', { sinceMs: NOW - 5000, leaseMs: 100, recent: [seen] }), NOW);
  const [said] = statementsIn(voice.takeNews(NOW + 50));
  assert.equal(said?.sinceAgeMs, 5050);
  assert.equal(said?.last.ageMs, 250);
  assert.equal(said?.leaseMs, LEASE_INTERVALS * HEARTBEAT_MS);
});

test('refresh() tells a datagram full of observations at a time, the oldest first', () => {
  const voice = announcer('v');
  for (let key = 0; key < 1000; key += 1) {
    voice.put(statement('v', `endpoint web-https 192.0.2.1:${10_000 + key}`), NOW);
  }
  const before = voice.signs()[0]!;
  assert.equal(voice.refresh(NOW + REFRESH_MS - 1).length, 0);
  const told = new Set<string>();
  for (let beat = 1; beat <= 84; beat += 1) {
    const records = voice.refresh(NOW + REFRESH_MS + beat * HEARTBEAT_MS);
    assert.ok(records.length <= REFRESH_RECORDS_MAX);
    assert.ok(encodeFrames(records).length <= 1);
    for (const { key } of statementsIn(records)) told.add(key);
  }
  assert.equal(told.size, 1000, 'all have had their turn');
  const after = voice.signs()[0]!;
  assert.deepEqual([after.seq, after.digest], [before.seq, before.digest], 'nothing is new');
});

test('answer() sends what differs, in parts that are complete', () => {
  const voice = announcer('v');
  const count = 2 * RESEND_RECORDS_MAX;
  for (let key = 0; key < count; key += 1) voice.put(statement('v', `k${key}`), NOW);
  const all = voice.answer({ vantage: 'v', since: 0, digests: [] }, NOW);
  assert.ok(all.length <= RESEND_RECORDS_MAX && all.length > RESEND_RECORDS_MAX / 2);
  assert.equal(all.at(-1)?.kind, 'bucket');
  assert.equal(voice.answer({ vantage: 'unknown', since: 0, digests: [] }, NOW).length, 0);
  const recent = voice.answer({ vantage: 'v', since: count - 3, digests: [] }, NOW);
  assert.equal(statementsIn(recent).length, 3);
});

test('a vantage point without a group yet, or silent, is not announced', () => {
  const voice = createAnnouncer(1);
  voice.put(statement('v', 'k'), NOW);
  assert.equal(kinds([...voice.takeNews(NOW), ...voice.signs()]), '');
  assert.deepEqual(voice.vantages(), []);
  voice.setVantage(word('v'));
  assert.equal(kinds(voice.signs()), 'vantage');
  voice.setSilent('v', true);
  const need = { vantage: 'v', since: 0, digests: [] };
  const said = [...voice.signs(), ...voice.refresh(NOW + 1e6), ...voice.answer(need, NOW)];
  assert.equal(said.length, 0);
  voice.setSilent('v', false);
  assert.equal(statementsIn(voice.answer(need, NOW)).length, 1);
});

test('a vantage point that comes back begins another life', () => {
  const voice = announcer('v');
  voice.outlive('v', 20);
  assert.equal(voice.signs()[0]?.incarnation, 21);
  voice.outlive('v', 5);
  assert.equal(voice.signs()[0]?.incarnation, 21, 'an earlier one does not matter');
  voice.dropVantage('v');
  voice.setVantage(word('v'));
  assert.equal(voice.signs()[0]?.incarnation, 22);
  voice.outlive('v', Number.MAX_SAFE_INTEGER);
  assert.equal(voice.signs()[0]?.incarnation, Number.MAX_SAFE_INTEGER);
});

test('withdraw() of many targets is remembered for the last ones', () => {
  const voice = announcer('v');
  for (let key = 0; key < 5000; key += 1) voice.put(statement('v', `k${key}`), NOW);
  for (let key = 0; key < 5000; key += 1) voice.withdraw('v', `k${key}`, NOW);
  voice.withdraw('v', 'never there', NOW);
  const rest = voice.all('v', NOW) as readonly StatementRecord[];
  assert.equal(rest.length, 1000);
  assert.ok(rest.every(({ withdrawn }) => withdrawn));
  assert.equal(voice.signs()[0]?.digest, 0);
});
