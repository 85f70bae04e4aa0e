import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withOverlays } from '../../src/config/overlay.ts';
import { standBeside } from '../../src/config/standing.ts';
import { config, configOf, ZONE } from '../nameserver/update-rig.ts';

const set = (owner: string, type: string, ...data: string[]) => ({
  owner: `${owner}.gslb.example.`,
  type,
  ttl: 60,
  data,
});
const stand = (...rrsets: readonly ReturnType<typeof set>[]) =>
  standBeside(ZONE, config.zones[ZONE]!, config.pools, rrsets);

test('what was added yields to what is written later, and to what is steered', () => {
  const rows = [
    [set('www', 'A', '192.0.2.9'), /steered/],
    [set('www', 'CNAME', 'a.example.'), /steered/],
    [set('docs', 'TXT', '"x"'), /steered to CNAMEs/],
    [set('alias', 'TXT', '"x"'), /is a CNAME/],
    [set('mail', 'CNAME', 'a.example.'), /stands alone/],
    [set('x', 'CNAME', 'a.example.', 'b.example.'), /one target/],
    [set('x', 'SOA', 'a. b. 1 2 3 4 5'), /SOA/],
    [set('*.x', 'NS', 'a.example.'), /wildcard/],
    [set('*.x', 'DNAME', 'a.example.'), /wildcard/],
    [set('below', 'DNAME', 'a.example.'), /hide names below/],
    [set('below', 'NS', 'ns.other.example.'), /hide names below/],
    [set('below', 'NS', 'ns.below.gslb.example.'), /hide names below/],
  ] as const;
  for (const [rrset, why] of rows) {
    const { kept, refused } = stand(rrset);
    assert.deepEqual(kept, [], rrset.type);
    assert.match(refused[0]!.why, why);
  }
  const fits = [set('www', 'TXT', '"x"'), set('mail', 'A', '192.0.2.99'), set('x', 'MX', '1 a.')];
  const { kept, refused } = stand(...fits);
  assert.deepEqual(refused, []);
  assert.deepEqual(
    kept.map(({ ttl }) => ttl),
    [60, 300, 60],
    'the TTL that is written counts',
  );
});

test('a delegation has no DNAME at it or below it, whichever was first', () => {
  const [ns, dname] = [set('d', 'NS', 'ns.other.example.'), set('d', 'DNAME', 'a.example.')];
  for (const both of [
    [ns, dname],
    [dname, ns],
    [set('x.d', 'DNAME', 'a.example.'), ns],
  ]) {
    const { kept, refused } = stand(...both);
    assert.deepEqual([kept, refused.length], [[ns], 1]);
    assert.match(refused[0]!.why, /delegated name|hide names/);
  }
  const written = configOf(`
zones:
  gslb.example:
    nameservers: ns.other.example.
    records:
      cut: { NS: ns.other.example. }
      away: { DNAME: a.example. }
      ns.new: { A: 192.0.2.1, AAAA: 2001:db8::1 }
      a\\.new: { A: 192.0.2.1 }
`);
  const { kept, refused } = standBeside(ZONE, written.zones[ZONE]!, written.pools, [
    set('cut', 'DNAME', 'a.example.'),
    set('x.cut', 'DNAME', 'a.example.'),
    set('away', 'NS', 'ns.other.example.'),
    set('new', 'NS', 'ns.NEW.gslb.example.', 'ns.other.example.'),
  ]);
  assert.deepEqual([refused.length, kept.map(({ owner }) => owner)], [3, ['new.gslb.example.']]);
  const { pools, zones } = configOf(
    "zones: { '.': { nameservers: a.b., records: { a.b.: { A: 192.0.2.1 } } } }",
  );
  const rrset = { owner: '.', type: 'DNAME', ttl: 1, data: ['a.example.'] };
  const { refused: root } = standBeside('.', zones['.']!, pools, [rrset]);
  assert.match(root[0]!.why, /hide names/);
});

test('of what comes together a CNAME yields, and an answer must hold all of a set', () => {
  const { kept, refused } = stand(set('x', 'CNAME', 'a.example.'), set('x', 'TXT', '"x"'));
  assert.deepEqual([kept.map(({ type }) => type), refused.length], [['TXT'], 1]);
  const long = Array.from({ length: 300 }, (_, index) => `"${index} ${'x'.repeat(240)}"`);
  assert.match(stand(set('x', 'TXT', ...long)).refused[0]!.why, /more than one answer holds/);
  // Octets that are many more than characters.
  const bitmaps = Array.from({ length: 1500 }, (_, index) => `${index} 0 TYPE65535`);
  assert.match(stand(set('x', 'CSYNC', ...bitmaps)).refused[0]!.why, /more than one answer holds/);
});

test('an overlay that yields never keeps a zone from being served', () => {
  const later = configOf(`
zones:
  gslb.example:
    nameservers: ns.other.example.
    soa: { serial: 20 }
    records: { new: { CNAME: elsewhere.example. }, both: { A: 192.0.2.1 } }
`);
  const zone = withOverlays(later, [
    {
      zone: ZONE,
      serial: 9,
      yields: true,
      rrsets: [set('new', 'TXT', '"x"'), set('both', 'A', '192.0.2.2')],
    },
    { zone: ZONE, serialIncrement: 3, rrsets: [set('both', 'TXT', '"fixed"')] },
  ]).zones[ZONE]!;
  const texts = zone.rrsets.map(({ data, owner, ttl, type }) => `${owner} ${ttl} ${type} ${data}`);
  assert.ok(!texts.some((each) => /new.*TXT/.test(each)));
  assert.ok(texts.includes('both.gslb.example. 300 A 192.0.2.1,192.0.2.2'), texts.join('\n'));
  assert.equal(zone.soa.serial, 23);
});
