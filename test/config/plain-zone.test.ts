import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RrsetConfig, ZoneConfig } from '../../src/config/config.ts';
import { validateConfig } from '../../src/config/validate.ts';
import { rrsetsOf } from '../../src/config/zone-rrsets.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';
import { centroids } from './centroids.ts';

const HEAD =
  '$TTL 300\n@ IN SOA ns1 hostmaster 7 3600 600 1209600 60\n@ NS ns1\nns1 A 192.0.2.53\n';

const POOL =
  'regions: { eu: { location: { latitude: 1, longitude: 1 }, vips: 192.0.2.80 } }, pools: { web: { endpoints: [eu] } }';

/** The zone of a file; with another zone below it, every record is looked at. */
function read(text: string, looksAtEach: boolean): ZoneConfig | string {
  const more = looksAtEach ? ', "below.z.example": { nameservers: [ns.other.example.] }' : '';
  const result = validateConfig(
    `{ ${POOL}, zones: { "z.example": { file: z.zone }${more} } }`,
    'test.yaml',
    {},
    centroids,
    () => ({ name: 'z.zone', text }),
  );
  if (!result.ok) return result.issues.map(({ message }) => message).join('; ');
  return result.config.zones['z.example']!;
}

const sorted = (rrsets: Iterable<RrsetConfig>): readonly RrsetConfig[] => [...rrsets];

/** That both ways say the same of a file; returns whether it was plain. */
function assertSame(text: string): boolean {
  const quick = read(text, false);
  const each = read(text, true);
  if (typeof quick === 'string') {
    assert.equal(typeof each, 'string', text);
    return false;
  }
  assert.ok(typeof each !== 'string', `${each}: ${text}`);
  const { filed, ...zone } = quick;
  assert.deepEqual({ ...zone, rrsets: sorted(rrsetsOf(quick)) }, each, text);
  return filed !== undefined;
}

const PLAIN: Readonly<Record<string, string>> = {
  'addresses and names': 'www A 198.51.100.1\nwww AAAA 2001:db8::1\nftp CNAME www\n',
  'all forms of IPv6':
    'a AAAA ::\nb AAAA ::1\nc AAAA 1::\nd AAAA 1:2:3:4:5:6:7:8\ne AAAA 1:2::7:8\n',
  'mixed notation': 'a AAAA ::ffff:192.0.2.1\n',
  'records of one set apart': 'a A 192.0.2.1\nb A 192.0.2.2\na A 192.0.2.3\n',
  'a record twice': 'a A 192.0.2.1\na A 192.0.2.1\n',
  'escapes, case, class and TTL in any order':
    'A\\.b 60 IN TXT "x"\nWWW in 60 A 192.0.2.1\n\\065bc TXT a\\032b\n',
  'an owner that is left out, and origins':
    'a A 192.0.2.1\n  TXT "of a"\n$ORIGIN sub\nb A 192.0.2.2\n',
  'parentheses and comments': 'a MX ( 10 ; the first\n mail.other.example. ) ; the second\n',
  strings: 'a TXT "one" two "th;ree" ""\n',
  'services and unknown types':
    '_x._tcp SRV 1 2 3 a.other.example.\nb TYPE65280 \\# 2 abcd\nb CAA 0 issue "ca"\n',
  'generic data of known types': 'a A \\# 4 c0000201\nb NS \\# 3 016100\nc MX \\# 5 000a016100\n',
  delegations:
    'sub NS ns.sub\nns.sub A 192.0.2.1\nsub DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000\nfar NS ns.other.example.\nnear NS ns.far\n',
  'wildcards and empty non-terminals': '* A 192.0.2.1\na.b.c A 192.0.2.2\n',
  'TTLs with units': 'a 1h30m A 192.0.2.1\n',
  'steered names': 'www 30 STEER web policy=closest\nwww.sub STEER web ttl-min=3\n',
};

for (const [what, text] of Object.entries(PLAIN)) {
  test(`a plain file with ${what} is packed, and says what it says record by record`, () => {
    assert.ok(assertSame(HEAD + text), 'it was not plain');
  });
}

const DOUBTFUL: Readonly<Record<string, string>> = {
  'TTLs that differ': 'a 60 A 192.0.2.1\na 61 A 192.0.2.2\n',
  'records outside': 'a.other. A 192.0.2.1\n',
  signatures: 'a NSEC b A\n',
  'a DNAME': 'a DNAME b.other.example.\n',
  'an alias for a mail host': 'a MX 1 b\nb CNAME ns1\n',
  'hidden records': 'sub NS ns.other.example.\na.sub TXT "hidden"\n',
  'a character beyond ASCII': 'a TXT "é"\n',
  'generated records': '$GENERATE 1-3 h$ A 192.0.2.$\n',
};

for (const [what, text] of Object.entries(DOUBTFUL)) {
  test(`a file with ${what} is read record by record`, () => {
    assert.equal(assertSame(HEAD + text), false);
  });
}

const WRONG: Readonly<Record<string, string>> = {
  'an alias with something beside it': 'a CNAME b\na A 192.0.2.1\n',
  'two targets of an alias': 'a CNAME b\na CNAME c\n',
  'a server without an address': 'sub NS ns.sub\n',
  'a second SOA': '@ SOA a b 1 1 1 1 1\n',
  'an address that is none': 'a A 192.0.2.256\n',
  'a leading zero': 'a A 192.0.2.01\n',
  'too many groups': 'a AAAA 1:2:3:4:5:6:7:8:9\n',
  'two gaps': 'a AAAA 1::2::3\n',
  'a gap of nothing': 'a AAAA 1:2:3:4::5:6:7:8:9\n',
  'a label that is too long': `${'a'.repeat(64)} A 192.0.2.1\n`,
  'an empty label': 'a..b A 192.0.2.1\n',
  'an open parenthesis': 'a A ( 192.0.2.1\n',
  'a wildcard that is delegated': '* NS ns.other.example.\n',
  'an RRset that is too long': 'a TXT x\n'.repeat(1) + bigSet(),
};

function bigSet(): string {
  return Array.from({ length: 300 }, (_, i) => `b TXT "${String(i).padEnd(250, 'x')}"\n`).join('');
}

for (const [what, text] of Object.entries(WRONG)) {
  test(`a file with ${what} is refused in the same words`, () => {
    const quick = read(HEAD + text, false);
    assert.equal(typeof quick, 'string');
    assert.equal(quick, read(HEAD + text, true));
  });
}

const label = fc.constantFrom('a', 'b', 'A', '*', 'ns1', 'c\\.d', '\\100', '@');
const name = fc.oneof(
  label,
  fc.tuple(label, label).map(([x, y]) => `${x}.${y}`),
  fc.constantFrom('z.example.', 'x.z.example.', 'out.example.', '.', 'a..b', '@.a'),
);
const address = fc.constantFrom(
  '192.0.2.1',
  '0.0.0.0',
  '1.2.3',
  '256.1.1.1',
  '01.2.3.4',
  '\\# 4 01020304',
);
const address6 = fc.constantFrom(
  '::',
  '1::2',
  ':1::',
  '1:2:3:4:5:6:7::',
  '1:2:3:4:5:6:7:8',
  '::1.2.3.4',
  '12345::',
);
const text = fc.constantFrom('x', '"x y"', '"a;b"', 'a\\"b', '""', '"\\065"', '(', 'é', '; x');
const data = fc.oneof(
  fc.tuple(fc.constant('A'), address),
  fc.tuple(fc.constant('AAAA'), address6),
  fc.tuple(fc.constantFrom('NS', 'CNAME', 'PTR', 'ns', 'DNAME'), name),
  fc.tuple(
    fc.constant('MX'),
    name.map((target) => `10 ${target}`),
  ),
  fc.tuple(
    fc.constant('SRV'),
    name.map((target) => `1 2 65535 ${target}`),
  ),
  fc.tuple(
    fc.constant('TXT'),
    fc.array(text, { minLength: 1, maxLength: 3 }).map((all) => all.join(' ')),
  ),
  fc.tuple(
    fc.constantFrom('CAA', 'TYPE65280', 'HTTPS', 'DS'),
    fc.constantFrom('0 issue "x"', '\\# 1 ff', '1 .', '1 8 2 ab'),
  ),
);
const line = fc
  .tuple(name, fc.constantFrom('', '60', 'IN', '60 IN', 'in 1h', 'CH', '99999999999'), data)
  .map(([owner, middle, [type, rest]]) => `${owner} ${middle} ${type} ${rest}\n`);
const odd = fc.constantFrom(
  '$ORIGIN b\n',
  '$ORIGIN z.example.\n',
  '$TTL 7\n',
  '\n',
  '; note\n',
  '  A 192.0.2.9\n',
  ')\n',
  '$X\n',
  'a\r\n',
  '\t TXT x\r\n',
);

test('whatever a file says, both ways agree on it', () => {
  let plain = 0;
  fc.assert(
    fc.property(
      fc.array(fc.oneof({ weight: 6, arbitrary: line }, odd), { maxLength: 6 }),
      (lines) => {
        if (assertSame(HEAD + lines.join(''))) plain += 1;
      },
    ),
    { seed: fuzzSeed(44), numRuns: fuzzRuns(1500) },
  );
  assert.ok(plain > 50, `only ${plain} were plain`);
});
