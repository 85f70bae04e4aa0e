import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RrsetConfig } from '../../src/config/config.ts';
import { createQuery, parseQuery } from '../../src/dns/message.ts';
import { parseName } from '../../src/dns/name.ts';
import { findTsig, readTsig, signTsig, type TsigKey } from '../../src/dns/tsig.ts';
import { setSourceAddress } from '../../src/ip/source.ts';
import { createClient, TRANSPORT_TCP, TRANSPORT_UDP } from '../../src/nameserver/client.ts';
import { compileSnapshot } from '../../src/nameserver/compile.ts';
import { respond } from '../../src/nameserver/respond.ts';
import type { Snapshot } from '../../src/nameserver/snapshot.ts';
import { answerTransfer } from '../../src/nameserver/transfer-out.ts';
import { createReplySignatures, unsignedReply } from '../../src/secondary/reply-signature.ts';
import { createTransferReader, type Transfer } from '../../src/secondary/transfer-in.ts';
import { writeTransferQuery } from '../../src/secondary/transfer-query.ts';
import type { ZoneContent } from '../../src/zone/zone-content.ts';
import {
  APEX_RECORDS,
  compiled,
  createConfig,
  decode,
  geo,
  queryBytes,
  rrset,
  startWorker,
} from './fixture.ts';

const [IXFR, AXFR] = [251, 252];
const APEX = parseName('gslb.example.')!;
const KEY: TsigKey = {
  name: parseName('secondary.example.')!,
  algorithm: 'hmac-sha256',
  secret: new Uint8Array(32).fill(7),
};
const NOW = 1_780_000_000;

/** What is served after these changes of the zone, one after the other. */
function served(...changes: readonly (readonly [number, readonly RrsetConfig[]])[]): Snapshot {
  let snapshot: Snapshot | undefined;
  for (const [serial, rrsets] of changes) {
    const { zones, ...config } = createConfig();
    const zone = zones['gslb.example']!;
    const transfer = { networks: ['127.0.0.0/8'], keys: [], steered: 'omit', notify: [] } as const;
    const changed = {
      ...zone,
      soa: { ...zone.soa, serial },
      steered: [],
      rrsets: [...APEX_RECORDS, ...rrsets],
      transfer,
    };
    const all = { ...config, zones: { 'gslb.example': changed } };
    const result = compileSnapshot(all, geo, 1, 0, snapshot && { snapshot, geo });
    assert.ok(result.ok);
    ({ snapshot } = result);
  }
  return snapshot!;
}

function asked({ transfers }: Snapshot, message: Uint8Array, wallSeconds: () => number) {
  const query = createQuery();
  parseQuery(query, message, message.length);
  const client = createClient(TRANSPORT_TCP);
  setSourceAddress(client, '127.0.0.1', false);
  return answerTransfer(transfers, [KEY], query, message, client, wallSeconds, 1232);
}

/** What a secondary that has this serial makes of the answer. */
function copiedFrom(snapshot: Snapshot, serial: number): Transfer {
  const before: ZoneContent = {
    ...snapshot.transfers[0]!.contents.at(-1)!,
    serial,
  };
  const rdata = new Uint8Array(before.soa.rdata);
  new DataView(rdata.buffer).setUint32(rdata.length - 20, serial);
  const query = writeTransferQuery(7, APEX, IXFR, { soa: { ...before.soa, rdata } });
  const reader = createTransferReader({ id: 7, apex: APEX, type: IXFR, serial }, unsignedReply);
  for (const message of asked(snapshot, query, () => NOW)) {
    const step = reader.take(message, NOW);
    assert.notEqual(step.state, 'refused');
    if (step.state === 'done') return step.transfer;
  }
  return assert.fail('it did not end');
}

const text = (owner: string, word: string) => rrset(`${owner}.gslb.example.`, 'TXT', [`"${word}"`]);

test('every message of a long transfer is signed with the time at which it leaves', () => {
  const many = Array.from({ length: 400 }, (_, index) => text(`h${index}`, 'x'.repeat(200)));
  const signed = signTsig(writeTransferQuery(7, APEX, AXFR), KEY, NOW);
  let now = NOW;
  // A slow reader: from message to message less than signatures last, but more in all.
  const tick = (): number => {
    now += 200;
    return now;
  };
  const reader = createTransferReader(
    { id: 7, apex: APEX, type: AXFR },
    createReplySignatures(KEY, signed.mac),
  );
  const times: number[] = [];
  let state = 'more';
  for (const message of asked(served([1, many]), signed.message, tick)) {
    times.push(readTsig(message, findTsig(message)!)!.signedSeconds);
    const step = reader.take(message, now);
    ({ state } = step);
    assert.notEqual(state, 'refused', step.state === 'refused' ? step.reason : '');
  }
  assert.equal(state, 'done');
  assert.ok(times.length > 3);
  assert.equal(times.at(-1)! - times[0]!, 200 * (times.length - 1));
});

test('a secondary is told of the changes since the serial that it has', () => {
  const snapshot = served([7, [text('a', '1')]], [8, [text('a', '2')]], [9, [text('b', '1')]]);
  assert.equal(copiedFrom(snapshot, 7).kind, 'changes');
  assert.equal(copiedFrom(snapshot, 8).kind, 'changes');
  assert.equal(copiedFrom(snapshot, 9).kind, 'current');
  assert.equal(copiedFrom(snapshot, 6).kind, 'whole');
});

test('where records changed under one serial, whoever has it gets all of the zone', () => {
  const snapshot = served(
    [7, [text('a', '1')]],
    [8, [text('a', '2')]],
    // Told to nobody: some secondaries have the records of before.
    [8, [text('a', '3')]],
    [8, [text('a', '3')]],
    [9, [text('a', '4')]],
  );
  assert.equal(copiedFrom(snapshot, 8).kind, 'whole');
  assert.equal(copiedFrom(snapshot, 7).kind, 'changes');
});

test('a reload without a change keeps what can be told', () => {
  const snapshot = served([7, [text('a', '1')]], [7, [text('a', '1')]], [8, [text('a', '2')]]);
  assert.equal(copiedFrom(snapshot, 7).kind, 'changes');
});

test('nobody is told of changes from before a serial that went back', () => {
  const snapshot = served([5, [text('a', '1')]], [9, [text('a', '2')]], [5, [text('a', '3')]]);
  assert.equal(snapshot.transfers[0]!.contents.length, 1);
  const later = served(
    [5, [text('a', '1')]],
    [9, []],
    [5, [text('b', '3')]],
    [6, [text('c', '1')]],
  );
  const transfer = copiedFrom(later, 5);
  assert.ok(transfer.kind === 'changes');
  assert.deepEqual(
    transfer.changes.map(({ added, removed }) => [removed.length, added.length]),
    [[1, 1]],
  );
});

test('who asks for changes in a datagram is told to come by TCP, where there is anything to copy', () => {
  const [yes, no] = [served([7, []]), compiled()];
  const rows = [
    [yes, 'IXFR', 'NOERROR', true],
    [yes, 'AXFR', 'REFUSED', false],
    [no, 'IXFR', 'REFUSED', false],
  ] as const;
  for (const [snapshot, type, rcode, isCut] of rows) {
    const client = createClient(TRANSPORT_UDP);
    setSourceAddress(client, '192.0.2.1', false);
    const query = queryBytes('gslb.example', type);
    const reply = new Uint8Array(512);
    const length = respond(startWorker(snapshot), client, query, query.length, NOW * 1000, reply);
    const answer = decode(reply.slice(0, length));
    assert.deepEqual([answer.rcode, answer.tc, answer.answer], [rcode, isCut, []], type);
  }
});

test('serials wrap', () => {
  const snapshot = served([2 ** 32 - 1, [text('a', '1')]], [3, [text('a', '2')]]);
  assert.equal(copiedFrom(snapshot, 2 ** 32 - 1).kind, 'changes');
  assert.equal(copiedFrom(snapshot, 3).kind, 'current');
});
