import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { copiedRecords } from '../../src/config/copied-records.ts';
import { TYPE_AXFR, TYPE_IXFR } from '../../src/dns/constants.ts';
import { equalNames, lowerName } from '../../src/dns/name.ts';
import { writeNotify } from '../../src/dns/notify.ts';
import { signTsig } from '../../src/dns/tsig.ts';
import { hostOf } from '../../src/nameserver/zone-standing.ts';
import { factsOfCopy } from '../../src/node/copy-alterations.ts';
import { answerNotify } from '../../src/secondary/notify-in.ts';
import {
  createReplySignatures,
  type ReplySignatures,
  unsignedReply,
} from '../../src/secondary/reply-signature.ts';
import {
  createTransferReader,
  type Transfer,
  type TransferStep,
} from '../../src/secondary/transfer-in.ts';
import { readExpire, writeTransferQuery } from '../../src/secondary/transfer-query.ts';
import { changedCopy, copyOf, overlayOf, readCopy } from '../../src/secondary/zone-copy.ts';
import { compileZones } from '../../src/zone/compile.ts';
import { type ContentRecord, recordsOf, type ZoneContent } from '../../src/zone/zone-content.ts';
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
} from '../secondary/primary-stream.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

/** What comes from a primary, or from somebody in its place: anything, in any number of pieces. */
const options = { seed: fuzzSeed(20261123), numRuns: fuzzRuns(1500) };
const signatures = (): ReplySignatures => createReplySignatures(KEY, REQUEST_MAC);

type Asked = Parameters<typeof createTransferReader>[0];
const AXFR: Asked = { id: 77, apex: APEX, type: TYPE_AXFR };
const IXFR: Asked = { id: 77, apex: APEX, type: TYPE_IXFR, serial: 7 };

function read(
  asked: Asked,
  messages: readonly Uint8Array[],
  signed: ReplySignatures = unsignedReply,
): TransferStep {
  const reader = createTransferReader(asked, signed, { records: 500, bytes: 100_000 });
  let step: TransferStep = { state: 'more' };
  for (const each of messages) {
    step = reader.take(each, NOW);
    if (step.state !== 'more') return step;
  }
  return step;
}

/** Few names and data, so that records meet each other. */
const anyRecord: fc.Arbitrary<ContentRecord> = fc.oneof(
  fc
    .tuple(fc.constantFrom('x', 'y', 'X', '*', 'a.x'), fc.nat(3))
    .map(([name, last]) => a(name, last)),
  fc.constantFrom(
    record('x', 'TXT', '"one" ""', 60),
    record('y', 'CNAME', 'x'),
    record('sub', 'NS', 'ns.sub'),
    record('ns.sub', 'AAAA', '2001:db8::1'),
    record('x', 'DNAME', 'y'),
    record('@', 'MX', '0 .'),
    record('odd', 'TYPE65400', '\\# 2 0102'),
  ),
);
const hostileRecord: fc.Arbitrary<ContentRecord> = fc.oneof(
  { weight: 4, arbitrary: anyRecord },
  { weight: 1, arbitrary: fc.integer({ min: 5, max: 10 }).map(soa) },
  {
    weight: 2,
    arbitrary: fc.record({
      owner: fc.constantFrom(APEX, a('x', 1).owner, Uint8Array.of(0), Uint8Array.of(1, 120, 0)),
      type: fc.constantFrom(
        0,
        1,
        2,
        5,
        6,
        7,
        14,
        18,
        26,
        39,
        41,
        43,
        46,
        47,
        50,
        64,
        250,
        252,
        255,
        65_535,
      ),
      ttlSeconds: fc.constantFrom(0, 300, 0xffffffff),
      rdata: fc.uint8Array({ maxLength: 40 }),
    }),
  },
);
const zoneRecords = fc.array(anyRecord, { maxLength: 12 }).map(withoutDoubles);

function withoutDoubles(records: readonly ContentRecord[]): readonly ContentRecord[] {
  return [...new Map(records.map((each) => [keyOf(each), each])).values()];
}
const keyOf = ({ owner, rdata, type }: ContentRecord): string =>
  `${Buffer.from(owner).toString('latin1').toLowerCase()} ${type} ${Buffer.from(rdata).toString('hex')}`;
const textOf = (records: Iterable<ContentRecord>): readonly string[] =>
  [...records].map((each) => `${keyOf(each)} ${each.ttlSeconds}`).toSorted();

/** The same records in messages of these sizes, which begin anew when they are used up. */
function pieces(
  asked: Asked,
  records: readonly ContentRecord[],
  sizes: readonly number[],
): readonly Uint8Array[] {
  const messages: Uint8Array[] = [];
  for (let at = 0, index = 0; at < records.length; index += 1) {
    const size = sizes[index % sizes.length]!;
    const questions = index === 0 || index % 3 === 0 ? 1 : 0;
    messages.push(message(asked, records.slice(at, at + size), { questions }));
    at += size;
  }
  return messages;
}
const anySizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });

/** Octets that are other ones, messages that are cut, lost, doubled, or none of the stream's. */
const anyDamage = fc.array(
  fc.record({
    which: fc.nat(),
    at: fc.nat(),
    what: fc.oneof(
      fc.record({ kind: fc.constant('set' as const), octet: fc.nat(255) }),
      fc.record({ kind: fc.constantFrom('cut' as const, 'lose' as const, 'double' as const) }),
      fc.record({ kind: fc.constant('put' as const), bytes: fc.uint8Array({ maxLength: 60 }) }),
    ),
  }),
  { minLength: 1, maxLength: 4 },
);
type Damage = typeof anyDamage extends fc.Arbitrary<infer T> ? T : never;

function damaged(messages: readonly Uint8Array[], damage: Damage): readonly Uint8Array[] {
  const out = messages.map((each) => each.slice());
  for (const { at, what, which } of damage) {
    if (out.length === 0) break;
    const index = which % out.length;
    const hit = out[index]!;
    if (what.kind === 'set' && hit.length > 0) hit[at % hit.length] = what.octet;
    if (what.kind === 'cut') out[index] = hit.slice(0, at % (hit.length + 1));
    if (what.kind === 'lose') out.splice(index, 1);
    if (what.kind === 'double') out.splice(index, 0, hit.slice());
    if (what.kind === 'put') out.splice(index, 0, what.bytes);
  }
  return out;
}

/** Whatever came of it can be kept, read again, served or refused. */
function takeUp(transfer: Transfer, before: ZoneContent): void {
  if (transfer.kind === 'current') return;
  const copy =
    transfer.kind === 'whole'
      ? copyOf(APEX, transfer.soa, transfer.records)
      : changedCopy(before, transfer.changes);
  if (!copy.ok) {
    assert.ok(copy.reason.length > 0);
    return;
  }
  const { content } = copy;
  const again = readCopy(APEX, content.soa, content.records);
  assert.deepEqual(again && textOf(recordsOf(again)), textOf(recordsOf(content)));
  const { soa: head } = overlayOf('example', content, 300, false);
  const rrsets = copiedRecords(content);
  assert.equal(factsOfCopy(undefined, 'example', content).rrsets, rrsets.length);
  compileZones([{ name: 'example', ttl: 300, soa: head!, rrsets, steered: [] }]);
}
const BEFORE = contentOf(7, [a('x', 1), a('y', 2)]);

function contentOf(serial: number, records: readonly ContentRecord[]): ZoneContent {
  const read = records.map((each) => ({ ...each, owner: lowerName(each.owner) }));
  const copy = copyOf(APEX, soa(serial), [NS, ...read]);
  assert.ok(copy.ok);
  return copy.content;
}

test('a whole zone is the same in whatever pieces it comes, signed every so often', () => {
  fc.assert(
    fc.property(zoneRecords, anySizes, fc.integer({ min: 1, max: 20 }), (records, sizes, every) => {
      const zone = [NS, ...records];
      for (const asked of [AXFR, IXFR]) {
        const stream = signStream(pieces(asked, [soa(9), ...zone, soa(9)], sizes), every);
        const step = read(asked, stream, signatures());
        assert.ok(step.state === 'done' && step.transfer.kind === 'whole', JSON.stringify(step));
        assert.deepEqual(textOf(step.transfer.records), textOf(zone));
        takeUp(step.transfer, BEFORE);
      }
    }),
    options,
  );
});

test('changes lead from any zone to any other, in steps or in one', () => {
  const versions = fc.array(zoneRecords, { minLength: 2, maxLength: 5 });
  fc.assert(
    fc.property(versions, anySizes, fc.boolean(), (zones, sizes, isCondensed) => {
      const steps = isCondensed ? [zones[0]!, zones.at(-1)!] : zones;
      const newest = soa(7 + steps.length - 1);
      const stream: ContentRecord[] = [newest];
      for (const [index, to] of steps.entries()) {
        if (index === 0) continue;
        const from = steps[index - 1]!;
        const lacks = (there: readonly ContentRecord[]) => {
          const keys = new Set(there.map(keyOf));
          return (each: ContentRecord) => !keys.has(keyOf(each));
        };
        stream.push(soa(6 + index), ...from.filter(lacks(to)));
        stream.push(soa(7 + index), ...to.filter(lacks(from)));
      }
      const step = read(IXFR, pieces(IXFR, [...stream, newest], sizes));
      assert.ok(step.state === 'done' && step.transfer.kind === 'changes', JSON.stringify(step));
      const after = changedCopy(contentOf(7, steps[0]!), step.transfer.changes);
      assert.ok(after.ok);
      assert.deepEqual(textOf(recordsOf(after.content)), textOf([NS, ...steps.at(-1)!]));
      assert.equal(after.content.serial, 7 + steps.length - 1);
    }),
    options,
  );
});

test('records of any kind in any order are taken or refused with a reason', () => {
  fc.assert(
    fc.property(fc.array(hostileRecord, { maxLength: 20 }), anySizes, (records, sizes) => {
      for (const asked of [AXFR, IXFR]) {
        const whole = [soa(9), NS, ...records, soa(9)];
        for (const stream of [records, [soa(9), ...records], whole]) {
          const step = read(asked, pieces(asked, stream, sizes));
          if (step.state === 'done') takeUp(step.transfer, BEFORE);
          if (step.state === 'refused') assert.ok(step.reason.length > 0);
        }
      }
    }),
    options,
  );
});

test('a damaged stream is refused or still makes sense; a signed one is refused, or is what was sent', () => {
  const zone = [NS, a('x', 1), record('x', 'TXT', '"one"'), a('y', 2), record('z', 'MX', '1 x')];
  const sent = [soa(9), ...zone, soa(9)];
  fc.assert(
    fc.property(anySizes, fc.integer({ min: 1, max: 4 }), anyDamage, (sizes, every, damage) => {
      const plain = pieces(AXFR, sent, sizes);
      const step = read(AXFR, damaged(plain, damage));
      if (step.state === 'done') takeUp(step.transfer, BEFORE);
      const signed = read(AXFR, damaged(signStream(plain, every), damage), signatures());
      if (signed.state !== 'done') return;
      assert.ok(signed.transfer.kind === 'whole');
      assert.deepEqual(textOf(signed.transfer.records), textOf(zone));
    }),
    options,
  );
});

test('a file of a copy that is damaged is read as a zone, or not at all', () => {
  fc.assert(
    fc.property(anyDamage, (damage) => {
      const [packed] = damaged([BEFORE.records.slice()], damage);
      const copy = packed && readCopy(APEX, BEFORE.soa, packed);
      if (copy !== undefined) copiedRecords(copy);
    }),
    options,
  );
});

test('NOTIFY of any bytes: only a primary, or its key, makes anybody look', () => {
  const good = writeNotify(7, APEX, soa(9));
  const signed = signTsig(good, KEY, NOW).message;
  const from = (text: string) => ({ address: hostOf(text)!, key: KEY.name });
  const zones = [{ zone: 'example', apex: APEX, servers: [from('192.0.2.1')] }];
  const find = (name: Uint8Array) => zones.find(({ apex }) => equalNames(apex, name));
  const stranger = { family: 4, bytes: Uint8Array.of(192, 0, 2, 2) } as const;
  const changed = fc
    .tuple(fc.constantFrom(good, signed), anyDamage)
    .map(([each, damage]) => damaged([each], damage)[0] ?? new Uint8Array());
  const anyNotify: fc.Arbitrary<Uint8Array> = fc.oneof(fc.uint8Array({ maxLength: 80 }), changed);
  fc.assert(
    fc.property(anyNotify, (bytes) => {
      const said = answerNotify(bytes, stranger, find, [KEY], 1232, NOW);
      if (said?.zone === undefined) return;
      // The id is for whoever passes it on to choose (RFC 8945 5.3).
      assert.deepEqual(bytes.slice(2, good.length), signed.slice(2, good.length));
    }),
    options,
  );
});

test('what any bytes say of how long a copy is good is a number of 32 bits, or nothing', () => {
  const query = writeTransferQuery(7, APEX, TYPE_IXFR, BEFORE, true);
  assert.equal(readExpire(query), undefined);
  const told = new Uint8Array([...query, 0, 0, 0, 77]);
  // The option, and OPT with it, are four octets longer.
  told[query.length - 1] = 4;
  told[query.length - 5] = 8;
  assert.equal(readExpire(told), 77);
  const any = fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    anyDamage.map((damage) => damaged([told], damage)[0] ?? new Uint8Array()),
  );
  fc.assert(
    fc.property(any, (bytes) => {
      const seconds = readExpire(bytes);
      assert.ok(seconds === undefined || (seconds >= 0 && seconds < 2 ** 32));
    }),
    options,
  );
});
