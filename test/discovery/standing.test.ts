import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Answer } from '../../src/discovery/look-up.ts';
import type { FoundServer } from '../../src/discovery/server-set.ts';
import {
  JITTER,
  NOTHING_FOUND,
  RETRY_PAUSE_MAX_MS,
  type Standing,
  takeAnswer,
} from '../../src/discovery/standing.ts';

const BOUNDS = { minTtlMs: 5000, maxTtlMs: 300_000 };
const server = (last: number, more: Partial<FoundServer> = {}): FoundServer => ({
  ...{ address: `192.0.2.${last}`, port: 80 },
  ...{ weight: 1, priority: 0 },
  ...more,
});
const found = (ttlSeconds: number, ...servers: FoundServer[]): Answer => ({
  ...{ kind: 'found', ttlSeconds },
  servers,
});
const take = (before: Standing, answer: Answer, draw = 0) =>
  takeAnswer(before, answer, BOUNDS, draw);

test('an answer is good for its TTL within the bounds, and a little longer by chance', () => {
  const wait = (ttlSeconds: number, draw: number) =>
    take(NOTHING_FOUND, found(ttlSeconds, server(1)), draw).waitMs;
  assert.equal(wait(60, 0), 60_000);
  assert.equal(wait(0, 0), BOUNDS.minTtlMs);
  assert.equal(wait(86_400, 0), BOUNDS.maxTtlMs);
  assert.equal(Math.round(wait(60, 0.5)), 60_000 * (1 + JITTER / 2));
});

test('an empty answer and none at all leave the last good set, and are said once', () => {
  const good = take(NOTHING_FOUND, found(60, server(1), server(2)));
  assert.equal(good.isChanged, true);
  assert.match(good.news[0]?.message ?? '', /2 servers now; new: 192\.0\.2\.1:80, 192\.0\.2\.2:80/);
  const empty: Answer = { kind: 'none', reason: 'there is no such name', ttlSeconds: 20 };
  const lost = take(good.standing, empty);
  assert.deepEqual(lost.standing.servers, good.standing.servers);
  assert.equal(lost.isChanged, false);
  assert.equal(lost.waitMs, 20_000, 'the name is not there for as long as its zone says');
  assert.deepEqual(
    lost.news.map(({ kind }) => kind),
    ['discovery.empty'],
  );
  assert.match(lost.news[0]?.message ?? '', /the 2 known before are used on/);
  assert.deepEqual(take(lost.standing, empty).news, []);
  const away = take(lost.standing, { kind: 'failed', reason: 'it does not answer' });
  assert.deepEqual(
    away.news.map(({ kind }) => kind),
    ['discovery.failed'],
  );
  const back = take(away.standing, found(60, server(2), server(1)));
  assert.deepEqual(
    back.news.map(({ kind }) => kind),
    ['discovery.recovered', 'discovery.changed'],
    'not sorted here: arrange() does that',
  );
});

test('after failures the pauses grow up to a bound, and one good answer ends that', () => {
  const failed: Answer = { kind: 'failed', reason: 'it does not answer' };
  let { standing } = take(NOTHING_FOUND, found(60, server(1)));
  const waits: number[] = [];
  for (let times = 0; times < 5; times += 1) {
    const step = take(standing, failed);
    waits.push(step.waitMs);
    standing = step.standing;
  }
  assert.deepEqual(waits, [5000, 10_000, 20_000, RETRY_PAUSE_MAX_MS, RETRY_PAUSE_MAX_MS]);
  const good = take(standing, found(60, server(1)));
  assert.equal(good.standing.failures, 0);
  assert.equal(good.isChanged, false, 'the same servers are no other set');
});

test('other weights alone are a change', () => {
  const { standing } = take(NOTHING_FOUND, found(60, server(1, { weight: 10 })));
  const step = take(standing, found(60, server(1, { weight: 20 })));
  assert.equal(step.isChanged, true);
  assert.match(step.news[0]?.message ?? '', /other weights or priorities/);
});
