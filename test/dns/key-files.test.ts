import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { dsText } from '../../src/dns/dnssec/key-digest.ts';
import {
  type FileKey,
  fileKeyAt,
  fileRrsets,
  fileSigningKeys,
  keyFileNames,
  passedTimes,
  readKeyPair,
} from '../../src/dns/dnssec/key-files.ts';
import { parseName } from '../../src/dns/name.ts';

/** BIND's own tools make the keys, set their times and print their DS. */
const ZONE = 'Sub.Example';
const APEX = parseName('sub.example.')!;
const DAY = 86_400;
const TIMES = { validitySeconds: 1000, refreshSeconds: 500, jitterSeconds: 100 };

function toolIn(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'meridian-keys-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const run = (program: string, ...words: readonly string[]): string => {
    const { status, stderr, stdout } = spawnSync(program, words, { encoding: 'utf8', cwd: folder });
    assert.equal(status, 0, `${program}: ${stderr}`);
    return stdout.trim();
  };
  const text = (name: string): string => readFileSync(join(folder, name), 'utf8');
  const read = (name: string) => readKeyPair(APEX, text(`${name}.key`), text(`${name}.private`));
  return { folder, run, text, read };
}

function key(read: ReturnType<typeof readKeyPair>): FileKey {
  assert.ok(read.ok, read.ok ? '' : read.reason);
  return read.key;
}

test('readKeyPair() reads what dnssec-keygen makes, and has the DS of dnssec-dsfromkey', (t) => {
  const { folder, read, run } = toolIn(t);
  for (const algorithm of ['ECDSAP256SHA256', 'ED25519']) {
    for (const flag of [[], ['-f', 'KSK']]) {
      const name = run('dnssec-keygen', '-q', '-a', algorithm, ...flag, ZONE);
      const made = key(read(name));
      assert.equal(made.flags, flag.length > 0 ? 257 : 256);
      assert.equal(made.tag, Number(name.slice(-5)));
      const ds = run('dnssec-dsfromkey', '-2', `${name}.key`).toUpperCase();
      assert.equal(ds, `${ZONE}. IN DS ${dsText(APEX, made.dnskey)}`.toUpperCase());
    }
  }
  const names = keyFileNames(readdirSync(folder), 'sub.example');
  assert.equal(names.length, 4);
  assert.deepEqual(keyFileNames(readdirSync(folder), 'example'), []);
});

test('times are those that dnssec-settime sets', (t) => {
  const { read, run } = toolIn(t);
  const words = ['-P', '+1d', '-A', '+2d', '-I', '+10d', '-D', '+20d'];
  const sync = ['-P', 'sync', '+3d', '-D', 'sync', '+12d'];
  const name = run('dnssec-keygen', '-q', '-a', '13', '-f', 'KSK', ...words, ...sync, ZONE);
  const made = key(read(name));
  const start = made.times.Publish! - DAY;
  const at = (days: number): string => {
    const { isActive, isPublished, isSynced } = fileKeyAt(made, start + days * DAY);
    return [isPublished && 'there', isActive && 'signs', isSynced && 'CDS'].filter(Boolean).join();
  };
  const rows: readonly (readonly [number, string])[] = [
    ...([
      [0, ''],
      [1, 'there'],
      [2, 'there,signs'],
      [3, 'there,signs,CDS'],
    ] as const),
    ...([
      [10, 'there,CDS'],
      [12, 'there'],
      [19.9, 'there'],
      [20, ''],
    ] as const),
  ];
  for (const [days, what] of rows) assert.equal(at(days), what, `${days} days`);
  assert.deepEqual(
    [0, 1, 3, 25].map((days) => passedTimes([made], start + days * DAY)),
    [0, 1, 3, 6],
  );
  run(
    'dnssec-settime',
    '-P',
    'none',
    '-A',
    'none',
    '-I',
    'none',
    '-D',
    'none',
    '-P',
    'sync',
    'none',
    '-D',
    'sync',
    'none',
    name,
  );
  assert.deepEqual(key(read(name)).times, {});
});

test('a folder is one set of keys: who signs, what is published and what the parent is to know', (t) => {
  const { read, run } = toolIn(t);
  const make = (...words: string[]) =>
    key(read(run('dnssec-keygen', '-q', '-a', '13', ...words, ZONE)));
  const ksk = make('-f', 'KSK', '-P', 'sync', 'now');
  const zsk = make();
  const coming = make('-P', 'now', '-A', '+5d');
  const now = ksk.times.Publish! + 1;
  const keys = [ksk, zsk, coming];
  const [dnskey, cds, cdnskey] = fileRrsets(keys, 'sub.example.', 60, now);
  assert.deepEqual([dnskey?.data.length, cds?.data.length, cdnskey?.data.length], [3, 1, 1]);
  assert.equal(cds?.data[0], dsText(APEX, ksk.dnskey));
  const signing = fileSigningKeys(keys, 'sub.example', TIMES, now)!;
  assert.deepEqual(
    signing.zoneKeys.map(({ jwk }) => jwk),
    [zsk.jwk],
  );
  assert.deepEqual(
    signing.entryKeys.map(({ jwk }) => jwk),
    [ksk.jwk],
  );
  const later = fileSigningKeys(keys, 'sub.example', TIMES, now + 5 * DAY)!;
  assert.deepEqual(
    later.zoneKeys.map(({ jwk }) => jwk),
    [zsk.jwk, coming.jwk],
  );
  const alone = fileSigningKeys([ksk], 'sub.example', TIMES, now)!;
  assert.deepEqual([alone.zoneKeys, alone.entryKeys], [signing.entryKeys, signing.entryKeys]);
  assert.equal(fileSigningKeys([coming], 'sub.example', TIMES, now), undefined);
  assert.equal(fileRrsets([zsk], 'sub.example.', 60, now).length, 1);
});

test('readKeyPair() says why a pair is of no use', (t) => {
  const { run, text } = toolIn(t);
  const make = (...words: string[]): readonly [string, string] => {
    const name = run('dnssec-keygen', '-q', ...words);
    return [text(`${name}.key`), text(`${name}.private`)];
  };
  const [publicText, privateText] = make('-a', '13', ZONE);
  const [otherPublic, otherPrivate] = make('-a', '13', ZONE);
  const [edPublic, edPrivate] = make('-a', '15', ZONE);
  const rsa = make('-a', '8', '-b', '2048', ZONE);
  const foreign = make('-a', '13', 'other.example');
  const rows: readonly (readonly [string, string, RegExp])[] = [
    [publicText, otherPrivate, /does not belong to the public one/],
    [edPublic, otherPrivate, /different algorithms/],
    [edPublic, edPrivate.replace(/PrivateKey: .{4}/, 'PrivateKey: AAAA'), /does not belong/],
    [...rsa, /algorithm 8 \(RSASHA256\) is not signed with here/],
    [...foreign, /the key is of other\.example\./],
    [publicText.replace(' 256 ', ' 0 '), privateText, /flags 0 signs no zone/],
    [publicText.replace(' 256 ', ' 384 '), privateText, /flags 384 signs no zone/],
    [publicText + otherPublic, privateText, /not one DNSKEY/],
    ['', privateText, /not one DNSKEY/],
    ['sub.example. IN DNSKEY x', privateText, /cannot be read/],
    ['$INCLUDE /etc/passwd', privateText, /includes no files/],
    [publicText, '', /not of format v1/],
    [publicText, privateText.replace('v1.3', 'v2.0'), /not of format v1/],
    [publicText, privateText.replace(/PrivateKey.*/, ''), /does not belong/],
    [
      publicText,
      privateText.replace(/Publish: .*/, 'Publish: soon'),
      /Publish is not a time: soon/,
    ],
    [publicText, privateText + ' '.repeat(70_000), /too long/],
  ];
  for (const [one, other, reason] of rows) {
    const read = readKeyPair(APEX, one, other);
    assert.match(read.ok ? 'taken' : read.reason, reason);
  }
  const old = privateText
    .replace('v1.3', 'v1.2')
    .replace(/^(Created|Publish|Activate): .*\n/gm, '');
  assert.deepEqual(key(readKeyPair(APEX, publicText, old)).times, { Publish: 0, Activate: 0 });
});
