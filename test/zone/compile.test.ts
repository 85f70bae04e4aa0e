import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileZones } from '../../src/zone/compile.ts';
import type { RrsetSource, ZoneSource } from '../../src/zone/zone-source.ts';
import { type NodeCount, nodeCount } from './table-facts.ts';

function zone(name: string, changes: Partial<ZoneSource> = {}): ZoneSource {
  return {
    name,
    ttl: 3600,
    soa: {
      mname: 'ns1.example.',
      rname: 'hostmaster.example.',
      serial: 1,
      refresh: 1,
      retry: 1,
      expire: 1,
      minimum: 60,
    },
    rrsets: [],
    steered: [],
    ...changes,
  };
}

function rrset(owner: string, type: string, ...data: string[]): RrsetSource {
  return { owner, type, ttl: 300, data };
}

/** Paths and messages of the issues, in one line each. */
function issues(...sources: ZoneSource[]): readonly string[] {
  const result = compileZones(sources);
  return result.ok ? [] : result.issues.map(({ path, message }) => `${path}: ${message}`);
}

function facts(...sources: ZoneSource[]): NodeCount {
  const result = compileZones(sources);
  if (!result.ok) throw new Error(JSON.stringify(result.issues));
  return nodeCount(result.table);
}

test('compileZones() compiles nothing to a table without names', () => {
  assert.deepEqual(facts(), { nodes: 0, zones: 0 });
});

test('compileZones() makes nodes of apexes, empty non-terminals and owners', () => {
  const source = zone('example', { rrsets: [rrset('a.b.c.example.', 'A', '192.0.2.1')] });
  assert.deepEqual(facts(source), { nodes: 4, zones: 1 });
});

test('compileZones() has an index for the names that there are, whatever they own', () => {
  const NAMES = 1000;
  const types = [
    ['A', '192.0.2.1'],
    ['AAAA', '2001:db8::1'],
    ['TXT', 'text'],
    ['MX', '10 mail.test.'],
  ] as const;
  const rrsets = Array.from({ length: NAMES }, (_, index) =>
    types.map(([type, data]) => rrset(`h${index}.example.`, type, data)),
  ).flat();
  const result = compileZones([zone('example', { rrsets })]);
  assert.ok(result.ok);
  const { length } = result.table.slots;
  assert.ok(length >= 2 * NAMES && length <= 5 * NAMES, `${length} slots`);
});

test('compileZones() lies on shared memory', () => {
  const result = compileZones([zone('example')]);
  assert.ok(result.ok);
  const { memory: _, ...columns } = result.table;
  for (const column of Object.values(columns)) {
    assert.ok(column.buffer instanceof SharedArrayBuffer);
  }
});

test('compileZones() accepts names with and without the final dot, in any case', () => {
  assert.deepEqual(issues(zone('Example.'), zone('sub.example')), []);
  assert.deepEqual(issues(zone('.')), []);
});

test('compileZones() tells names of all octets apart, and letters in case only not', () => {
  const octets = Array.from({ length: 256 }, (_, octet) => octet);
  const letters = octets.filter((octet) => octet >= 0x41 && octet <= 0x5a).length;
  const owners = octets.map((octet) => `\\${String(octet).padStart(3, '0')}.example.`);
  const lower = owners.filter((_, octet) => octet < 0x41 || octet > 0x5a);
  const source = zone('example', { rrsets: lower.map((owner) => rrset(owner, 'TXT', 'x')) });
  assert.equal(facts(source).nodes, 1 + 256 - letters);
  const all = zone('example', { rrsets: owners.map((owner) => rrset(owner, 'TXT', 'x')) });
  assert.equal(issues(all).length, letters);
});

test('compileZones() lets a parent zone hold what belongs to a child of ours', () => {
  const parent = zone('example', {
    rrsets: [
      rrset('sub.example.', 'NS', 'ns.sub.example.'),
      rrset('ns.sub.example.', 'A', '192.0.2.1'),
      rrset('sub.example.', 'DS', '\\# 5 0001 0d09 ab'),
    ],
  });
  assert.deepEqual(issues(parent, zone('sub.example')), []);
});

const CASES: Readonly<Record<string, readonly [ZoneSource, RegExp]>> = {
  'a name that is none': [zone('a..b'), /^zones\.a\.\.b: "a\.\.b" is not a domain name$/],
  'an owner outside': [
    zone('example', { rrsets: [rrset('www.test.', 'A', '192.0.2.1')] }),
    /^zones\.example\.rrsets\.0\.owner: www\.test\. is outside of the zone example\.$/,
  ],
  'a relative owner': [
    zone('example', { rrsets: [rrset('www', 'A', '192.0.2.1')] }),
    /rrsets\.0\.owner: "www" is not an absolute name/,
  ],
  'data that are not the type’s': [
    zone('example', { rrsets: [rrset('www.example.', 'A', '192.0.2.1', '2001:db8::1')] }),
    /^zones\.example\.rrsets\.0\.data\.1: /,
  ],
  'a type that is none': [
    zone('example', { rrsets: [rrset('www.example.', 'AAAAA', 'x')] }),
    /rrsets\.0\.type: AAAAA is not a type of records in a zone/,
  ],
  'a type that no zone holds': [
    zone('example', { rrsets: [rrset('www.example.', 'TYPE250', '\\# 0')] }),
    /rrsets\.0\.type: TYPE250 is not/,
  ],
  'an SOA among the records': [
    zone('example', { rrsets: [rrset('example.', 'SOA', 'a. b. 1 1 1 1 1')] }),
    /rrsets\.0\.type: SOA is not/,
  ],
  'an RRset without data': [
    zone('example', { rrsets: [rrset('www.example.', 'A')] }),
    /rrsets\.0\.data: an RRset needs data/,
  ],
  'the same record twice': [
    zone('example', { rrsets: [rrset('www.example.', 'A', '192.0.2.1', '192.0.2.1')] }),
    /rrsets\.0\.data\.1: this record is there twice/,
  ],
  'the same RRset twice': [
    zone('example', {
      rrsets: [rrset('www.example.', 'A', '192.0.2.1'), rrset('WWW.example.', 'A', '192.0.2.2')],
    }),
    /rrsets\.1\.owner: WWW\.example\. A is there twice/,
  ],
  'a TTL that is none': [
    zone('example', { rrsets: [{ ...rrset('www.example.', 'A', '192.0.2.1'), ttl: -1 }] }),
    /rrsets\.0\.ttl: -1 is not a TTL in seconds/,
  ],
  'an RRset larger than a message': [
    zone('example', {
      rrsets: [
        rrset(
          'www.example.',
          'TXT',
          ...Array.from({ length: 300 }, (_, i) => `"${'x'.repeat(240)}${i}"`),
        ),
      ],
    }),
    /rrsets\.0\.data: \d+ bytes are more than one answer holds/,
  ],
  'other data beside a CNAME': [
    zone('example', {
      rrsets: [rrset('a.example.', 'CNAME', 'b.example.'), rrset('a.example.', 'TXT', '"x"')],
    }),
    /^zones\.example: a\.example\.: a CNAME cannot have other records beside it$/,
  ],
  'a CNAME at the apex': [
    zone('example', { rrsets: [rrset('example.', 'CNAME', 'b.example.')] }),
    /example\.: a CNAME cannot have other records beside it/,
  ],
  'two CNAMEs': [
    zone('example', { rrsets: [rrset('a.example.', 'CNAME', 'b.example.', 'c.example.')] }),
    /there can be only one CNAME/,
  ],
  'a wildcard delegation': [
    zone('example', { rrsets: [rrset('*.example.', 'NS', 'ns.test.')] }),
    /rrsets\.0\.owner: a wildcard cannot be a delegation/,
  ],
  'a wildcard DNAME': [
    zone('example', { rrsets: [rrset('*.example.', 'DNAME', 'b.test.')] }),
    /: \*\.example\.: a wildcard cannot have a DNAME/,
  ],
  'two DNAMEs': [
    zone('example', { rrsets: [rrset('a.example.', 'DNAME', 'b.test.', 'c.test.')] }),
    /a\.example\.: there can be only one DNAME/,
  ],
  'a CNAME beside a DNAME': [
    zone('example', {
      rrsets: [rrset('a.example.', 'DNAME', 'b.test.'), rrset('a.example.', 'CNAME', 'c.test.')],
    }),
    /a\.example\.: a CNAME cannot have other records beside it/,
  ],
  'a name below a DNAME': [
    zone('example', {
      rrsets: [rrset('a.example.', 'DNAME', 'b.test.'), rrset('x.a.example.', 'TXT', '"x"')],
    }),
    /x\.a\.example\.: the DNAME of a\.example\. hides this name/,
  ],
  'a steered name below a DNAME': [
    zone('example', {
      rrsets: [rrset('a.example.', 'DNAME', 'b.test.')],
      steered: [{ owner: 'x.a.example.', service: 0 }],
    }),
    /x\.a\.example\.: the DNAME of a\.example\. hides this name/,
  ],
  'a DS at its own apex': [
    zone('example', { rrsets: [rrset('example.', 'DS', '\\# 5 0001 0d09 ab')] }),
    /rrsets\.0\.owner: DS records of a zone stand in its parent zone/,
  ],
  'a steered CNAME': [
    zone('example', {
      rrsets: [rrset('a.example.', 'CNAME', 'b.example.')],
      steered: [{ owner: 'a.example.', service: 0 }],
    }),
    /a\.example\.: a steered name cannot be a CNAME/,
  ],
  'static addresses at a steered name': [
    zone('example', {
      rrsets: [rrset('a.example.', 'AAAA', '::1')],
      steered: [{ owner: 'a.example.', service: 0 }],
    }),
    /a\.example\.: a steered name cannot have static AAAA records/,
  ],
  'a name steered twice': [
    zone('example', {
      steered: [
        { owner: 'a.example.', service: 0 },
        { owner: 'a.example.', service: 1 },
      ],
    }),
    /steered\.1\.owner: a\.example\. is steered twice/,
  ],
  'a steered name below a delegation': [
    zone('example', {
      rrsets: [rrset('sub.example.', 'NS', 'ns.test.')],
      steered: [{ owner: 'a.sub.example.', service: 0 }],
    }),
    /steered\.0\.owner: a\.sub\.example\. cannot be steered: sub\.example\. is delegated away/,
  ],
  'an MNAME that is none': [
    zone('example', { soa: { ...zone('x').soa, mname: 'ns1' } }),
    /^zones\.example\.soa\.mname: "ns1" is not an absolute name$/,
  ],
  'a serial beyond 32 bits': [
    zone('example', { soa: { ...zone('x').soa, serial: 2 ** 32 } }),
    /soa\.serial: 4294967296 is not within 0\.\.4294967295/,
  ],
};

for (const [what, [source, expected]] of Object.entries(CASES)) {
  test(`compileZones() reports ${what}`, () => {
    const found = issues(source);
    assert.equal(found.length, 1, found.join('\n'));
    assert.match(found[0]!, expected);
  });
}

test('compileZones() reports a zone that is there twice, and one steered in another’s', () => {
  assert.match(issues(zone('example'), zone('EXAMPLE.'))[0]!, /this zone is there twice/);
  const parent = zone('example', { steered: [{ owner: 'a.sub.example.', service: 0 }] });
  assert.match(issues(parent, zone('sub.example'))[0]!, /belongs to another zone of ours/);
});

test('compileZones() reports everything at once', () => {
  const source = zone('example', {
    rrsets: [rrset('x.test.', 'A', '1'), rrset('y.example.', 'A', 'z')],
    steered: [{ owner: '..', service: 0 }],
  });
  assert.equal(issues(source, zone('-..')).length, 5);
});
