import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import { withOverlays, withoutBlamed } from '../../src/config/overlay.ts';
import { validateConfig } from '../../src/config/validate.ts';
import { centroids } from './centroids.ts';

const config = configOf(`
regions: { us: { location: { latitude: 39, longitude: -77 }, vips: 192.0.2.1 } }
zones:
  example.com:
    nameservers: ns1
    records:
      ns1: { A: 192.0.2.53 }
      txt: { TXT: { ttl: 60, data: [one] } }
`);

test('withOverlays() joins data of an RRset, under the TTL that comes', () => {
  const zone = overlaid({
    zone: 'example.com',
    rrsets: [txt('TXT.example.com.', 5, '"one"', '"two"')],
  });
  assert.deepEqual(
    zone.rrsets.filter(({ type }) => type === 'TXT'),
    [{ owner: 'TXT.example.com.', type: 'TXT', ttl: 5, data: ['"one"', '"two"'] }],
  );
  assert.equal(zone.rrsets.length, config.zones['example.com']!.rrsets.length);
});

test('withOverlays() replaces the serial', () => {
  const { soa } = config.zones['example.com']!;
  const counted = overlaid({ zone: 'example.com', serial: 9, rrsets: [] });
  assert.deepEqual(counted.soa, { ...soa, serial: 9 });
});

test('withOverlays() takes the greatest serial, and adds to it last', () => {
  const { zones } = withOverlays(config, [
    { zone: 'example.com', serialIncrement: 100, rrsets: [] },
    { zone: 'example.com', serial: 9, rrsets: [] },
    { zone: 'example.com', serial: 7, rrsets: [] },
  ]);
  assert.equal(zones['example.com']!.soa.serial, 109);
  const wrapped = { zone: 'example.com', serial: 2 ** 31, serialIncrement: 2 ** 31, rrsets: [] };
  assert.equal(overlaid(wrapped).soa.serial, 0);
});

test('withoutBlamed() takes records of a zone that a compilation complains of, when they yield', () => {
  const [one, two] = [txt('a.', 1, '"1"'), txt('b.', 1, '"2"')];
  const own = { zone: 'example.com', rrsets: [one] };
  const added = { zone: 'example.com', serial: 7, yields: true, rrsets: [two] };
  const other = { zone: 'example.net', yields: true, rrsets: [two] };
  const issues = [{ path: 'zones.example.com.rrsets.3.data.0' }];
  const less = [own, { ...added, rrsets: [] }, other];
  assert.deepEqual(withoutBlamed([own, added, other], issues), less);
  assert.deepEqual(withoutBlamed([added], [{ path: 'zones.example.com' }])?.[0]?.rrsets, []);
  assert.equal(withoutBlamed([own, other], issues), undefined);
  assert.equal(withoutBlamed(less, [{ path: 'zones.example.com' }]), undefined);
});

test('withOverlays() of zones that are not configured changes nothing', () => {
  assert.equal(withOverlays(config, [{ zone: 'example.net', rrsets: [] }]), config);
});

function overlaid(overlay: Parameters<typeof withOverlays>[1][number]) {
  return withOverlays(config, [overlay]).zones['example.com']!;
}

function txt(owner: string, ttl: number, ...data: string[]) {
  return { owner, type: 'TXT', ttl, data };
}

function configOf(text: string): Config {
  const result = validateConfig(text, 'overlay.yaml', {}, centroids);
  assert.ok(result.ok, JSON.stringify(result));
  return result.config;
}
