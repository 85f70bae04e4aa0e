import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeMessage } from '../../src/dns/decode.ts';
import { parseName } from '../../src/dns/name.ts';
import { readNotifyReply, writeNotify } from '../../src/dns/notify.ts';
import { parseRdata } from '../../src/dns/rdata/registry.ts';
import { isNewerSerial } from '../../src/dns/serial.ts';
import { findTsig, signTsig, type TsigKey } from '../../src/dns/tsig.ts';

const NOW = 1_780_000_000;
const apex = parseName('gslb.example.')!;
const parsed = parseRdata('SOA', 'ns1.gslb.example. host.gslb.example. 9 3600 600 86400 60');
assert.ok(parsed.ok);
const soa = { rdata: parsed.rdata, ttlSeconds: 300 };
const key: TsigKey = {
  name: parseName('key.')!,
  algorithm: 'hmac-sha384',
  secret: new Uint8Array(48).fill(3),
};

test('writeNotify() asks for the SOA and tells it (RFC 1996 3.7)', () => {
  const decoded = decodeMessage(writeNotify(4711, apex, soa));
  assert.ok(decoded.ok);
  const { message } = decoded;
  assert.deepEqual(
    [message.id, message.opcode, message.response, message.authoritative, message.rcode],
    [4711, 4, false, true, 0],
  );
  assert.deepEqual(message.question, [{ name: 'gslb.example.', type: 6, class: 1 }]);
  assert.deepEqual(
    message.answer.map(({ name, text, ttlSeconds }) => [name, ttlSeconds, text]),
    [['gslb.example.', 300, 'ns1.gslb.example. host.gslb.example. 9 3600 600 86400 60']],
  );
});

/** The reply of a secondary: the message with QR and an RCODE. */
function reply(message: Uint8Array, rcode = 0): Uint8Array {
  const bytes = message.slice();
  bytes[2] = bytes[2]! | 0x80;
  bytes[3] = rcode;
  return bytes;
}

test('readNotifyReply() knows the reply by its id, and what it says', () => {
  const message = writeNotify(4711, apex, soa);
  assert.equal(readNotifyReply(reply(message), 4711, undefined, NOW), 0);
  assert.equal(readNotifyReply(reply(message, 5), 4711, undefined, NOW), 5);
  assert.equal(readNotifyReply(reply(message), 4712, undefined, NOW), undefined);
  assert.equal(readNotifyReply(message, 4711, undefined, NOW), undefined);
  assert.equal(readNotifyReply(reply(message).subarray(0, 11), 4711, undefined, NOW), undefined);
  const query = reply(message);
  query[2] = 0x80;
  assert.equal(readNotifyReply(query, 4711, undefined, NOW), undefined);
});

test('what was signed has to be answered with a signature, but for refusals', () => {
  const message = writeNotify(4711, apex, soa);
  const signed = signTsig(message, key, NOW);
  const signature = { key, mac: signed.mac };
  const chain = { mac: signed.mac, between: [], isLater: false };
  const answer = (rcode: number, with_ = key): Uint8Array =>
    signTsig(reply(message, rcode), with_, NOW, chain).message;
  assert.equal(findTsig(signed.message), message.length);
  assert.equal(readNotifyReply(answer(0), 4711, signature, NOW), 0);
  assert.equal(readNotifyReply(reply(message), 4711, signature, NOW), undefined);
  const other = { ...key, secret: new Uint8Array(48).fill(4) };
  assert.equal(readNotifyReply(answer(0, other), 4711, signature, NOW), undefined);
  assert.equal(readNotifyReply(reply(message, 9), 4711, signature, NOW), 9);
});

test('serials wrap (RFC 1982 3.2)', () => {
  const rows: readonly (readonly [number, number, boolean])[] = [
    [2, 1, true],
    [1, 2, false],
    [7, 7, false],
    [0, 0xffffffff, true],
    [0xffffffff, 0, false],
    [0x7fffffff, 0, true],
    [0x80000000, 0, false],
    [0, 0x80000000, false],
    [0x80000001, 0x80000000, true],
    [5, 0xfffffff0, true],
  ];
  for (const [serial, than, expected] of rows) {
    assert.equal(isNewerSerial(serial, than), expected, `${serial} than ${than}`);
  }
});
