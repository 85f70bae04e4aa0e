import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { networkSites } from '../../src/clients/network-sites.ts';
import { type GeoDatabase, locate } from '../../src/geo/database.ts';
import { systemOf } from '../../src/geo/systems.ts';
import { parseAddress } from '../../src/ip/address.ts';
import { parsePrefix } from '../../src/ip/prefix.ts';
import {
  createGeoFiles,
  fileVersion,
  geoPaths,
  readPlaces as realPlaces,
} from '../../src/workers/geo-files.ts';
import { centroids } from '../config/centroids.ts';
import { nestedRecord, writeMmdb } from '../geo/mmdb-writer.ts';

test('load() reads what is there, and again only what was replaced', (t) => {
  const { path, write } = scratch(t);
  const files = createGeoFiles();
  const load = () => files.load({ databases: [path], overrides: [], resolvers: [] }, centroids);
  write(databaseOf('192.0.2.0/24'));
  const first = load();
  assert.ok(first.ok);
  assert.deepEqual(first.warnings, []);
  write(databaseOf('192.0.2.0/24', '198.51.100.0/24'));
  const second = load();
  assert.ok(second.ok);
  assert.ok(second.geo.networks > first.geo.networks);
});

test('load() gives the same object until a file or the overrides change', (t) => {
  const { path, write } = scratch(t);
  const files = createGeoFiles();
  const geoOf = (...networks: string[]) => {
    const overrides = networks.map((network) => ({ networks: [network], location: {} }));
    const loaded = files.load({ databases: [path], overrides, resolvers: [] }, centroids);
    assert.ok(loaded.ok);
    return loaded.geo;
  };
  write(databaseOf('192.0.2.0/24'));
  const first = geoOf();
  assert.equal(geoOf(), first);
  const overridden = geoOf('192.0.2.0/25');
  assert.notEqual(overridden, first);
  assert.equal(geoOf('192.0.2.0/25'), overridden);
  write(databaseOf('198.51.100.0/24'));
  assert.notEqual(geoOf('192.0.2.0/25'), overridden);
});

test('load() numbers what it puts together, so that copies of it are known to be the same', (t) => {
  const { path, write } = scratch(t);
  const files = createGeoFiles(7);
  const editionOf = (...networks: string[]) => {
    const overrides = networks.map((network) => ({ networks: [network], location: {} }));
    const loaded = files.load({ databases: [path], overrides, resolvers: [] }, centroids);
    return loaded.ok ? loaded.geo.edition : undefined;
  };
  write(databaseOf('192.0.2.0/24'));
  assert.equal(editionOf(), 7);
  assert.equal(editionOf('192.0.2.0/25'), 8);
  assert.equal(editionOf('192.0.2.0/25'), 8);
  write(databaseOf('198.51.100.0/24'));
  assert.equal(editionOf('192.0.2.0/25'), 9);
});

test('load() keeps the last good content of a file that became corrupt or went away', (t) => {
  const { path, write } = scratch(t);
  const files = createGeoFiles();
  const load = () => files.load({ databases: [path], overrides: [], resolvers: [] }, centroids);
  write(databaseOf('192.0.2.0/24'));
  const good = load();
  assert.ok(good.ok);
  write(new Uint8Array(100));
  const corrupt = load();
  assert.ok(corrupt.ok);
  assert.equal(corrupt.geo.networks, good.geo.networks);
  assert.match(corrupt.warnings.join(), /The last good content stays in use/);
  rmSync(path);
  const gone = load();
  assert.ok(gone.ok);
  assert.match(gone.warnings.join(), /cannot be read \(ENOENT\)\. The last good content/);
  write(databaseOf('192.0.2.0/24'));
  const back = load();
  assert.ok(back.ok);
  assert.deepEqual(back.warnings, []);
});

test('load() leaves out what it never could read, and says no without any database', (t) => {
  const { path, write } = scratch(t);
  const missing = `${path}.missing`;
  const files = createGeoFiles();
  const none = files.load({ databases: [missing], overrides: [], resolvers: [] }, centroids);
  assert.ok(!none.ok);
  assert.match(none.reason, /ENOENT/);
  write(databaseOf('192.0.2.0/24'));
  const one = files.load({ databases: [missing, path], overrides: [], resolvers: [] }, centroids);
  assert.ok(one.ok);
  assert.match(one.warnings.join(), /It is left out/);
});

test('fileVersion() changes with the file and is empty without one', (t) => {
  const { path, write } = scratch(t);
  assert.equal(fileVersion(path), '');
  write(new Uint8Array(1));
  const before = fileVersion(path);
  utimesSync(path, 1, 2);
  assert.notEqual(fileVersion(path), before);
});

test('geoPaths() is what comes with the program when nothing or that is configured', () => {
  const paths = geoPaths({ databases: [], overrides: [], resolvers: [] });
  assert.equal(paths.length, 1);
  assert.match(paths[0]!, /geo\/places\.pack$/);
  const listed = geoPaths({ databases: ['/own.csv', 'built-in'], overrides: [], resolvers: [] });
  assert.deepEqual(listed, ['/own.csv', paths[0]]);
});

test('load() lays files of resolvers over all databases, and takes their sites', (t) => {
  const { path, write } = scratch(t);
  const list = `${path}.txt`;
  writeFileSync(list, '192.0.2.0/24,SG\n');
  write(databaseOf('192.0.2.0/23'));
  const files = createGeoFiles();
  const load = () => files.load({ databases: [path], overrides: [], resolvers: [list] }, centroids);
  const first = load();
  assert.ok(first.ok);
  const countryAt = (geo: GeoDatabase, text: string) => locate(geo, parseAddress(text)!)?.country;
  assert.equal(countryAt(first.geo, '192.0.2.1'), 'SG');
  assert.equal(countryAt(first.geo, '192.0.3.1'), 'DE');
  assert.deepEqual(networkSites(first.geo.sites).networksOf(1), [0xc00002]);
  const again = load();
  assert.ok(again.ok);
  assert.equal(again.geo, first.geo);
  writeFileSync(list, '0.0.0.0/0 everywhere\n');
  utimesSync(list, 7, 7);
  const other = load();
  assert.ok(other.ok);
  assert.equal(countryAt(other.geo, '192.0.2.1'), 'DE', 'a list of names has no places');
  assert.match(other.warnings.join(), /more than 200000 .* not pooled by site/);
  writeFileSync(list, 'nonsense\n');
  utimesSync(list, 8, 8);
  const broken = load();
  assert.ok(broken.ok);
  assert.match(broken.warnings.join(), /no network with a site\. The last good content/);
  assert.deepEqual(geoPaths({ databases: [path], overrides: [], resolvers: [list] }), [list, path]);
});

function databaseOf(...networks: readonly string[]): Uint8Array {
  const record = nestedRecord({ latitude: 50, longitude: 8, country: 'DE', continent: 'EU' });
  const entries = networks.map((network) => ({ prefix: parsePrefix(network)!, record }));
  return writeMmdb(entries, { databaseType: 'Test-City' });
}

function scratch(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'meridian-geo-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'geo.mmdb');
  let writes = 0;
  const write = (bytes: Uint8Array): void => {
    writeFileSync(path, bytes);
    // Two writes within a tick of the file system's clock are still two versions.
    writes += 1;
    utimesSync(path, writes, writes);
  };
  return { path, write };
}

test('load() reads a .csv file as networks, over the databases behind it', (t) => {
  const { path, write } = scratch(t);
  write(databaseOf('192.0.2.0/24'));
  const list = `${path}.csv`;
  writeFileSync(list, '198.51.100.0/24,DE\n');
  const files = createGeoFiles();
  const load = () =>
    files.load({ databases: [list, path], overrides: [], resolvers: [] }, centroids);
  const first = load();
  assert.ok(first.ok);
  assert.equal(first.geo.networks, 2);
  writeFileSync(list, 'nonsense\n');
  const second = load();
  assert.ok(second.ok);
  assert.match(second.warnings.join(), /csv: line 1: .* The last good content stays in use\./);
  assert.equal(second.geo, first.geo);
});

test('load() adds the built-in places when the files know systems only', (t) => {
  const { path, write } = scratch(t);
  const record = {
    autonomous_system_number: 64496n,
    autonomous_system_organization: 'Example Networks',
  };
  const entries = [{ prefix: parsePrefix('192.0.2.0/24')!, record }];
  write(writeMmdb(entries, { databaseType: 'GeoLite2-ASN' }));
  const loaded = createGeoFiles().load(
    { databases: [path], overrides: [], resolvers: [] },
    realPlaces(),
  );
  assert.ok(loaded.ok);
  const { geo } = loaded;
  const address = parseAddress('192.0.2.1')!;
  assert.deepEqual(systemOf(geo.systems, address), { number: 64496, name: 'Example Networks' });
  assert.equal(locate(geo, address), undefined);
  assert.equal(locate(geo, parseAddress('8.8.8.8')!)?.country, 'US');
});

test('load() says once which entries of a geofeed are passed over', (t) => {
  const { path, write } = scratch(t);
  write(databaseOf('192.0.2.0/24', '198.51.100.0/24'));
  const feed = `${path}.csv`;
  writeFileSync(feed, '192.0.2.0/25,,,,\n198.51.100.0/24,US,US-VA,,\n198.51.100.0/24,XX,,,\n');
  const files = createGeoFiles();
  const load = () =>
    files.load({ databases: [feed, path], overrides: [], resolvers: [] }, centroids);
  const first = load();
  assert.ok(first.ok);
  assert.match(first.warnings.join(), /csv: a wrong entry is passed over: line 3: .*country.*\.$/);
  const countryOf = (text: string) => locate(first.geo, parseAddress(text)!)?.country;
  assert.deepEqual(['192.0.2.1', '192.0.2.129', '198.51.100.1'].map(countryOf), [
    undefined,
    'DE',
    'US',
  ]);
  const second = load();
  assert.ok(second.ok);
  assert.deepEqual(second.warnings, []);
  assert.equal(second.geo, first.geo);
});
