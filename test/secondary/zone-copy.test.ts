import assert from 'node:assert/strict';
import { test } from 'node:test';
import { copiedRecords } from '../../src/config/copied-records.ts';
import { factsOfCopy } from '../../src/node/copy-alterations.ts';
import type { CopyChange } from '../../src/secondary/transfer-in.ts';
import { changedCopy, copyOf, overlayOf, readCopy } from '../../src/secondary/zone-copy.ts';
import { type ContentRecord, recordsOf, type ZoneContent } from '../../src/zone/zone-content.ts';
import { createConfig } from '../nameserver/fixture.ts';
import { APEX, a, NS, record, soa } from './primary-stream.ts';

function copy(...records: readonly ContentRecord[]): ZoneContent {
  const result = copyOf(APEX, soa(7), [NS, ...records]);
  assert.ok(result.ok, JSON.stringify(result));
  return result.content;
}
const reasonOf = (result: ReturnType<typeof copyOf>): string => (result.ok ? 'ok' : result.reason);
const odd = (owner: string, type: number, octets: readonly number[]): ContentRecord => ({
  ...a(owner, 1),
  type,
  rdata: Uint8Array.from(octets),
});

test('a zone that cannot be one is refused, with the record to blame', () => {
  const rows: readonly (readonly [ContentRecord, RegExp])[] = [
    [
      record('www.other.', 'A', '192.0.2.1'),
      /^www\.other\. A: it is not inside the zone example\./,
    ],
    [record('@', 'CNAME', 'www'), /^example\. CNAME: a zone itself cannot be a CNAME$/],
    [odd('www', 1, [192, 0, 2]), /^www\.example\. A: its data are broken$/],
    [odd('www', 15, [0, 10]), /MX: its data are broken/],
    [odd('www', 250, []), /no record of a zone/],
    [odd('www', 41, []), /no record of a zone/],
    [record('www', 'SOA', 'ns host 1 1 1 1 1'), /no record of a zone/],
  ];
  for (const [bad, reason] of rows) {
    assert.match(reasonOf(copyOf(APEX, soa(7), [NS, bad])), reason);
  }
  assert.equal(reasonOf(copyOf(APEX, soa(7), [a('www', 1)])), 'the zone has no nameservers');
  assert.equal(reasonOf(copyOf(APEX, soa(7), [NS, odd('www', 65400, [1, 2, 3])])), 'ok');
});

test('changes are applied in order, and refused when they do not fit', () => {
  const before = copy(a('x', 1), a('y', 1));
  const change = (
    serial: number,
    removed: readonly ContentRecord[],
    added: readonly ContentRecord[],
  ): CopyChange => ({ removed, added, soa: soa(serial) });
  const after = changedCopy(before, [
    change(8, [a('x', 1)], [a('x', 2)]),
    change(9, [a('x', 2)], [a('X', 3), a('y', 2)]),
  ]);
  assert.ok(after.ok);
  assert.equal(after.content.serial, 9);
  assert.deepEqual(
    [...recordsOf(after.content)].map(({ rdata, type }) => (type === 1 ? rdata.at(-1) : 'ns')),
    ['ns', 3, 1, 2],
  );
  const gone = changedCopy(before, [change(8, [a('z', 1)], [])]);
  assert.equal(reasonOf(gone), 'a change takes away z.example. A, which is not there');
  assert.match(reasonOf(changedCopy(before, [change(8, [NS], [])])), /no nameservers/);
});

test('another TTL is a change of the same record', () => {
  const before = copy(record('x', 'A', '192.0.2.1', 300));
  const change = {
    removed: [record('x', 'A', '192.0.2.1', 300)],
    added: [record('x', 'A', '192.0.2.1', 60)],
    soa: soa(8),
  };
  const after = changedCopy(before, [change]);
  assert.ok(after.ok);
  const ttls = [...recordsOf(after.content)].map(({ ttlSeconds }) => ttlSeconds);
  assert.deepEqual(ttls, [300, 60]);
});

test('what is served of it has RRsets, one TTL each, and no signatures', () => {
  const content = copy(
    record('x', 'A', '192.0.2.2', 60),
    record('x', 'A', '192.0.2.1', 300),
    record('x', 'A', '192.0.2.1', 20),
    record('x', 'TXT', '"one"'),
    odd('x', 65400, [1, 255]),
    record('x', 'RRSIG', 'A 13 2 300 20300101000000 20260101000000 1 example. AAAA'),
  );
  const overlay = overlayOf('example', content, 300, false);
  assert.deepEqual(copiedRecords(content), [
    { owner: 'example.', type: 'NS', ttl: 300, data: ['ns.example.'] },
    { owner: 'x.example.', type: 'A', ttl: 20, data: ['192.0.2.1', '192.0.2.2'] },
    { owner: 'x.example.', type: 'TXT', ttl: 300, data: ['"one"'] },
    { owner: 'x.example.', type: 'TYPE65400', ttl: 300, data: ['\\# 2 01ff'] },
  ]);
  assert.deepEqual(overlay.soa, {
    mname: 'ns.example.',
    rname: 'host.example.',
    serial: 7,
    refresh: 3600,
    retry: 600,
    expire: 86_400,
    minimum: 60,
  });
  assert.equal(overlay.soaTtl, 300);
  assert.deepEqual(factsOfCopy(createConfig(), 'second.test', content), {
    ...{ rrsets: 4, ttlMax: 300 },
    altered: 'its 1 records of signatures are left out',
  });
});

test('a record that comes many times is one, with its least TTL', () => {
  const twice = [a('x', 1), { ...a('x', 1), ttlSeconds: 7 }, a('X', 1), a('x', 2), a('x', 1)];
  const content = copy(...twice);
  assert.equal(content.count, 3);
  assert.deepEqual(
    [...recordsOf(content)].map(({ ttlSeconds }) => ttlSeconds),
    [300, 7, 300],
  );
  const change = { removed: [a('x', 1)], soa: soa(8), added: [a('x', 3), a('x', 3)] };
  const after = changedCopy(content, [change]);
  assert.ok(after.ok);
  assert.equal(after.content.count, 3);
});

test('a copy that was kept is read again, and nothing that is not one', () => {
  const content = copy(a('x', 1), record('y', 'MX', '10 mail.other.'));
  const packed = content.records.slice();
  const read = readCopy(APEX, content.soa, packed);
  assert.deepEqual(read && [...recordsOf(read)], [...recordsOf(content)]);
  for (let end = 1; end < packed.length; end += 1) {
    const part = readCopy(APEX, content.soa, packed.subarray(0, end));
    if (part !== undefined) assert.ok(part.count < content.count);
  }
  assert.equal(readCopy(APEX, { ...content.soa, rdata: Uint8Array.of(1) }, packed), undefined);
});
