import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decodeFrame,
  encodeFrames,
  FRAME_BYTES_MAX,
  type StatementRecord,
  statementBucket,
  statementHash,
  type WireRecord,
} from '../../src/cluster/wire.ts';
import {
  KEY_BYTES_MAX,
  REASON_BYTES_MAX,
  STATEMENT_BUCKETS,
  TEXT_BYTES_MAX,
} from '../../src/cluster/wire-codecs.ts';

const said: StatementRecord = {
  kind: 'statement',
  vantage: 'v',
  incarnation: 1,
  seq: 1,
  key: 'k',
  withdrawn: false,
  verdict: 'up',
  slow: false,
  failing: false,
  leaseMs: 1500,
  secondsToChange: 3.25,
  sinceAgeMs: 10,
  reason: 'ok',
  last: { ageMs: 1, ok: true, rttMs: 0.25, reason: 'ok', warning: 'expires in 3 days' },
};
const read = (records: readonly WireRecord[]): readonly WireRecord[] =>
  encodeFrames(records).flatMap((frame) => decodeFrame(frame) ?? assert.fail('not a frame'));

test('encodeFrames() cuts what people read, between two characters', () => {
  const long = '€'.repeat(100);
  const [heard] = read([{ ...said, reason: long }]) as readonly StatementRecord[];
  assert.equal(heard?.reason, '€'.repeat(Math.floor(REASON_BYTES_MAX / 3)));
});

test('encodeFrames() leaves out what means nothing when it is cut', () => {
  const records: readonly WireRecord[] = [
    { ...said, key: 'k'.repeat(KEY_BYTES_MAX + 1) },
    { kind: 'node', text: 'x'.repeat(TEXT_BYTES_MAX + 1) },
    { kind: 'fact', key: 'x'.repeat(TEXT_BYTES_MAX), text: 'x'.repeat(TEXT_BYTES_MAX) },
    said,
  ];
  assert.deepEqual(read(records), [said]);
});

test('encodeFrames() fits every record of greatest size, and tells bad numbers as nothing', () => {
  const [name, key] = ['n'.repeat(255), 'k'.repeat(KEY_BYTES_MAX)];
  const reason = '€'.repeat(200);
  const last = { ...said.last, rttMs: Number.POSITIVE_INFINITY, reason: 'é'.repeat(300) };
  const most = { ...said, vantage: name, key, reason, last, incarnation: Number.MAX_SAFE_INTEGER };
  const node: WireRecord = { kind: 'node', text: 'x'.repeat(TEXT_BYTES_MAX) };
  const frames = encodeFrames([most, node]);
  assert.equal(frames.length, 2);
  for (const frame of frames) assert.ok(frame.length <= FRAME_BYTES_MAX);
  const [odd] = read([{ ...said, leaseMs: Number.NaN, sinceAgeMs: -5 }]);
  assert.deepEqual(odd, { ...said, leaseMs: 0, sinceAgeMs: 0 });
});

test('decodeFrame() passes over kinds and records that it does not understand', () => {
  const [frame] = encodeFrames([said]);
  const future = Buffer.from([200, 3, 1, 2, 3]);
  const malformed = Buffer.from([2, 2, 9, 9]);
  // A newer version has added a part to the end of a record it shares with us.
  const longer = Buffer.from([11, 3, 5, 77, 77]);
  const whole = Buffer.concat([future, malformed, frame!, longer]);
  assert.deepEqual(decodeFrame(whole), [said, { kind: 'ping', token: 5 }]);
  assert.equal(decodeFrame(whole.subarray(0, whole.length - 1)), undefined, 'cut off');
  assert.deepEqual(decodeFrame(Buffer.alloc(0)), []);
});

test('decodeFrame() reads statements of nodes that have no warnings yet', () => {
  const plain = { ...said, last: { ...said.last, warning: '' } };
  const [frame] = encodeFrames([plain]);
  const before = Buffer.from(frame!.subarray(0, -1));
  assert.ok(before[1]! < 0x80, 'one byte of length');
  before[1]! -= 1;
  assert.deepEqual(decodeFrame(before), [plain]);
});

test('statementHash() and statementBucket() spread what is alike', () => {
  const hashes = new Set<number>();
  const buckets = new Map<number, number>();
  for (let port = 0; port < 6400; port += 1) {
    const key = `endpoint web 192.0.2.1:${port}`;
    hashes.add(statementHash(key, 1)).add(statementHash(key, 2));
    const bucket = statementBucket(key);
    assert.ok(bucket >= 0 && bucket < STATEMENT_BUCKETS);
    buckets.set(bucket, (buckets.get(bucket) ?? 0) + 1);
  }
  assert.ok(hashes.size > 12_790, `${hashes.size} of 12800`);
  assert.equal(buckets.size, STATEMENT_BUCKETS);
  assert.ok([...buckets.values()].every((count) => count > 50 && count < 170));
  assert.notEqual(statementHash('k', 1), statementHash('k', 1 + 2 ** 32));
});
