import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Client,
  createTruth,
  judgeReply,
  RESOLVER,
  type Reply,
  serverName,
  type Verdict,
} from './judge.ts';
import type { Region } from './wide-area.ts';

const CLIENT: Client = { name: 'c', network: 'virginia', near: 'virginia', isGuest: false };
const BOUNDS = { leaveMs: 1000, returnMs: 2000, resolverMs: 3000 };
const regionAt = (address: string): Region | undefined =>
  address === '' ? undefined : (address as Region);

function judged(reply: Partial<Reply>, truth = createTruth()): Verdict {
  const plain = { client: 'c', server: serverName('virginia'), tookMs: 10, rcode: 'NOERROR' };
  const whole: Reply = { ...plain, atMs: 10_000, address: 'virginia', ttlSeconds: 1, ...reply };
  return judgeReply(whole, CLIENT, truth, regionAt, BOUNDS);
}

test('judgeReply() finds an answer that is empty or refused, and a question that is lost', () => {
  assert.equal(judged({}), 'right');
  assert.equal(judged({ address: '' }), 'empty');
  assert.equal(judged({ rcode: 'SERVFAIL' }), 'empty');
  assert.equal(judged({ rcode: 'lost', address: '' }), 'lost');
  const truth = createTruth();
  truth.set(9000, 'virginia', serverName('virginia'), 'gone');
  assert.equal(judged({ rcode: 'lost', address: '' }, truth), 'unreachable');
});

test('judgeReply() finds a dead region in an answer once the bound is over, not before', () => {
  const truth = createTruth();
  truth.set(9500, 'virginia', 'virginia', 'gone');
  assert.equal(judged({ atMs: 10_400 }, truth), 'right');
  assert.equal(judged({ atMs: 10_600 }, truth), 'dead');
  assert.equal(judged({ atMs: 10_600, server: RESOLVER }, truth), 'right');
  assert.equal(judged({ atMs: 13_600, server: RESOLVER }, truth), 'dead');
  assert.equal(judged({ atMs: 10_600, address: 'frankfurt' }, truth), 'right');
  assert.equal(judged({ atMs: 10_600, address: 'singapore' }, truth), 'withdrawn');
});

test('judgeReply() finds a region that was withdrawn though it is there', () => {
  const truth = createTruth();
  assert.equal(judged({ address: 'frankfurt' }), 'withdrawn');
  truth.set(9000, 'virginia', 'virginia', 'gone');
  truth.set(20_000, 'virginia', 'virginia', 'there');
  assert.equal(judged({ atMs: 21_000, address: 'frankfurt' }, truth), 'right');
  assert.equal(judged({ atMs: 22_100, address: 'frankfurt' }, truth), 'withdrawn');
  truth.set(23_000, 'frankfurt', 'virginia', 'gone');
  const asked = { atMs: 25_000, address: 'frankfurt' };
  assert.equal(judged(asked, truth), 'withdrawn');
  assert.equal(judged({ ...asked, server: serverName('frankfurt') }, truth), 'right');
  truth.set(30_000, 'virginia', 'virginia', 'unsure');
  assert.equal(judged({ atMs: 40_000, address: 'frankfurt' }, truth), 'right');
  assert.equal(judged({ atMs: 40_000 }, truth), 'right');
});
