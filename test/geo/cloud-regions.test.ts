import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { findCloudRegion, parseCloudRegions } from '../../src/geo/cloud-regions.ts';
import { distanceKm } from '../../src/geo/distance.ts';
import { locationOfName } from '../../src/geo/places.ts';
import { readPlaces } from '../../src/workers/geo-files.ts';

const places = readPlaces();
const FILE = new URL('../../geo/cloud-regions.json', import.meta.url);

/** How each provider names its regions: an id that is not so has slipped into the wrong list. */
const IDS: Readonly<Record<string, RegExp>> = {
  alibaba: /^(ap|cn|eu|me|na|us)-[a-z]+(-[a-z]+)?(-[0-9])?$|^cn-north-2-gov-1$/,
  aws: /^(af|ap|ca|cn|eu|eusc|il|me|mx|sa|us)(-de|-gov)?-(central|(north|south)?(east|west)?)-[1-9]$/,
  azure: /^[a-z]+[2-3]?$/,
  digitalocean: /^[a-z]{3}[1-9]$/,
  exoscale: /^[a-z]{2}-[a-z]{2,3}-[1-9]$/,
  fly: /^[a-z]{3}$/,
  gcp: /^(africa|asia|australia|europe|me|northamerica|southamerica|us)-(central|(north|south)?(east|west)?)[1-9][0-9]?$/,
  hetzner: /^[a-z]{3}[1-9]?$/,
  ibm: /^[a-z]{2}-[a-z]{2,5}[2-9]?$/,
  linode: /^[a-z]{2}-[a-z]{3,9}(-[1-9])?$/,
  oci: /^(af|ap|ca|eu|il|me|mx|sa|uk|us)(-dcc|-gov)?-[a-z]+-[1-9]$/,
  ovh: /^[A-Z]{2,3}(-A|[0-9]{1,2})?$|^(AP|CA|EU|US)-[A-Z]+-[A-Z]{2,3}(-[1-9])?$/,
  scaleway: /^[a-z]{2}-[a-z]{3}$/,
  tencent: /^(ap|eu|me|na|sa)-[a-z]+(-[a-z]+)?$/,
  upcloud: /^[a-z]{2}-[a-z]{3}[1-9]$/,
  vultr: /^[a-z]{3}$/,
};

/** From the middle of the addresses of a country, or of a subdivision; Cape Town is far from Johannesburg. */
const COUNTRY_KM_MAX = 1500;
const SUBDIVISION_KM_MAX = 700;

test('every cloud region is on earth, in its country, and named as its provider does', () => {
  assert.deepEqual([...places.cloudRegions.keys()], Object.keys(IDS));
  for (const [provider, regions] of places.cloudRegions) {
    assert.ok(regions.size > 0);
    for (const [id, { country, city, subdivision, ...region }] of regions) {
      const name = `${provider}/${id}`;
      assert.match(id, IDS[provider]!, name);
      const code = subdivision === undefined ? country! : `${country}-${subdivision}`;
      const centre = locationOfName(code, places);
      assert.ok(centre, `${name}: no place ${code}`);
      const distance = distanceKm(region, centre)!;
      assert.ok(distance < (subdivision === undefined ? COUNTRY_KM_MAX : SUBDIVISION_KM_MAX), name);
      assert.equal(city, city?.trim());
      for (const degrees of [region.latitude!, region.longitude!]) {
        assert.equal(
          degrees,
          Math.round(degrees * 100) / 100,
          `${name}: to a hundredth of a degree`,
        );
      }
    }
  }
});

test('a city is at one place, whoever has a region there', () => {
  const known = new Map<string, string>();
  for (const regions of places.cloudRegions.values()) {
    for (const { city, country, subdivision, latitude, longitude } of regions.values()) {
      const key = `${city} ${country}`;
      const place = `${latitude} ${longitude} ${subdivision}`;
      assert.equal(known.get(key) ?? place, place, key);
      known.set(key, place);
    }
  }
});

test('the file has a line for each region, sorted, none twice', () => {
  const text = readFileSync(FILE, 'utf8');
  const blocks = text.split(/^ {2}"[a-z]+": \{$/m).slice(1);
  const ids = blocks.map((block) =>
    [...block.matchAll(/^ {4}"([^"]+)": \[/gm)].map(([, id]) => id),
  );
  for (const each of ids) assert.deepEqual(each, [...new Set(each)].sort());
  assert.equal(
    ids.flat().length,
    [...places.cloudRegions.values()].reduce((sum, regions) => sum + regions.size, 0),
  );
});

test('locationOfName() knows where well-known regions are', () => {
  const cases: [string, number, number, string, string | undefined, string][] = [
    ['aws/us-east-1', 39.04, -77.49, 'US', 'VA', 'NA'],
    ['aws/eu-west-1', 53.35, -6.26, 'IE', undefined, 'EU'],
    ['aws/ap-southeast-2', -33.87, 151.21, 'AU', 'NSW', 'OC'],
    ['aws/sa-east-1', -23.55, -46.63, 'BR', 'SP', 'SA'],
    ['aws/us-gov-west-1', 45.84, -119.7, 'US', 'OR', 'NA'],
    ['aws/cn-northwest-1', 37.51, 105.19, 'CN', undefined, 'AS'],
    ['gcp/europe-west4', 53.44, 6.83, 'NL', undefined, 'EU'],
    ['gcp/asia-southeast2', -6.21, 106.85, 'ID', undefined, 'AS'],
    ['azure/southafricanorth', -26.2, 28.05, 'ZA', undefined, 'AF'],
    ['azure/germanywestcentral', 50.11, 8.68, 'DE', 'HE', 'EU'],
    ['oci/uk-cardiff-1', 51.58, -3, 'GB', 'WLS', 'EU'],
    ['hetzner/fsn1', 50.48, 12.37, 'DE', 'SN', 'EU'],
    ['ovh/BHS5', 45.31, -73.87, 'CA', 'QC', 'NA'],
    ['vultr/hnl', 21.31, -157.86, 'US', 'HI', 'NA'],
    ['fly/nrt', 35.68, 139.69, 'JP', undefined, 'AS'],
  ];
  for (const [name, latitude, longitude, country, subdivision, continent] of cases) {
    const location = locationOfName(name, places);
    assert.ok(location, name);
    const { city, ...rest } = location;
    assert.ok(city);
    const expected = { latitude, longitude, country, continent };
    assert.deepEqual(rest, subdivision === undefined ? expected : { ...expected, subdivision });
  }
  assert.equal(locationOfName('US-VA', places)?.subdivision, 'VA');
});

test('locationOfName() is undefined when the region is unknown', () => {
  for (const name of ['aws/', '/', 'aws/eu-west-9', 'AWS/eu-west-1', 'aws/EU-WEST-1', 'nimbus/a']) {
    assert.equal(locationOfName(name, places), undefined, name);
  }
  for (const name of ['aws/eu-west-1/a', 'aws/constructor', 'constructor/name', '']) {
    assert.equal(findCloudRegion(name, places.cloudRegions), undefined, name);
  }
});

test('parseCloudRegions() throws when the data is malformed', () => {
  const parse = (entry: unknown) => parseCloudRegions({ cloud: { here: entry } });
  assert.equal(parse([1, 2, 'DE', 'Here']).get('cloud')?.get('here')?.city, 'Here');
  const entries = [
    null,
    {},
    [],
    [1, 2, 'DE'],
    [1, 2, 'DE', ''],
    [1, 2, 'de', 'Here'],
    [1, 2, 'DEU', 'Here'],
    [1, 2, 'DE-', 'Here'],
    ['1', 2, 'DE', 'Here'],
    [91, 2, 'DE', 'Here'],
    [1, -181, 'DE', 'Here'],
  ];
  for (const entry of entries) assert.throws(() => parse(entry), /cloud-regions.*"cloud\/here"/);
  for (const json of [null, [], { cloud: [] }]) assert.throws(() => parseCloudRegions(json));
});
