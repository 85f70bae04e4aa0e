import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TYPE_AXFR, TYPE_IXFR } from '../../src/dns/constants.ts';
import { decodeMessage } from '../../src/dns/decode.ts';
import {
  createReplySignatures,
  UNSIGNED_MESSAGES_MAX,
  unsignedReply,
} from '../../src/secondary/reply-signature.ts';
import {
  createTransferReader,
  TRANSFER_IN_LIMITS,
  type TransferLimits,
  type TransferStep,
} from '../../src/secondary/transfer-in.ts';
import { writeTransferQuery } from '../../src/secondary/transfer-query.ts';
import { type ContentRecord, serialOf } from '../../src/zone/zone-content.ts';
import {
  APEX,
  a,
  KEY,
  message,
  NOW,
  NS,
  REQUEST_MAC,
  record,
  signStream,
  soa,
} from './primary-stream.ts';

const AXFR = { id: 77, apex: APEX, type: TYPE_AXFR };
const IXFR = { id: 77, apex: APEX, type: TYPE_IXFR, serial: 7 };
type Question = typeof AXFR & { readonly serial?: number };

/** The last step of a reader that is given these messages until it has had enough. */
function readAll(
  asked: Question,
  messages: readonly Uint8Array[],
  signatures = unsignedReply,
  limits: TransferLimits = TRANSFER_IN_LIMITS,
): TransferStep {
  const reader = createTransferReader(asked, signatures, limits);
  let step: TransferStep = { state: 'more' };
  for (const each of messages) {
    step = reader.take(each, NOW);
    if (step.state !== 'more') return step;
  }
  return step;
}
const inOne = (asked: Question, ...records: ContentRecord[]): TransferStep =>
  readAll(asked, [message(asked, records)]);
/** One record a message. */
const apart = (asked: Question, ...records: ContentRecord[]): readonly Uint8Array[] =>
  records.map((each, index) => message(asked, [each], { questions: index === 0 ? 1 : 0 }));
const reasonOf = (step: TransferStep): string =>
  step.state === 'refused' ? step.reason : step.state;

function described(step: TransferStep): unknown {
  if (step.state !== 'done') return reasonOf(step);
  const { transfer } = step;
  const names = (records: readonly ContentRecord[]): string =>
    records.map(({ rdata }) => rdata.at(-1)).join(' ');
  if (transfer.kind === 'whole') return [serialOf(transfer.soa), transfer.records.length];
  if (transfer.kind === 'current') return 'current';
  return transfer.changes.map(
    ({ added, removed, soa: after }) => `-${names(removed)} +${names(added)} =${serialOf(after)}`,
  );
}

test('writeTransferQuery() asks for the zone, or for what has changed since a serial', () => {
  const axfr = decodeMessage(writeTransferQuery(5, APEX, TYPE_AXFR));
  assert.ok(axfr.ok);
  assert.deepEqual(axfr.message.question, [{ name: 'example.', type: 252, class: 1 }]);
  const ixfr = decodeMessage(writeTransferQuery(5, APEX, TYPE_IXFR, { soa: soa(7) }));
  assert.ok(ixfr.ok);
  assert.match(ixfr.message.authority[0]!.text, / 7 3600 /);
  assert.equal(ixfr.message.opcode, 0);
  assert.equal(ixfr.message.recursionDesired, false);
});

test('AXFR: the SOA, records, the SOA, in one message or many', () => {
  const zone = [soa(9), NS, a('www', 1), a('www', 2), soa(9)];
  assert.deepEqual(described(inOne(AXFR, ...zone)), [9, 3]);
  assert.deepEqual(described(readAll(AXFR, apart(AXFR, ...zone))), [9, 3]);
  assert.deepEqual(described(readAll(AXFR, apart(AXFR, ...zone).slice(0, -1))), 'more');
});

test('IXFR: changes, from each serial to the next or condensed', () => {
  const steps = [soa(9), soa(7), a('x', 1), soa(8), a('x', 2), soa(8), a('x', 2), soa(9), soa(9)];
  assert.deepEqual(described(inOne(IXFR, ...steps)), ['-1 +2 =8', '-2 + =9']);
  assert.deepEqual(described(readAll(IXFR, apart(IXFR, ...steps))), ['-1 +2 =8', '-2 + =9']);
  const condensed = [soa(9), soa(7), a('x', 1), a('x', 4), soa(9), a('x', 3), soa(9)];
  assert.deepEqual(described(inOne(IXFR, ...condensed)), ['-1 4 +3 =9']);
});

test('IXFR: the SOA alone when there is nothing newer, all of the zone when changes are not known', () => {
  assert.equal(described(inOne(IXFR, soa(7))), 'current');
  assert.equal(described(inOne(IXFR, soa(6))), 'current');
  const zone = [soa(9), NS, a('www', 1), soa(9)];
  assert.deepEqual(described(inOne(IXFR, ...zone)), [9, 2]);
  assert.deepEqual(described(readAll(IXFR, apart(IXFR, ...zone))), [9, 2]);
  assert.deepEqual(described(inOne(IXFR, soa(9), soa(9))), [9, 0]);
});

test('what does not fit together is refused', () => {
  const rows: readonly (readonly [Question, readonly ContentRecord[], RegExp])[] = [
    [AXFR, [NS, soa(9)], /does not begin with the SOA/],
    [AXFR, [soa(9), NS, soa(10)], /changed while it was copied/],
    [AXFR, [soa(9), NS, soa(9), NS], /behind the end/],
    [AXFR, [soa(9), record('sub', 'SOA', 'ns host 9 1 1 1 1')], /SOA of another zone/],
    [IXFR, [soa(9), soa(6), soa(9), soa(9)], /changes since 6 instead of 7/],
    [IXFR, [soa(9), soa(7), soa(8), a('x', 1), soa(9)], /gap between serials/],
    [IXFR, [soa(7), NS], /behind the end/],
    [IXFR, [soa(9), soa(7), soa(9), soa(9), NS], /behind the end/],
  ];
  for (const [asked, records, reason] of rows) {
    assert.match(reasonOf(inOne(asked, ...records)), reason);
  }
});

test('messages that are no answer are refused', () => {
  const zone = [soa(9), NS, soa(9)];
  const good = message(AXFR, zone);
  const rows: readonly (readonly [Uint8Array, RegExp])[] = [
    [message({ ...AXFR, id: 78 }, zone), /something else/],
    [message(AXFR, zone, { flags: 0x0400 }), /no answer/],
    [message(AXFR, zone, { flags: 0xa400 }), /no answer/],
    [message(AXFR, zone, { flags: 0x8600 }), /cut short/],
    [message(AXFR, [], { flags: 0x8405 }), /REFUSED/],
    [message({ ...AXFR, type: TYPE_IXFR }, zone), /another question/],
    [good.subarray(0, 11), /without a header/],
    [good.subarray(0, 40), /broken record/],
    [good.subarray(0, good.length - 1), /broken record/],
  ];
  for (const [bytes, reason] of rows) assert.match(reasonOf(readAll(AXFR, [bytes])), reason);
  const refused = readAll(AXFR, [message(AXFR, [], { flags: 0x8409 })]);
  assert.equal(refused.state === 'refused' && refused.rcode, 9);
  const other = message(AXFR, zone);
  other[good.length - soa(9).rdata.length - 7] = 3;
  assert.match(reasonOf(readAll(AXFR, [other])), /class IN/);
});

test('a transfer without end is ended', () => {
  const zone = [soa(9), ...Array.from({ length: 50 }, (_, index) => a(`h${index}`, index)), soa(9)];
  const limit = (limits: Partial<TransferLimits>): string =>
    reasonOf(
      readAll(AXFR, apart(AXFR, ...zone), unsignedReply, { ...TRANSFER_IN_LIMITS, ...limits }),
    );
  assert.equal(limit({ records: 51 }), 'more than 51 records');
  assert.equal(limit({ bytes: 500 }), 'more than 500 octets');
  assert.equal(limit({ records: 52 }), 'done');
  const nothing = Array.from({ length: 20 }, () => message(AXFR, []));
  assert.equal(reasonOf(readAll(AXFR, nothing)), 'messages without records');
});

test('TTLs with the highest bit are 0 (RFC 2181 8)', () => {
  const step = inOne(AXFR, soa(9), record('x', 'A', '192.0.2.1', 0x80000001), soa(9));
  assert.ok(step.state === 'done' && step.transfer.kind === 'whole');
  assert.equal(step.transfer.records[0]!.ttlSeconds, 0);
});

test('every message, or every so many, is signed on the one before (RFC 8945 5.3.1)', () => {
  const zone = [soa(9), NS, ...Array.from({ length: 30 }, (_, index) => a('www', index)), soa(9)];
  for (const every of [1, 2, 7, 100]) {
    const stream = signStream(apart(AXFR, ...zone), every);
    const signatures = createReplySignatures(KEY, REQUEST_MAC);
    assert.deepEqual(described(readAll(AXFR, stream, signatures)), [9, 31], `every ${every}`);
  }
});

test('signatures that are missing, wrong, or on something else are refused', () => {
  const zone = [
    soa(9),
    NS,
    ...Array.from({ length: 300 }, (_, index) => a('www', index % 256)),
    soa(9),
  ];
  const plain = apart(AXFR, ...zone);
  const stream = signStream(plain, 3);
  const read = (messages: readonly Uint8Array[], mac = REQUEST_MAC, key = KEY): string =>
    reasonOf(readAll(AXFR, messages, createReplySignatures(key, mac)));
  assert.equal(read(stream), 'done');
  assert.match(read(plain), /not signed/);
  assert.match(read([message(AXFR, [], { flags: 0x8409 })]), /answers NOTAUTH, without/);
  assert.match(read(stream, new Uint8Array(32)), /BADSIG/);
  assert.match(read(stream, REQUEST_MAC, { ...KEY, secret: new Uint8Array(32) }), /BADSIG/);
  // One unsigned message is left out, or comes twice, or has another octet.
  assert.match(read([...stream.slice(0, 1), ...stream.slice(2)]), /BADSIG/);
  assert.match(read([...stream.slice(0, 2), ...stream.slice(1)]), /BADSIG/);
  const changed = stream[2]!.slice();
  changed[changed.length - 1] = changed[changed.length - 1]! ^ 1;
  assert.match(read([...stream.slice(0, 2), changed, ...stream.slice(3)]), /BADSIG/);
  // The end is not.
  const last = plain.at(-1)!;
  assert.match(read([...stream.slice(0, -1), last]), /last message is not signed/);
  const hardly = signStream(plain, UNSIGNED_MESSAGES_MAX + 2);
  assert.match(read(hardly), /hardly signed/);
  const late = createTransferReader(AXFR, createReplySignatures(KEY, REQUEST_MAC));
  assert.match(reasonOf(late.take(stream[0]!, NOW + 1000)), /BADTIME/);
});
