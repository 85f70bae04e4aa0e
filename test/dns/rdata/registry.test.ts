import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseName } from '../../../src/dns/name.ts';
import {
  formatRdata,
  parseRdata,
  rdataByKind,
  rdataByType,
  rdataTypes,
} from '../../../src/dns/rdata/registry.ts';
import { typeName, typeNumber } from '../../../src/dns/type-names.ts';

const origin = parseName('example.com.');

/** Kind, text, hexadecimal wire bytes and the text that comes back when it differs. */
const valid: readonly (readonly [string, string, string, string?])[] = [
  ['A', '192.0.2.1', 'c0000201'],
  ['AAAA', '2001:DB8:0:0::1', '20010db8000000000000000000000001', '2001:db8::1'],
  ['AAAA', '::', '00000000000000000000000000000000'],
  ['NS', 'ns1', '036e7331076578616d706c6503636f6d00', 'ns1.example.com.'],
  ['NS', '@', '076578616d706c6503636f6d00', 'example.com.'],
  ['CNAME', 'a.b.', '0161016200'],
  ['PTR', '.', '00'],
  ['MX', '10 a.', '000a016100'],
  ['MX', '0 .', '000000'],
  ['SRV', '1 65535 443 a.', '0001ffff01bb016100'],
  [
    'SOA',
    'a. b. ( 4294967295 ; serial\n 2 3 4 5 )',
    '0161000162 00ffffffff00000002000000030000000400000005'.replace(' ', ''),
    'a. b. 4294967295 2 3 4 5',
  ],
  ['TXT', '"v=spf1 -all"', '0b763d73706631202d616c6c'],
  ['TXT', 'bare "two words" ""', '04626172650974776f20776f72647300', '"bare" "two words" ""'],
  ['TXT', '"\\"\\\\\\200"', '03225cc8'],
  [
    'CAA',
    '128 issue "ca.example; x=1"',
    '80056973737565 63612e6578616d706c653b20783d31'.replace(' ', ''),
  ],
  ['CAA', '0 iodef mailto:a@b', '0005696f6465666d61696c746f3a614062', '0 iodef "mailto:a@b"'],
  ['TYPE65280', '\\# 3 ab cd ef', 'abcdef', '\\# 3 abcdef'],
  ['TYPE65280', '\\# 0', '', '\\# 0'],
  ['HTTPS', '\\# 3 000100', '000100', '1 .'],
  ['a', '\\# 4 c0000201', 'c0000201', '192.0.2.1'],
  // On the equator, and where it meets the meridian.
  [
    'LOC',
    '0 N 4 53 32 E 0m',
    '0012161380000000810cbce000989680',
    '0 0 0.000 N 4 53 32.000 E 0.00m 1.00m 10000.00m 10.00m',
  ],
  [
    'LOC',
    '0 0 0.000 N 0 0 0.000 E -100000.00m 0.00m 0.00m 0.00m',
    '00000000800000008000000000000000',
  ],
];

test('parseRdata() and formatRdata() read and write every type', () => {
  for (const [kind, text, hex, back] of valid) {
    const result = parseRdata(kind, text, origin);
    assert.ok(result.ok, `${kind} ${text}: ${result.ok ? '' : result.message}`);
    assert.equal(Buffer.from(result.rdata).toString('hex'), hex, `${kind} ${text}`);
    const type = typeNumber(kind);
    assert.ok(type !== undefined);
    assert.equal(formatRdata(type, result.rdata), back ?? text);
  }
});

test('parseRdata() says what is wrong and what to write instead', () => {
  const cases: readonly (readonly [string, string, RegExp, RegExp?])[] = [
    ['A', '192.0.2', /not an IPv4 address/, /192\.0\.2\.1/],
    ['A', '2001:db8::1', /an IPv6 address/, /AAAA/],
    ['A', '192.0.2.1 192.0.2.2', /2 fields/],
    ['A', '', /0 fields/, /<IPv4 address>/],
    ['AAAA', '192.0.2.1', /an IPv4 address/, /type A/],
    ['AAAA', '2001:db8', /not an IPv6 address/],
    ['NS', 'a..b.', /not a valid name/],
    ['NS', '"a."', /not a valid name/],
    ['MX', 'mail.example.com.', /1 field$/, /<preference> <mail host>/],
    ['MX', '65536 a.', /preference "65536"/, /0 to 65535/],
    ['MX', '-1 a.', /preference "-1"/],
    ['SRV', '1 2 70000 a.', /port "70000"/],
    ['SRV', '1 2 3', /3 fields/],
    ['SOA', 'a. b. 1 2 3 4', /6 fields/],
    ['SOA', 'a. b. 4294967296 2 3 4 5', /serial/, /4294967295/],
    ['SOA', 'a. b. 1 1x 3 4 5', /refresh "1x"/, /1h30m/],
    ['TXT', '', /0 fields/],
    ['TXT', `"${'x'.repeat(256)}"`, /256 octets/, /split it/],
    ['TXT', '"\\999"', /broken escape/],
    ['TXT', '"open', /not closed/],
    ['CAA', '256 issue "a"', /flags "256"/, /0 to 255/],
    ['CAA', '0 is-sue "a"', /tag "is-sue"/],
    ['CAA', '0 issue', /2 fields/],
    ['FOO', 'x', /unknown record type "FOO"/, /A, AAAA/],
    ['TYPE65536', '\\# 0', /unknown record type/],
    ['TYPE65280', 'x', /no text form/, /\\#/],
    ['A', '\\# 3 c00002', /no A data/],
    ['A', '\\# 4 c00002', /say 4 octets but have 3/],
    ['A', '\\# 4 c00002zz', /not octets and hexadecimal/],
    ['CNAME', '\\# 2 c00c', /no CNAME data/],
  ];
  for (const [kind, text, message, hint] of cases) {
    const result = parseRdata(kind, text, origin);
    assert.ok(!result.ok, `${kind} ${text} should not be valid`);
    assert.match(result.message, message);
    if (hint !== undefined) assert.match(result.hint ?? '', hint, `${kind} ${text}`);
  }
});

test('parseRdata() asks for the final dot when there is no origin', () => {
  const result = parseRdata('CNAME', 'target');
  assert.ok(!result.ok);
  assert.match(result.hint ?? '', /"target\."/);
});

test('formatRdata() falls back to the generic form when the octets are not of the type', () => {
  const cases: readonly (readonly [number, string])[] = [
    [1, 'c00002'],
    [28, '00'],
    [2, 'c00c'],
    [2, '0000'],
    [15, '00'],
    [6, '0000'],
    [33, '000100020003'],
    [16, '05'],
    [16, ''],
    [257, '00'],
    [257, '0005'],
    [257, '000120'],
  ];
  for (const [type, hex] of cases) {
    const rdata = Uint8Array.from(Buffer.from(hex, 'hex'));
    const expected = hex === '' ? '\\# 0' : `\\# ${rdata.length} ${hex}`;
    assert.equal(formatRdata(type, rdata), expected, `${typeName(type)} ${hex}`);
  }
});

test('typeName() and typeNumber() are each other and know TYPE123', () => {
  for (const type of [1, 2, 5, 6, 12, 15, 16, 28, 33, 41, 64, 65, 250, 255, 257, 65280]) {
    assert.equal(typeNumber(typeName(type)), type);
  }
  assert.equal(typeName(65280), 'TYPE65280');
  assert.equal(typeNumber('aaaa'), 28);
  assert.equal(typeNumber('type28'), 28);
  assert.equal(typeNumber('NOPE'), undefined);
});

test('every type is found by kind and number, and has its words', () => {
  for (const type of rdataTypes) {
    assert.equal(rdataByKind(type.kind.toLowerCase()), type);
    assert.equal(rdataByType(type.type), type);
    assert.ok(type.summary !== '' && type.syntax !== '');
    assert.equal(type.kind, type.kind.toUpperCase());
  }
  assert.equal(rdataByKind('WKS'), undefined);
  assert.equal(rdataByType(11), undefined);
});
