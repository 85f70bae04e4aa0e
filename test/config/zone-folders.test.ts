import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { rereadPlainZone } from '../../src/config/reread-zone.ts';
import { validateConfig } from '../../src/config/validate.ts';
import { rrsetsOf } from '../../src/config/zone-rrsets.ts';
import { openZoneFiles } from '../../src/workers/zone-files.ts';
import { centroids } from './centroids.ts';

const ZONE = '$TTL 300\n@ SOA ns1 h 1 3600 600 1209600 60\n@ NS ns1\nns1 A 192.0.2.53\n';

function folder(t: TestContext, files: Readonly<Record<string, string>>) {
  const root = mkdtempSync(join(tmpdir(), 'meridian-zones-'));
  t.after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, 'zones'));
  const write = (name: string, text: string) => writeFileSync(join(root, 'zones', name), text);
  for (const [name, text] of Object.entries(files)) write(name, text);
  const files_ = openZoneFiles(join(root, 'meridian.yaml'));
  const validate = (text: string) => validateConfig(text, 'test.yaml', {}, centroids, files_);
  return { root, write, files: files_, validate };
}

const CONFIG = 'zoneFolders: [{ folder: zones }]';

test('each file of a folder is a zone, named as the file', (t) => {
  const { validate } = folder(t, {
    'a.example.zone': ZONE,
    'B.example.zone': `${ZONE}www A 192.0.2.1\nwww 60 A 192.0.2.2\n`,
    'notes.txt': 'not a zone',
    '.a.example.zone.swp.zone': 'not one either',
  });
  const result = validate(CONFIG);
  assert.ok(result.ok, JSON.stringify(result));
  assert.deepEqual(Object.keys(result.config.zones).sort(), ['a.example', 'b.example']);
  const owners = [...rrsetsOf(result.config.zones['a.example']!)].map(({ owner }) => owner);
  assert.deepEqual(owners, ['a.example.', 'ns1.a.example.']);
  const [warning] = result.warnings.filter(({ message }) => message.includes('TTL'));
  assert.match(`${warning?.file}:${warning?.line}`, /zones\/B\.example\.zone:6$/);
});

test('all zones of a folder have its settings, which are checked once', (t) => {
  const { validate } = folder(t, { 'a.example.zone': ZONE, 'b.example.zone': ZONE });
  const more = 'transfer: { allow: [192.0.2.0/24, { key: k }] }';
  const refused = validate(`zoneFolders: [{ folder: zones, ${more} }]`);
  assert.ok(!refused.ok);
  assert.deepEqual(
    refused.issues.map(({ message, path }) => `${path}: ${message}`),
    ['zoneFolders.0.transfer.allow.1.key: there is no key "k"'],
  );
  const key = `dns: { keys: { k: { algorithm: hmac-sha256, secret: ${'A'.repeat(43)}= } } }`;
  const taken = validate(`${key}\nzoneFolders: [{ folder: zones, ${more} }]`);
  assert.ok(taken.ok, JSON.stringify(taken));
  assert.deepEqual(taken.config.zones['b.example']?.transfer?.networks, ['192.0.2.0/24']);
});

test('what is wrong with a folder, or a file of it, is told with its place', (t) => {
  const { root, validate, write } = folder(t, { 'a.example.zone': `${ZONE}x A 192.0.2.256\n` });
  write('b..example.zone', ZONE);
  const refused = validate(`${CONFIG.slice(0, -1)}, { folder: none }]\nzones: { A.example: {} }`);
  assert.ok(!refused.ok);
  const told = refused.issues.map(({ file, line, message }) => `${file}:${line}: ${message}`);
  assert.match(
    told.join('\n'),
    /zones\/a\.example\.zone:5: "192\.0\.2\.256" is not an IPv4 address/,
  );
  assert.match(told.join('\n'), /"b\.\.example" is not a domain name/);
  assert.match(told.join('\n'), /test\.yaml:1: .*none: there is no such folder/);
  assert.match(told.join('\n'), /the zone a\.example\. is there twice/);
  const outside = mkdtempSync(join(tmpdir(), 'meridian-outside-'));
  t.after(() => rmSync(outside, { recursive: true }));
  writeFileSync(join(outside, 'c.example.zone'), ZONE);
  symlinkSync(outside, join(root, 'led-out'));
  const led = validate('zoneFolders: [{ folder: led-out }]');
  assert.ok(!led.ok);
  assert.match(led.issues[0]!.message, /led-out is outside of/);
  symlinkSync(join(outside, 'c.example.zone'), join(root, 'zones', 'c.example.zone'));
  const link = validate(CONFIG);
  assert.ok(!link.ok);
  assert.match(link.issues.map(({ message }) => message).join(), /c\.example\.zone is outside of/);
});

test('a single zone is read again as long as there is nothing to say about it', (t) => {
  const { files, validate, write } = folder(t, { 'a.example.zone': ZONE, 'b.example.zone': ZONE });
  const result = validate(CONFIG);
  assert.ok(result.ok);
  const reread = (name: string) => rereadPlainZone(CONFIG, {}, files, result.config, name);
  assert.deepEqual(reread('a.example')?.soa, result.config.zones['a.example']?.soa);
  write('a.example.zone', `${ZONE}www A 192.0.2.1\n`);
  assert.equal(reread('a.example')?.filed?.count, 3);
  write('a.example.zone', `${ZONE}www A 192.0.2.256\n`);
  assert.equal(reread('a.example'), undefined);
  write('c.example.zone', ZONE);
  assert.equal(reread('c.example'), undefined);
  assert.equal(reread('none.example'), undefined);
});
