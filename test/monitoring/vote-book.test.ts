import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STALE_HOLD_MS } from '../../src/health/quorum.ts';
import type { AgentReport, VantageWord } from '../../src/health/statement.ts';
import { createVoteBook } from '../../src/monitoring/vote-book.ts';
import { statement } from './statements.ts';

const T = 1_000_000;
const LEASE_MS = 3000;

const word = (vantage: string, changes: Partial<VantageWord> = {}): VantageWord => ({
  vantage,
  group: vantage,
  node: 'n',
  heardAtMs: 0,
  trusted: true,
  reason: '',
  ...changes,
});

const report = (ready: boolean, heardAtMs: number, changes: Partial<AgentReport> = {}) => ({
  node: 'n',
  region: 'home',
  address: '127.0.0.1',
  port: 80,
  ready,
  reason: ready ? 'serving' : 'no server is usable',
  serversUsable: Number(ready),
  serversTotal: 1,
  requestsPerSecond: 0,
  active: 0,
  heardAtMs,
  leaseMs: LEASE_MS,
  ...changes,
});

test('createVoteBook() says what is news and what only confirms', () => {
  const book = createVoteBook();
  assert.equal(book.put(statement('eye', 'k', 'up', T), T), true);
  assert.equal(book.put(statement('eye', 'k', 'up', T + 1000), T + 1000), false);
  const changes = [
    { failing: true },
    { failing: true, secondsToChange: 3 },
    { failing: true, secondsToChange: 3, slow: true },
    { failing: true, secondsToChange: 3, slow: true, leaseMs: 9000 },
  ];
  for (const change of changes) {
    assert.equal(book.put(statement('eye', 'k', 'up', T + 1000, change), T + 1000), true);
    assert.equal(book.put(statement('eye', 'k', 'up', T + 1000, change), T + 1000), false);
  }
  assert.equal(book.votes('k').length, 1, 'one voice, however often it speaks');
  assert.equal(book.votes('other').length, 0);
});

test('createVoteBook() takes a voice that is back for news, though it says the same', () => {
  const book = createVoteBook();
  book.put(statement('eye', 'k', 'up', T), T);
  const late = T + LEASE_MS + 1;
  assert.equal(book.put(statement('eye', 'k', 'up', late), late), true, 'before any sweep');
  const later = late + LEASE_MS + 1;
  assert.deepEqual(book.sweep(later).keys, ['k']);
  assert.deepEqual(book.sweep(later).keys, [], 'said once');
  assert.equal(book.put(statement('eye', 'k', 'up', later), later), true, 'after one');
  const last = later + LEASE_MS + 1;
  book.sweep(last);
  book.hear(word('eye', { heardAtMs: last }));
  assert.equal(book.put(statement('eye', 'k', 'up', last), last), true, 'not counted since');
});

test('createVoteBook() lets a sign of life confirm all that a vantage point said', () => {
  const book = createVoteBook();
  book.put(statement('eye', 'k', 'up', T), T);
  book.hear(word('eye', { heardAtMs: T + 2000 }));
  assert.deepEqual(book.sweep(T + 5000).keys, []);
  assert.equal(book.votes('k')[0]!.atMs, T + 2000);
  assert.deepEqual(book.sweep(T + 5001).keys, ['k']);
  book.hear(word('eye', { heardAtMs: T + 5002 }));
  assert.deepEqual(book.sweep(T + 5003).keys, ['k'], 'and wakes it again');
});

test('createVoteBook() names the keys that trust and failure domains concern', () => {
  const book = createVoteBook();
  book.put(statement('eye', 'k', 'up', T), T);
  book.put(statement('eye', 'l', 'up', T), T);
  book.put(statement('other', 'm', 'up', T), T);
  assert.deepEqual(book.hear(word('eye')), ['k', 'l'], 'known for the first time');
  assert.deepEqual(book.hear(word('eye', { heardAtMs: T })), []);
  assert.deepEqual(book.hear(word('eye', { trusted: false })), ['k', 'l']);
  assert.equal(book.votes('k')[0]!.trusted, false);
  assert.deepEqual(book.hear(word('eye', { trusted: false, group: 'eu' })), ['k', 'l']);
  assert.equal(book.votes('k')[0]!.group, 'eu');
  assert.equal(book.votes('m')[0]!.group, 'other', 'its own domain until it says otherwise');
});

test('createVoteBook() forgets who is withdrawn, gone for long, or about what is looked at no more', () => {
  const book = createVoteBook();
  book.put(statement('eye', 'k', 'up', T), T);
  assert.equal(book.withdraw('eye', 'k'), true);
  assert.equal(book.withdraw('eye', 'k'), false);
  assert.equal(book.withdraw('eye', 'never'), false);
  book.put(statement('eye', 'k', 'up', T), T);
  book.sweep(T + STALE_HOLD_MS);
  assert.equal(book.votes('k').length, 1);
  book.sweep(T + STALE_HOLD_MS + 1);
  assert.equal(book.votes('k').length, 0);
  book.put(statement('eye', 'k', 'up', T), T);
  book.put(statement('eye', 'l', 'up', T), T);
  book.keepOnly(new Set(['l']));
  assert.deepEqual([book.votes('k').length, book.votes('l').length], [0, 1]);
});

test('createVoteBook() believes a balancer until its lease ends, and another of the region that serves', () => {
  const book = createVoteBook();
  const down = (nowMs: number): string | undefined =>
    book.agentDown('home', ['127.0.0.1:80'], nowMs);
  assert.equal(book.report(report(false, T), T), true);
  assert.equal(book.report(report(false, T + 1), T + 1), false);
  assert.equal(book.report(report(false, T + 1, { reason: 'leaving' }), T + 1), true);
  assert.equal(down(T + 1 + LEASE_MS), 'leaving');
  assert.equal(down(T + 2 + LEASE_MS), undefined, 'silence is not a word');
  assert.equal(book.agentDown('abroad', ['127.0.0.1:80'], T + 1), undefined);
  assert.equal(book.agentDown('home', ['127.0.0.1:81'], T + 1), undefined);
  book.report(report(true, T + 1, { node: 'second' }), T + 1);
  assert.equal(down(T + 1), undefined, 'somebody serves');
});

test('createVoteBook() tells once of regions whose balancers fell silent', () => {
  const book = createVoteBook();
  book.report(report(false, T), T);
  assert.deepEqual(book.sweep(T + LEASE_MS).regions, []);
  assert.deepEqual(book.sweep(T + LEASE_MS + 1).regions, ['home']);
  assert.deepEqual(book.sweep(T + LEASE_MS + 2).regions, []);
  assert.equal(book.report(report(false, T + 5000), T + 5000), true, 'back is news');
  book.sweep(T + 5000 + STALE_HOLD_MS + 1);
  assert.equal(book.reports().length, 0);
});
