import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type CityResponse, Reader } from 'maxmind';
import { parsePrefix } from '../../src/ip/prefix.ts';
import { nestedRecord, writeMmdb } from './mmdb-writer.ts';

const GEOIP_TEST = '/usr/bin/gdnsd_geoip_test';

const bytes = writeMmdb(
  [
    {
      prefix: parsePrefix('10.0.0.0/8')!,
      record: nestedRecord({ country: 'DE', continent: 'EU' }),
    },
    {
      prefix: parsePrefix('10.128.0.0/9')!,
      record: nestedRecord({ country: 'US', continent: 'NA' }),
    },
    { prefix: parsePrefix('2a00::/12')!, record: nestedRecord({ country: 'SG', continent: 'AS' }) },
  ],
  { databaseType: 'GeoLite2-Country', description: 'test', aliases: true },
);

test('writeMmdb() writes what the maxmind package reads', () => {
  const record = {
    text: 'x'.repeat(300),
    medium: 'y'.repeat(40),
    list: ['a', true, false],
    double: 0.5,
    unsigned: 4_000_000_000n,
    zero: 0n,
  };
  const prefix = parsePrefix('192.0.2.0/24')!;
  const reader = new Reader<CityResponse>(
    Buffer.from(writeMmdb([{ prefix, record }], { databaseType: 'test', recordSize: 32 })),
  );
  const expected = { ...record, unsigned: 4_000_000_000, zero: 0 };
  assert.deepEqual(reader.get('192.0.2.9'), expected);
  assert.equal(reader.get('192.0.3.0'), null);
  assert.equal(reader.metadata.databaseType, 'test');
  const [found, length] = new Reader<CityResponse>(Buffer.from(bytes)).getWithPrefixLength(
    '10.200.0.0',
  );
  assert.equal(found?.country?.iso_code, 'US');
  assert.equal(length, 9);
});

test('writeMmdb() writes what gdnsd reads', (t) => {
  if (!existsSync(GEOIP_TEST))
    return t.diagnostic(`${GEOIP_TEST} is not installed: nothing to compare`);
  const folder = mkdtempSync(join(tmpdir(), 'meridian-mmdb-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, 'geoip'));
  writeFileSync(join(folder, 'geoip', 'test.mmdb'), bytes);
  writeFileSync(
    join(folder, 'config'),
    `plugins => { geoip => {
      maps => { m => { geoip2_db => test.mmdb, datacenters => [eu, na, as], map => {
        default => [eu, na, as], EU => [eu], NA => [na], AS => [as] } } },
      resources => { r => { map => m, dcmap => { eu => 192.0.2.1, na => 192.0.2.2, as => 192.0.2.3 } } }
    } }`,
  );
  const input = ['10.0.0.1', '10.200.0.1', '2a00::1', '::ffff:10.0.0.1'];
  const answers = input.map((address) => {
    const run = spawnSync(GEOIP_TEST, ['-c', folder, 'm', address], { encoding: 'utf8' });
    assert.equal(run.status, 0, run.stderr);
    return run.stdout.trim();
  });
  const expected = ['/9 => eu', '/9 => na', '/12 => as', '/105 => eu'];
  for (const [i, text] of expected.entries()) {
    assert.ok(answers[i]?.includes(text), `${input[i]}: ${answers[i]}`);
  }
});
