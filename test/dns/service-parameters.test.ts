import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseName } from '../../src/dns/name.ts';
import { formatRdata, parseRdata } from '../../src/dns/rdata/registry.ts';
import { wireName } from '../nameserver/fixture.ts';

/** RFC 9460, appendix D: what must be read, octet by octet, and what must be refused. */
const ORIGIN = parseName('example.com.')!;
const hex = (octets: readonly number[]): string => Buffer.from(octets).toString('hex');
const FOO = hex(wireName('foo.example.com'));
const FOO_ORG = hex(wireName('foo.example.org'));

const VECTORS: readonly (readonly [string, string])[] = [
  ['0 foo.example.com.', `0000${FOO}`],
  ['1 .', '000100'],
  ['16 foo.example.com. port=53', `0010${FOO}000300020035`],
  ['1 foo.example.com. key667=hello', `0001${FOO}029b000568656c6c6f`],
  ['1 foo.example.com. key667="hello\\210qoo"', `0001${FOO}029b000968656c6c6fd2716f6f`],
  [
    '1 foo.example.com. ipv6hint="2001:db8::1,2001:db8::53:1"',
    `0001${FOO}0006002020010db800000000000000000000000120010db8000000000000000000530001`,
  ],
  [
    '1 example.com. ipv6hint="2001:db8:122:344::192.0.2.33"',
    `0001${hex(wireName('example.com'))}0006001020010db80122034400000000c0000221`,
  ],
  [
    '16 foo.example.org. alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1',
    `0010${FOO_ORG}0000000400010004000100090268320568332d313900040004c0000201`,
  ],
  [
    '16 foo.example.org. alpn="f\\\\\\\\oo\\\\,bar,h2"',
    `0010${FOO_ORG}0001000c08665c6f6f2c626172026832`,
  ],
  [
    '16 foo.example.org. alpn=f\\\\\\092oo\\092,bar,h2',
    `0010${FOO_ORG}0001000c08665c6f6f2c626172026832`,
  ],
];

const REFUSED = [
  'key123=abc key123=def',
  'mandatory',
  'alpn',
  'port',
  'ipv4hint',
  'ipv6hint',
  'no-default-alpn=abc',
  'mandatory=key123',
  'mandatory=mandatory',
  'mandatory=key123,key123 key123=abc',
];

for (const [type, number] of [
  ['SVCB', 64],
  ['HTTPS', 65],
] as const) {
  test(`${type} is read as the vectors of RFC 9460 D.1 and D.2 have it, and written back`, () => {
    for (const [text, octets] of VECTORS) {
      const parsed = parseRdata(type, text, ORIGIN);
      assert.ok(parsed.ok, `${text}: ${parsed.ok ? '' : parsed.message}`);
      assert.equal(Buffer.from(parsed.rdata).toString('hex'), octets, text);
      const again = parseRdata(type, formatRdata(number, parsed.rdata), ORIGIN);
      assert.ok(again.ok);
      assert.deepEqual(again.rdata, parsed.rdata);
    }
  });

  test(`${type} is refused where RFC 9460 D.3 says so`, () => {
    for (const text of REFUSED) {
      assert.equal(parseRdata(type, `1 foo.example.com. ${text}`, ORIGIN).ok, false, text);
    }
    assert.equal(parseRdata(type, '0 foo.example.com. alpn=h2', ORIGIN).ok, false);
  });
}
