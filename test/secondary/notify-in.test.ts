import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeMessage } from '../../src/dns/decode.ts';
import { equalNames, parseName } from '../../src/dns/name.ts';
import { readNotifyReply, writeNotify } from '../../src/dns/notify.ts';
import { findTsig, signTsig, type TsigKey } from '../../src/dns/tsig.ts';
import { parseAddress } from '../../src/ip/address.ts';
import { hostOf } from '../../src/nameserver/zone-standing.ts';
import { answerNotify, type CopiedZone } from '../../src/secondary/notify-in.ts';
import { buildQuery, opt } from '../dns/query-builder.ts';
import { APEX, KEY, NOW, soa } from './primary-stream.ts';

const OTHER: TsigKey = { ...KEY, name: parseName('other.')! };
const zones: readonly CopiedZone[] = [
  {
    zone: 'example',
    apex: APEX,
    servers: [
      { address: hostOf('192.0.2.1')!, key: undefined },
      { address: hostOf('2001:db8::1')!, key: KEY.name },
    ],
  },
];
const find = (name: Uint8Array) => zones.find(({ apex }) => equalNames(apex, name));
const answer = (bytes: Uint8Array, from: string) =>
  answerNotify(bytes, parseAddress(from)!, find, [KEY, OTHER], 1232, NOW);
const NOTIFY = writeNotify(7, APEX, soa(9));

test('who may say that a zone has changed', () => {
  const rows: readonly (readonly [string, string, TsigKey | undefined, number, boolean])[] = [
    ['a primary', '192.0.2.1', undefined, 0, true],
    ['a primary over IPv6, without its key', '2001:db8::1', undefined, 0, true],
    ['a stranger', '192.0.2.2', undefined, 5, false],
    ['a stranger with the key of a primary', '198.51.100.1', KEY, 0, true],
    ['a stranger with another key', '198.51.100.1', OTHER, 5, false],
    ['a primary with another key', '192.0.2.1', OTHER, 0, true],
  ];
  for (const [what, from, key, rcode, isTaken] of rows) {
    const signed = key && signTsig(NOTIFY, key, NOW);
    const said = answer(signed?.message ?? NOTIFY, from);
    const signature = key && signed && { key, mac: signed.mac };
    assert.equal(readNotifyReply(said!.reply, 7, signature, NOW), rcode, what);
    assert.equal(said!.zone, isTaken ? 'example' : undefined, what);
    assert.equal(findTsig(said!.reply) !== undefined, key !== undefined, what);
  }
});

test('a wrong signature is refused, wherever it comes from', () => {
  const forged = { ...KEY, secret: new Uint8Array(32) };
  const said = answer(signTsig(NOTIFY, forged, NOW).message, '192.0.2.1');
  assert.equal(said!.zone, undefined);
  assert.equal(said!.reply[3]! & 15, 9);
});

test('what is refused says why, where the sender knows EDNS', () => {
  const notify = (name: string): Uint8Array =>
    buildQuery({ question: [...parseName(name)!, 0, 6, 0, 1], flags: 0x2400, records: [opt([])] });
  const forged = { ...KEY, secret: new Uint8Array(32) };
  const rows: readonly (readonly [Uint8Array, string, number, number | undefined])[] = [
    [notify('example.'), '192.0.2.1', 0, undefined],
    [notify('example.'), '192.0.2.2', 5, 18],
    [notify('elsewhere.'), '192.0.2.1', 9, 20],
    [signTsig(notify('example.'), forged, NOW).message, '192.0.2.1', 9, undefined],
  ];
  for (const [bytes, from, rcode, code] of rows) {
    const decoded = decodeMessage(answer(bytes, from)!.reply);
    assert.ok(decoded.ok);
    const { edns, rcode: said } = decoded.message;
    assert.deepEqual([said, edns?.extendedErrors[0]?.code], [rcode, code]);
  }
});

test('other zones and other questions are not for us', () => {
  const elsewhere = answer(writeNotify(7, parseName('elsewhere.')!, soa(9)), '192.0.2.1');
  assert.deepEqual([elsewhere!.reply[3]! & 15, elsewhere!.zone], [9, undefined]);
  const forA = NOTIFY.slice();
  forA[12 + APEX.length + 1] = 1;
  assert.deepEqual(answer(forA, '192.0.2.1')!.reply[3]! & 15, 1);
  assert.equal(answer(buildQuery({ question: [...APEX, 0, 6, 0, 1] }), '192.0.2.1'), undefined);
  for (let end = 0; end < NOTIFY.length; end += 1) {
    assert.doesNotThrow(() => answer(NOTIFY.subarray(0, end), '192.0.2.1'));
  }
});

test('the reply is the question, with AA', () => {
  const decoded = decodeMessage(answer(NOTIFY, '192.0.2.1')!.reply);
  assert.ok(decoded.ok);
  const { message } = decoded;
  assert.deepEqual(
    [message.id, message.opcode, message.response, message.authoritative, message.answer.length],
    [7, 4, true, true, 0],
  );
  assert.deepEqual(message.question, [{ name: 'example.', type: 6, class: 1 }]);
});
