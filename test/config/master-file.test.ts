import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ZoneFiles } from '../../src/config/master-file.ts';
import { type Validation, validateConfig } from '../../src/config/validate.ts';
import { openZoneFiles } from '../../src/workers/zone-files.ts';
import { centroids } from './centroids.ts';

const HEAD = '@ 3600 SOA ns1 hostmaster 7 2 3 4 5\n@ NS ns1\nns1 A 192.0.2.53\n';
const POOL = `
regions: { here: { location: DE, vips: [192.0.2.1] } }
pools: { web: { endpoints: [here] } }
`;

function validate(zone: string, files: Readonly<Record<string, string>>, more = POOL): Validation {
  const zoneFiles: ZoneFiles = (path) => {
    const text = files[path];
    return text === undefined
      ? { message: `${path}: there is no such file` }
      : { name: path, text };
  };
  const text = `${more}\nzones:\n  example.com: ${zone}\n`;
  return validateConfig(text, 'test.yaml', {}, centroids, zoneFiles);
}

function said(validation: Validation): string[] {
  const issues = validation.ok ? validation.warnings : validation.issues;
  return issues.map(
    ({ file, line, column, path, message }) => `${file}:${line}:${column} ${path}: ${message}`,
  );
}

test('a zone may come from a master file, with steered names and more records beside it', () => {
  const file = `${HEAD}www 60 IN STEER web ttl-min=9\nmail A 192.0.2.25\n 3600 A 192.0.2.26\n`;
  const zone =
    '{ file: a.zone, steered: { api: { pool: web } }, records: { x: { A: 192.0.2.3 } } }';
  const result = validate(zone, { 'a.zone': file });
  assert.ok(result.ok, said(result).join('\n'));
  const { rrsets, soa, steered, ttl } = result.config.zones['example.com']!;
  assert.equal(ttl, 3600);
  assert.deepEqual(soa, {
    mname: 'ns1.example.com.',
    rname: 'hostmaster.example.com.',
    serial: 7,
    refresh: 2,
    retry: 3,
    expire: 4,
    minimum: 5,
  });
  assert.deepEqual(
    rrsets.map(({ owner, type, ttl: own, data }) => [owner, type, own, ...data]),
    [
      ['example.com.', 'NS', 3600, 'ns1.example.com.'],
      ['ns1.example.com.', 'A', 3600, '192.0.2.53'],
      ['mail.example.com.', 'A', 3600, '192.0.2.25', '192.0.2.26'],
      ['x.example.com.', 'A', 300, '192.0.2.3'],
    ],
  );
  assert.deepEqual(steered, [
    { owner: 'www.example.com.', pool: 'web', policy: 'closest', ttlMin: 9, ttlMax: 60 },
    { owner: 'api.example.com.', pool: 'web', policy: 'closest', ttlMin: 5, ttlMax: 30 },
  ]);
});

test('problems of a master file are shown in it, with line and column', () => {
  const file = `${HEAD}x A 192.0.2.256\nwww STEER nowhere policy=none ttl-min=60\nwww A 192.0.2.1\nc CNAME x\n TXT t\n`;
  assert.deepEqual(said(validate('{ file: a.zone }', { 'a.zone': file })), [
    'a.zone:4:5 zones.example.com.file: "192.0.2.256" is not an IPv4 address',
    'a.zone:5:11 zones.example.com.file: there is no pool "nowhere"',
    'a.zone:5:19 zones.example.com.file: there is no policy "none"',
    'a.zone:5:31 zones.example.com.file: min 60 is more than max 30',
    'a.zone:6:1 zones.example.com.file: www.example.com. is steered: it cannot have A records too',
    'a.zone:7:1 zones.example.com.file: c.example.com. has a CNAME and also TXT',
  ]);
});

test('a master file is whole: SOA and nameservers, each once', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['{ file: a.zone }', '@ 1 NS ns.example.net.', 'a.zone has no SOA'],
    ['{ file: a.zone }', '@ 1 SOA . . 1 2 3 4 5', 'a.zone has no NS records of the zone'],
    ['{ file: a.zone }', `${HEAD}${HEAD}`, 'a second SOA'],
    [
      '{ file: a.zone }',
      `${HEAD}sub SOA . . 1 2 3 4 5`,
      'a SOA below the zone, at sub.example.com.',
    ],
    ['{ file: a.zone, soa: { serial: 3 } }', HEAD, 'soa and file exclude each other'],
    ['{ file: a.zone, nameservers: ns1 }', HEAD, 'nameservers and file exclude each other'],
    ['{ file: b.zone }', HEAD, 'b.zone: there is no such file'],
    ['{ soa: { serial: 3 } }', HEAD, 'this zone has no nameservers'],
    [
      '{ file: a.zone, records: { ns1: { A: 192.0.2.1 } } }',
      HEAD,
      "ns1.example.com. A is in the zone's file too",
    ],
    ['{ file: a.zone }', `${HEAD}x OPT 1`, 'OPT data have no text form here'],
  ];
  for (const [zone, file, message] of cases) {
    const result = validate(zone, { 'a.zone': file });
    assert.ok(!result.ok, message);
    assert.deepEqual(
      result.issues.map((issue) => issue.message),
      [message],
    );
  }
});

test('what is left out of a master file is said', () => {
  const file = `${HEAD}example.net. A 192.0.2.1\n@ NSEC3PARAM 1 0 0 -\nx 5 A 192.0.2.1\nx 6 A 192.0.2.2\nw STEER web\n`;
  const result = validate('{ file: a.zone }', { 'a.zone': file });
  assert.ok(result.ok, said(result).join('\n'));
  assert.deepEqual(said(result), [
    'a.zone:4:1 zones.example.com.file: example.net. is not inside the zone example.com.',
    'a.zone:5:1 zones.example.com.file: NSEC3PARAM records are left out',
    'a.zone:7:1 zones.example.com.file: x.example.com. A has the TTL 5 above and 6 here',
  ]);
});

test('zone files are below the folder of the configuration, whatever names and links say', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'meridian-zones-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const root = join(folder, 'etc');
  mkdirSync(join(root, 'zones'), { recursive: true });
  writeFileSync(join(folder, 'secret'), 'x');
  writeFileSync(join(root, 'top.zone'), '\ufeff; top');
  writeFileSync(join(root, 'zones', 'a.zone'), '; a');
  writeFileSync(join(root, 'zones', 'b.zone'), Buffer.from([0x3b, 0xff]));
  symlinkSync(join(folder, 'secret'), join(root, 'zones', 'link'));
  const files = openZoneFiles(join(root, 'meridian.yaml'));
  const a = files('zones/a.zone');
  assert.ok('text' in a);
  assert.equal(a.text, '; a');
  const top = files('../top.zone', a);
  assert.ok('text' in top);
  assert.equal(top.text, '; top');
  for (const [path, message] of [
    ['../secret', /outside of/],
    [join(folder, 'secret'), /outside of/],
    ['zones/link', /outside of/],
    ['zones', /cannot be read \(EISDIR\)/],
    ['zones/none', /there is no such file/],
    ['zones/b.zone', /not UTF-8/],
  ] as const) {
    const refused = files(path);
    assert.ok('message' in refused, path);
    assert.match(refused.message, message);
  }
});
