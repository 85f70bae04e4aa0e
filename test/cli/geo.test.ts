import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { locate } from '../../src/geo/database.ts';
import { parseAddress } from '../../src/ip/address.ts';
import { parsePrefix } from '../../src/ip/prefix.ts';
import { opened, readCentroids } from '../geo/fixtures.ts';
import { nestedRecord, writeMmdb } from '../geo/mmdb-writer.ts';
import { openCli } from './cli-harness.ts';

test('geo pack makes a pack of databases, and tells what it holds', async (t) => {
  const { folder, write } = scratch(t);
  const first = write('a.mmdb', '192.0.2.0/24', 52.5);
  const second = write('b.mmdb', '192.0.0.0/16', 48.1);
  const to = join(folder, 'own.pack');
  const { run } = await openCli(t);
  const { code, stderr, stdout } = await run(
    'geo',
    'pack',
    first,
    second,
    '--to',
    to,
    '-o',
    'json',
  );
  assert.equal(code, 0, stderr);
  assert.match(stderr, /reading .*a\.mmdb/);
  const told = JSON.parse(stdout);
  assert.equal(told.octets, readFileSync(to).length);
  assert.equal(told.cells, 2);
  assert.match(told.description, /Test-City .* in cells of 1°/);
  const geo = opened(readFileSync(to), readCentroids());
  const at = (text: string) => locate(geo, parseAddress(text)!)?.latitude;
  assert.deepEqual([at('192.0.2.1'), at('192.0.3.1'), at('8.8.8.8')], [52.5, 48.1, undefined]);
});

test('geo pack says what is wrong with its inputs', async (t) => {
  const { folder, write } = scratch(t);
  const to = join(folder, 'own.pack');
  const { run } = await openCli(t);
  const missing = await run('geo', 'pack', join(folder, 'none'), '--to', to);
  assert.equal(missing.code, 2);
  assert.match(missing.stderr, /none cannot be read \(ENOENT\)/);
  writeFileSync(join(folder, 'bad'), 'text');
  const bad = await run('geo', 'pack', join(folder, 'bad'), '--to', to);
  assert.equal(bad.code, 1);
  assert.match(bad.stderr, /bad: not a readable MaxMind DB file/);
  const good = write('a.mmdb', '192.0.2.0/24', 52.5);
  const size = await run('geo', 'pack', good, '--to', to, '--degrees', '0');
  assert.equal(size.code, 2);
  assert.match(size.stderr, /"0" is not the size of a cell.*\n.*from 0\.1 to 10/);
});

function scratch(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'meridian-pack-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const write = (name: string, network: string, latitude: number): string => {
    const record = nestedRecord({ latitude, longitude: 8, country: 'DE', continent: 'EU' });
    const path = join(folder, name);
    const entries = [{ prefix: parsePrefix(network)!, record }];
    writeFileSync(path, writeMmdb(entries, { databaseType: 'Test-City' }));
    return path;
  };
  return { folder, write };
}
