import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { createQuery, PARSE_OK, parseQuery } from '../../src/dns/message.ts';
import { parseName } from '../../src/dns/name.ts';
import {
  readTsig,
  refuseTsig,
  signTsig,
  TSIG_ALGORITHMS,
  TSIG_BADKEY,
  TSIG_BADSIG,
  TSIG_BADTIME,
  TSIG_FUDGE_SECONDS,
  type TsigKey,
  verifyTsig,
} from '../../src/dns/tsig.ts';
import { buildQuery } from './query-builder.ts';

const NOW = 1_780_000_000;
const key = (
  name = 'key.',
  algorithm: TsigKey['algorithm'] = 'hmac-sha256',
  fill = 7,
): TsigKey => ({
  name: parseName(name)!,
  algorithm,
  secret: new Uint8Array(32).fill(fill),
});

/** Where TSIG begins, as the parser of queries finds it. */
function offsetOf(message: Uint8Array): number {
  const query = createQuery();
  assert.equal(parseQuery(query, message, message.length), PARSE_OK);
  assert.ok(query.hasTsig);
  return query.tsigOffset;
}

const verify = (
  message: Uint8Array,
  keys = [key()],
  now = NOW,
  chain?: Parameters<typeof verifyTsig>[4],
) => verifyTsig(message, offsetOf(message), keys, now, chain);

test('a message that was signed is verified, with every algorithm', () => {
  for (const algorithm of TSIG_ALGORITHMS) {
    const secret = key('Some.Key.', algorithm);
    const { mac, message } = signTsig(buildQuery(), secret, NOW);
    const verdict = verify(message, [key('other.'), key('some.key.', algorithm)]);
    assert.ok(verdict.ok);
    assert.deepEqual(verdict.tsig.mac, new Uint8Array(mac));
  }
});

test('a signature is refused for its key, its octets, its time and its length', () => {
  const { message } = signTsig(buildQuery(), key(), NOW);
  const errorOf = (verdict: ReturnType<typeof verify>) => (verdict.ok ? undefined : verdict.error);
  assert.equal(errorOf(verify(message, [])), TSIG_BADKEY);
  assert.equal(errorOf(verify(message, [key('key.', 'hmac-sha512')])), TSIG_BADKEY);
  assert.equal(errorOf(verify(message, [key('key.', 'hmac-sha256', 8)])), TSIG_BADSIG);
  assert.equal(errorOf(verify(message, [key()], NOW + TSIG_FUDGE_SECONDS)), undefined);
  assert.equal(errorOf(verify(message, [key()], NOW + TSIG_FUDGE_SECONDS + 1)), TSIG_BADTIME);
  assert.equal(errorOf(verify(message, [key()], NOW - TSIG_FUDGE_SECONDS - 1)), TSIG_BADTIME);
  for (const at of [2, 13, 20]) {
    const changed = message.slice();
    changed[at]! ^= 1;
    assert.equal(errorOf(verifyTsig(changed, offsetOf(message), [key()], NOW)), TSIG_BADSIG);
  }
  const tsig = readTsig(message, offsetOf(message))!;
  const withMac = (mac: Uint8Array) => {
    const at = Buffer.from(message).indexOf(tsig.mac);
    const cut = Buffer.concat([message.subarray(0, at), mac, message.subarray(at + 32)]);
    cut.writeUInt16BE(mac.length, at - 2);
    const length = tsig.offset + 5 + 8;
    cut.writeUInt16BE(cut.readUInt16BE(length) + mac.length - 32, length);
    return new Uint8Array(cut);
  };
  assert.ok(verify(withMac(tsig.mac.subarray(0, 16))).ok, 'half of it is enough');
  for (const mac of [tsig.mac.subarray(0, 15), new Uint8Array(), new Uint8Array(33)]) {
    const verdict = verify(withMac(mac));
    assert.ok(!verdict.ok);
    assert.deepEqual([verdict.error, verdict.tsig], [0, undefined], 'malformed (5.2.2.1)');
  }
});

test('a fudge may be small, and is never more than ours: what was heard is not good for hours', () => {
  const { message } = signTsig(buildQuery(), key(), NOW);
  const { mac, offset } = readTsig(message, offsetOf(message))!;
  const withFudge = (seconds: number): Uint8Array => {
    const bytes = Buffer.from(message);
    const at = bytes.indexOf(mac);
    bytes.writeUInt16BE(seconds, at - 4);
    const times = bytes.subarray(at - 10, at - 2);
    const unsigned = Buffer.from(bytes.subarray(0, offset));
    unsigned.writeUInt16BE(unsigned.readUInt16BE(10) - 1, 10);
    const fields = [key().name, Uint8Array.of(0, 255, 0, 0, 0, 0), parseName('hmac-sha256.')!];
    const signed = Buffer.concat([unsigned, ...fields, times, new Uint8Array(4)]);
    bytes.set(createHmac('sha256', key().secret).update(signed).digest(), at);
    return new Uint8Array(bytes);
  };
  const rows = [
    [65_535, TSIG_FUDGE_SECONDS, undefined],
    [65_535, TSIG_FUDGE_SECONDS + 1, TSIG_BADTIME],
    [5, 5, undefined],
    [5, 6, TSIG_BADTIME],
  ] as const;
  for (const [fudge, late, error] of rows) {
    const verdict = verify(withFudge(fudge), [key()], NOW + late);
    assert.equal(verdict.ok ? undefined : verdict.error, error, `${fudge} ${late}`);
  }
});

test('a response is signed on its request, and messages after it on the one before', () => {
  const request = signTsig(buildQuery(), key(), NOW);
  const first = { mac: request.mac, between: [], isLater: false };
  const one = signTsig(buildQuery({ id: 9 }), key(), NOW, first);
  assert.ok(verify(one.message, [key()], NOW, first).ok);
  assert.ok(!verify(one.message).ok);
  const unsigned = buildQuery({ id: 10 });
  const later = { mac: one.mac, between: [unsigned], isLater: true };
  const two = signTsig(buildQuery({ id: 11 }), key(), NOW, later);
  assert.ok(verify(two.message, [key()], NOW, later).ok);
  assert.ok(!verify(two.message, [key()], NOW, { ...later, between: [] }).ok);
});

test('a refusal is unsigned, but a wrong time is told under the key with the time here', () => {
  const { mac, message } = signTsig(buildQuery(), key(), NOW);
  const stranger = verify(message, []);
  assert.ok(!stranger.ok);
  const refusal = refuseTsig(buildQuery(), stranger, NOW);
  const said = readTsig(refusal, offsetOf(refusal))!;
  assert.deepEqual([said.error, said.mac.length], [TSIG_BADKEY, 0]);
  const late = verify(message, [key()], NOW + 4000);
  assert.ok(!late.ok);
  const told = refuseTsig(buildQuery(), late, NOW + 4000);
  const time = readTsig(told, offsetOf(told))!;
  assert.deepEqual([time.error, time.signedSeconds], [TSIG_BADTIME, NOW]);
  assert.equal(Buffer.from(time.other).readUIntBE(0, 6), NOW + 4000);
  const chain = { mac, between: [], isLater: false };
  assert.ok(verify(told, [key()], NOW, chain).ok);
});

test('a broken record is malformed, whatever is broken', () => {
  const { message } = signTsig(buildQuery(), key(), NOW);
  const offset = offsetOf(message);
  for (let length = offset; length < message.length; length += 1) {
    assert.equal(readTsig(message.subarray(0, length), offset), undefined, `${length} octets`);
  }
});
