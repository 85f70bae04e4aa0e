import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import {
  RCODE_FORMERR,
  RCODE_NOERROR,
  RCODE_NOTAUTH,
  RCODE_NOTZONE,
  RCODE_NXDOMAIN,
  RCODE_NXRRSET,
  RCODE_REFUSED,
  RCODE_YXDOMAIN,
  RCODE_YXRRSET,
} from '../../src/dns/constants.ts';
import { decodeMessage } from '../../src/dns/decode.ts';
import { formatName } from '../../src/dns/name.ts';
import { UPDATE_RECORDS_MAX, zoneOf } from '../../src/nameserver/update.ts';
import { apply, type Line, octets, record, updateMessage } from './update-rig.ts';

/** The rules of RFC 2136, row by row, on a zone with written, steered and added names. */

const ADDED = [
  record('new.gslb.example.', 60, 'A', '192.0.2.100'),
  record('new.gslb.example.', 60, 'A', '192.0.2.101'),
  record('new.gslb.example.', 30, 'TXT', '"added"'),
  record('other.gslb.example.', 60, 'CNAME', 'New.gslb.example.'),
];
const TRIED = 'add tried.gslb.example. 60 TXT tried';
const rcodeOf = (lines: readonly Line[], before: readonly Line[] = []): number =>
  apply(lines, ADDED, { before }).rcode;
const textsAfter = (...lines: readonly Line[]): readonly string[] => {
  const done = apply(lines, ADDED);
  assert.ok(done.texts !== undefined, `${done.rcode} ${done.why}`);
  return done.texts;
};
const BEFORE = textsAfter();

test('prerequisites are judged as in the table of RFC 2136 2.4', () => {
  const rows: readonly (readonly [string, number])[] = [
    // 2.4.1, 2.4.2: RRset exists.
    ['yxrrset new.gslb.example. A', RCODE_NOERROR],
    ['yxrrset mail.gslb.example. TXT', RCODE_NOERROR],
    ['yxrrset www.gslb.example. AAAA', RCODE_NOERROR],
    ['yxrrset new.gslb.example. AAAA', RCODE_NXRRSET],
    ['yxrrset nobody.gslb.example. A', RCODE_NXRRSET],
    ['yxrrset gslb.example. SOA', RCODE_NOERROR],
    // Each change counts it on, so that it is never as somebody has seen it.
    [
      'yxrrset gslb.example. SOA ns1.gslb.example. hostmaster.gslb.example. 7 1 1 1 1',
      RCODE_NXRRSET,
    ],
    ['yxrrset NEW.gslb.EXAMPLE. A', RCODE_NOERROR],
    // 2.4.3: RRset does not exist.
    ['nxrrset new.gslb.example. AAAA', RCODE_NOERROR],
    ['nxrrset new.gslb.example. A', RCODE_YXRRSET],
    ['nxrrset www.gslb.example. A', RCODE_YXRRSET],
    ['nxrrset docs.gslb.example. CNAME', RCODE_YXRRSET],
    // 2.4.4: name is in use.
    ['yxdomain mail.gslb.example.', RCODE_NOERROR],
    ['yxdomain www.gslb.example.', RCODE_NOERROR],
    ['yxdomain gslb.example.', RCODE_NOERROR],
    ['yxdomain nobody.gslb.example.', RCODE_NXDOMAIN],
    // An empty non-terminal owns nothing.
    ['yxdomain below.gslb.example.', RCODE_NXDOMAIN],
    // 2.4.5: name is not in use.
    ['nxdomain nobody.gslb.example.', RCODE_NOERROR],
    ['nxdomain below.gslb.example.', RCODE_NOERROR],
    ['nxdomain other.gslb.example.', RCODE_YXDOMAIN],
    ['nxdomain gslb.example.', RCODE_YXDOMAIN],
  ];
  for (const [line, rcode] of rows) assert.equal(rcodeOf([line, TRIED]), rcode, line);
});

test('an RRset that must be just so is compared as a whole, whatever the order and case', () => {
  const both = [
    'yxrrset new.gslb.example. A 192.0.2.101',
    'yxrrset new.gslb.example. A 192.0.2.100',
  ];
  assert.equal(rcodeOf(both), RCODE_NOERROR);
  assert.equal(rcodeOf(both.slice(1)), RCODE_NXRRSET);
  assert.equal(rcodeOf([...both, 'yxrrset new.gslb.example. A 192.0.2.1']), RCODE_NXRRSET);
  assert.equal(
    rcodeOf([...both, 'yxrrset other.gslb.example. CNAME NEW.GSLB.example.']),
    RCODE_NOERROR,
  );
  // Nobody can say what steered records are.
  assert.equal(rcodeOf(['yxrrset www.gslb.example. A 192.0.2.1']), RCODE_NXRRSET);
});

test('prerequisites that are none are FORMERR, and outside of the zone NOTZONE (3.2.5)', () => {
  const txt = Uint8Array.from([1, 97]);
  const rows: readonly (readonly [readonly number[], number])[] = [
    [octets('new.gslb.example.', 'ANY', 'A', 1), RCODE_FORMERR],
    [octets('new.gslb.example.', 'NONE', 'A', 1), RCODE_FORMERR],
    [octets('new.gslb.example.', 'IN', 'TXT', 1, txt), RCODE_FORMERR],
    [octets('new.gslb.example.', 'ANY', 'TXT', 0, txt), RCODE_FORMERR],
    [octets('new.gslb.example.', 'NONE', 'TXT', 0, txt), RCODE_FORMERR],
    [octets('new.gslb.example.', 3, 'TXT'), RCODE_FORMERR],
    [octets('new.gslb.example.', 'IN', 'ANY'), RCODE_FORMERR],
    [octets('new.gslb.example.', 'ANY', 252), RCODE_FORMERR],
    [octets('new.elsewhere.example.', 'ANY', 'A'), RCODE_NOTZONE],
    [octets('example.', 'ANY', 'A'), RCODE_NOTZONE],
    // In a zone below, that is served here as well.
    [octets('a.sub.gslb.example.', 'ANY', 'A'), RCODE_NOTZONE],
  ];
  for (const [bytes, rcode] of rows) assert.equal(rcodeOf([], [bytes]), rcode, `${bytes}`);
});

test('updates that are none are FORMERR before anything is done (3.4.1)', () => {
  const a = Uint8Array.from([192, 0, 2, 1]);
  const rows: readonly (readonly [readonly number[], number])[] = [
    [octets('x.gslb.example.', 'IN', 'ANY', 60, a), RCODE_FORMERR],
    [octets('x.gslb.example.', 'IN', 252, 60, a), RCODE_FORMERR],
    [octets('x.gslb.example.', 'IN', 'A', 60, a.subarray(1)), RCODE_FORMERR],
    [octets('x.gslb.example.', 'IN', 'A', 60), RCODE_FORMERR],
    [octets('x.gslb.example.', 'ANY', 'A', 60), RCODE_FORMERR],
    [octets('x.gslb.example.', 'ANY', 'A', 0, a), RCODE_FORMERR],
    [octets('x.gslb.example.', 'ANY', 251), RCODE_FORMERR],
    [octets('x.gslb.example.', 'NONE', 'A', 60, a), RCODE_FORMERR],
    [octets('x.gslb.example.', 'NONE', 'ANY', 0, a), RCODE_FORMERR],
    [octets('x.gslb.example.', 3, 'A', 60, a), RCODE_FORMERR],
    [octets('x.elsewhere.example.', 'IN', 'A', 60, a), RCODE_NOTZONE],
    [octets('x.sub.gslb.example.', 'IN', 'A', 60, a), RCODE_NOTZONE],
  ];
  for (const [bytes, rcode] of rows) assert.equal(rcodeOf([TRIED, bytes]), rcode, `${bytes}`);
});

test('the zone section names one zone of class IN (3.1)', () => {
  const asked = (options: object) => {
    const decoded = decodeMessage(updateMessage([], options));
    assert.ok(decoded.ok);
    const zone = zoneOf(decoded.message);
    return 'rcode' in zone ? zone.rcode : formatName(zone);
  };
  assert.equal(asked({ zone: 'GSLB.Example.' }), 'gslb.example.');
  assert.equal(asked({ question: [1, 1] }), RCODE_FORMERR);
  assert.equal(asked({ question: [6, 3] }), RCODE_NOTAUTH);
});

test('records are added, once each, with one TTL per RRset (3.4.2.2)', () => {
  assert.deepEqual(textsAfter('add new.gslb.example. 60 A 192.0.2.100'), BEFORE, 'is there');
  assert.deepEqual(
    textsAfter('add NEW.gslb.example. 10 A 192.0.2.102').filter((each) => / A /.test(each)),
    [100, 101, 102].map((last) => `new.gslb.example. 10 A 192.0.2.${last}`),
  );
  assert.deepEqual(
    textsAfter('add new.gslb.example. 10 A 192.0.2.100').filter((each) => / A /.test(each)),
    [100, 101].map((last) => `new.gslb.example. 10 A 192.0.2.${last}`),
  );
  // A TTL of more than 31 bits is 0 (RFC 2181 8).
  assert.deepEqual(
    textsAfter('add big.gslb.example. 4294967295 TXT x').filter((each) => /^big/.test(each)),
    ['big.gslb.example. 0 TXT "x"'],
  );
  // Beside what is written the written TTL counts.
  assert.ok(
    textsAfter('add mail.gslb.example. 5 TXT more').includes('mail.gslb.example. 300 TXT "more"'),
  );
  assert.deepEqual(textsAfter('add mail.gslb.example. 5 A 192.0.2.25'), BEFORE, 'is written');
});

test('an update that adds what would have gone by itself makes it stay; others beside it go', () => {
  const at = { ...record('c.gslb.example.', 60, 'TXT', '"a"'), expiresAtMs: 5 };
  const beside = { ...at, data: '"b"' };
  const endsAfter = (...lines: string[]) => {
    const { records } = apply(lines, [at, beside]);
    return records?.map(({ data, expiresAtMs, ttl }) => [data, expiresAtMs, ttl]).toSorted();
  };
  const untouched = ['"b"', 5, 60];
  assert.deepEqual(endsAfter('add c.gslb.example. 60 TXT a'), [['"a"', undefined, 60], untouched]);
  assert.deepEqual(endsAfter('add c.gslb.example. 9 TXT a'), [
    ['"a"', undefined, 9],
    ['"b"', 5, 9],
  ]);
  const third = endsAfter('add c.gslb.example. 60 TXT c');
  assert.deepEqual(third, [['"a"', 5, 60], untouched, ['"c"', undefined, 60]]);
});

test('a CNAME stands alone: what cannot be beside it is ignored, another one replaces it (3.4.2.2)', () => {
  assert.deepEqual(textsAfter('add other.gslb.example. 60 TXT x'), BEFORE);
  assert.deepEqual(textsAfter('add new.gslb.example. 60 CNAME a.gslb.example.'), BEFORE);
  assert.deepEqual(textsAfter('add mail.gslb.example. 60 CNAME a.gslb.example.'), BEFORE);
  assert.ok(
    textsAfter('add other.gslb.example. 60 CNAME b.gslb.example.').includes(
      'other.gslb.example. 60 CNAME b.gslb.example.',
    ),
  );
  assert.equal(rcodeOf(['add alias.gslb.example. 60 CNAME b.gslb.example.']), RCODE_REFUSED);
});

test('RRsets, names and single records are removed (3.4.2.3, 3.4.2.4)', () => {
  const isNot = (pattern: RegExp) => BEFORE.filter((each) => !pattern.test(each));
  assert.deepEqual(textsAfter('delete new.gslb.example. A'), isNot(/ A /));
  assert.deepEqual(textsAfter('delete NEW.gslb.example.'), isNot(/^new/));
  assert.deepEqual(textsAfter('delete new.gslb.example. A 192.0.2.100'), isNot(/\.100$/));
  assert.deepEqual(
    textsAfter('delete other.gslb.example. CNAME new.GSLB.example.'),
    isNot(/^other/),
  );
  for (const nothing of [
    'delete nobody.gslb.example.',
    'delete new.gslb.example. AAAA',
    'delete new.gslb.example. A 192.0.2.1',
    'delete mail.gslb.example. TXT "another"',
    'delete gslb.example. SOA',
  ]) {
    assert.deepEqual(textsAfter(nothing), BEFORE, nothing);
  }
});

test('changes are done in their order, all or none (3.4.2)', () => {
  const order = ['add x.gslb.example. 1 TXT x', 'delete x.gslb.example.'];
  assert.deepEqual(textsAfter(...order), BEFORE);
  assert.equal(textsAfter(...order.toReversed()).length, BEFORE.length + 1);
  assert.equal(rcodeOf([TRIED, 'delete mail.gslb.example. A']), RCODE_REFUSED);
});

test('what the configuration wrote, what is steered and what signs a zone is nobody’s to change', () => {
  for (const [line, why] of [
    ['delete mail.gslb.example. A', /A of mail\.gslb\.example\. is in the configuration/],
    ['delete mail.gslb.example.', /in the configuration/],
    ['delete mail.gslb.example. TXT written', /in the configuration/],
    ['add gslb.example. 60 NS ns9.gslb.example.', /nameservers of the zone/],
    ['delete gslb.example. NS ns1.gslb.example.', /in the configuration/],
    ['add www.gslb.example. 60 A 192.0.2.9', /is steered: it has no A of its own/],
    ['add www.gslb.example. 60 CNAME a.gslb.example.', /is steered/],
    ['add docs.gslb.example. 60 TXT x', /is steered/],
    ['delete www.gslb.example. A', /its A cannot be removed/],
    ['delete www.gslb.example. A 192.0.2.1', /its A cannot be removed/],
    ['delete www.gslb.example.', /its A cannot be removed/],
    ['delete docs.gslb.example.', /its CNAME cannot be removed/],
    ['add new.gslb.example. 60 NSEC3PARAM 1 0 0 -', /not written by anybody/],
    ['add gslb.example. 60 CDS 0 0 0 00', /signs the zone/],
    [
      'add gslb.example. 60 DNSKEY 257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==',
      /signs the zone/,
    ],
    ['add below.gslb.example. 60 DNAME a.example.', /hide names below/],
  ] as const) {
    const done = apply([line], ADDED);
    assert.equal(done.rcode, RCODE_REFUSED, line);
    assert.match(done.why!, why, line);
  }
  // The nameservers of the zone stay when all of its name goes; its serial is counted here.
  assert.deepEqual(textsAfter('delete gslb.example.', 'delete gslb.example. NS'), BEFORE);
  const soa = 'add gslb.example. 60 SOA ns1.gslb.example. a.gslb.example. 99 1 1 1 1';
  assert.deepEqual(textsAfter(soa), BEFORE);
  assert.equal(textsAfter('add www.gslb.example. 60 TXT beside').length, BEFORE.length + 1);
});

test('rights are those of the key, by name and type (3.3)', () => {
  const rights = [
    { key: 'a.', names: ['_acme-challenge.**'], types: ['TXT'] },
    { key: 'a.', names: ['*.apps', '@'], types: ['A', 'AAAA'] },
  ];
  const rcode = (line: string): number => apply([line], ADDED, { rights }).rcode;
  for (const line of [
    'add _acme-challenge.gslb.example. 1 TXT x',
    'add _acme-challenge.a.b.gslb.example. 1 TXT x',
    'add one.apps.gslb.example. 1 A 192.0.2.1',
    'add gslb.example. 1 AAAA ::1',
    'delete one.apps.gslb.example.',
  ]) {
    assert.equal(rcode(line), RCODE_NOERROR, line);
  }
  for (const line of [
    'add _acme-challenge.gslb.example. 1 A 192.0.2.1',
    'add a._acme-challenge.gslb.example. 1 TXT x',
    'add apps.gslb.example. 1 A 192.0.2.1',
    'add two.one.apps.gslb.example. 1 A 192.0.2.1',
    'add gslb.example. 1 TXT x',
    'delete new.gslb.example. A 192.0.2.100',
    'delete new.gslb.example.',
  ]) {
    assert.equal(rcode(line), RCODE_REFUSED, line);
  }
});

test('a right is no right to what names below would answer', () => {
  const narrow = (types: string[], ...names: string[]) => ({
    rights: [{ key: 'writer.gslb.example.', names, types }],
  });
  const wildcard = ['add *.apps.gslb.example. 60 TXT x'];
  assert.equal(apply(wildcard, [], narrow(['TXT'], '*.apps')).rcode, RCODE_REFUSED);
  assert.equal(apply(wildcard, [], narrow(['TXT'], '**.apps')).rcode, 0);
  const others = [record('a.team.gslb.example.', 60, 'A', '192.0.2.9')];
  for (const lines of [
    ['add team.gslb.example. 60 NS ns.other.example.'],
    ['yxdomain a.team.gslb.example.', 'add team.gslb.example. 60 NS ns.other.example.'],
  ]) {
    const hidden = apply(lines, others, narrow(['*'], '*'));
    assert.deepEqual([hidden.rcode, /would hide/.test(hidden.why!)], [RCODE_REFUSED, true]);
    assert.equal(apply(lines, others, narrow(['*'], '**')).rcode, 0);
  }
  assert.equal(apply(['add below.gslb.example. 60 NS ns.other.example.']).rcode, RCODE_REFUSED);
});

test('a delegation and a DNAME never come to one name, nor push each other out', () => {
  const [ns, dname] = ['add d.gslb.example. 60 NS a.', 'add d.gslb.example. 60 DNAME a.'];
  assert.equal(apply([ns, dname]).rcode, RCODE_REFUSED);
  assert.equal(apply([dname], [record('d.gslb.example.', 60, 'NS', 'a.')]).rcode, RCODE_REFUSED);
  const after = apply([ns], [record('d.gslb.example.', 60, 'DNAME', 'a.')]);
  assert.deepEqual([after.rcode, /push out d/.test(after.why!)], [RCODE_REFUSED, true]);
  const below = apply([ns], [record('x.d.gslb.example.', 60, 'DNAME', 'a.')]);
  assert.deepEqual([below.rcode, /push out x\.d/.test(below.why!)], [RCODE_REFUSED, true]);
});

test('an update has a bounded number of records', () => {
  const lines = Array.from({ length: UPDATE_RECORDS_MAX + 1 }, (_, index) =>
    octets(`n${index % 100}.gslb.example.`, 'NONE', 'A', 0, Uint8Array.from([192, 0, 2, 1])),
  );
  assert.equal(rcodeOf(lines), RCODE_REFUSED);
  assert.equal(rcodeOf(lines.slice(1)), RCODE_NOERROR);
});

test('records of a name and of a zone are bounded', () => {
  const many = (count: number, name: (index: number) => string) =>
    Array.from({ length: count }, (_, index) => record(name(index), 1, 'TXT', `"${index}"`));
  const full = apply(
    ['add full.gslb.example. 1 TXT one-more'],
    many(500, () => 'full.gslb.example.'),
  );
  assert.deepEqual([full.rcode, /more than 500 added/.test(full.why!)], [RCODE_REFUSED, true]);
  const zone = apply(
    ['add full.gslb.example. 1 TXT one-more'],
    many(5000, (index) => `n${index}.gslb.example.`),
  );
  assert.match(zone.why!, /more than 5000 added/);
  const noise = (index: number): string =>
    createHash('shake256', { outputLength: 300 }).update(`${index}`).digest('base64');
  const large = apply(
    ['add full.gslb.example. 1 TXT one-more'],
    many(450, (index) => `n${index}.gslb.example.`).map((each, index) => ({
      ...each,
      data: `"${noise(index).slice(0, 200)}" "${noise(index).slice(200)}"`,
    })),
  );
  assert.match(`${large.why}`, /more than 128 KiB, packed/);
});
