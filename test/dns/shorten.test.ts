import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TYPE_TSIG } from '../../src/dns/constants.ts';
import { decodeMessage } from '../../src/dns/decode.ts';
import { shorten } from '../../src/dns/shorten.ts';
import { buildQuery, ecs, opt, record } from './query-builder.ts';

const OWNER = [0xc0, 12];
const RECORDS = Array.from({ length: 150 }, (_, host) => record(OWNER, 1, [192, 0, 2, host]));
const OPT = opt(ecs(1, 24, 17, [198, 51, 100]));

/** A response in a larger room. */
function response(counts: readonly number[], ...more: readonly (readonly number[])[]) {
  const [answer = 0, authority = 0, additional = 0] = counts;
  const records = [...RECORDS, ...more];
  const message = buildQuery({
    flags: 0x8580,
    counts: [1, answer, authority, additional],
    records,
  });
  const room = new Uint8Array(4096).fill(0xaa);
  room.set(message);
  return { room, length: message.length };
}

test('what is too long keeps its question and OPT, and says that there is more', () => {
  const { length, room } = response([100, 49, 2], OPT);
  const shorter = shorten(room, length);
  const decoded = decodeMessage(room.subarray(0, shorter));
  assert.ok(decoded.ok);
  const { message } = decoded;
  assert.deepEqual([message.truncated, message.authoritative], [true, true]);
  assert.deepEqual([message.answer, message.authority, message.additional], [[], [], []]);
  assert.equal(message.question[0]?.name, 'www.Example.com.');
  assert.deepEqual(room.subarray(shorter - OPT.length, shorter), Uint8Array.from(OPT));
});

test('OPT need not be the last one, and need not be there', () => {
  for (const more of [[OPT, record(OWNER, 1, [192, 0, 2, 255])], []]) {
    const { length, room } = response([150, 0, more.length], ...more);
    const decoded = decodeMessage(room.subarray(0, shorten(room, length)));
    assert.ok(decoded.ok);
    assert.equal(decoded.message.edns !== undefined, more.length > 0);
    assert.deepEqual(decoded.message.additional, []);
  }
});

test('what is signed as a whole has no shorter form, nor has what is broken', () => {
  const signed = response([150, 0, 2], OPT, record([0], TYPE_TSIG, new Array<number>(20).fill(0)));
  assert.equal(shorten(signed.room, signed.length), 0);
  const whole = response([150, 0, 1], OPT);
  for (const length of [0, 11, 12, 20, 100, whole.length - 1]) {
    assert.equal(shorten(whole.room.slice(), length), 0, `${length} octets`);
  }
  const many = response([150, 0, 3], OPT);
  assert.equal(shorten(many.room, many.length), 0, 'more records than there are');
});
