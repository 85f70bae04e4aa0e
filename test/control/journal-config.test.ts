import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config, ZoneConfig } from '../../src/config/config.ts';
import { validateConfig } from '../../src/config/validate.ts';
import { rrsetsOf } from '../../src/config/zone-rrsets.ts';
import {
  FILES_KEPT_OCTETS_MAX,
  hashSteeringPart,
  parseSteeringPart,
  withSteeringPart,
} from '../../src/control/journal-config.ts';
import { centroids } from '../config/centroids.ts';

const HEAD = '$TTL 300\n@ SOA ns1 h 1 3600 600 1209600 60\n@ NS ns1\nns1 A 192.0.2.53\n';

function configOf(records: string): Config {
  const text =
    'zones: { a.example: { file: a.zone }, b.example: { nameservers: ns1, records: { ns1: { A: 192.0.2.53 } } } }';
  const file = () => ({ name: 'a.zone', text: HEAD + records });
  const result = validateConfig(text, 'test.yaml', {}, centroids, file);
  assert.ok(result.ok, JSON.stringify(result));
  return result.config;
}

function replayed(then: Config, now: Config): Config {
  const { hash, text } = hashSteeringPart(then);
  const part = parseSteeringPart(text, hash);
  assert.ok(part);
  return withSteeringPart(now, part);
}

const recordsOf = (zone: ZoneConfig | undefined) => [...rrsetsOf(zone!)];

test('records of zone files are kept with the record, octet for octet', () => {
  const [then, now] = [configOf('www A 192.0.2.1\n'), configOf('')];
  const zones = replayed(then, now).zones;
  assert.deepEqual(recordsOf(zones['a.example']), recordsOf(then.zones['a.example']));
  assert.deepEqual(zones['b.example'], then.zones['b.example']);
  assert.notEqual(hashSteeringPart(then).hash, hashSteeringPart(now).hash);
  assert.equal(hashSteeringPart(then).hash, hashSteeringPart(configOf('www A 192.0.2.1\n')).hash);
});

test('of large zone files those of the present are replayed', () => {
  const line = (i: number): string => `h${i} TXT "${'x'.repeat(250)}"\n`;
  const count = Math.ceil(FILES_KEPT_OCTETS_MAX / 250);
  const large = configOf(Array.from({ length: count }, (_, i) => line(i)).join(''));
  const { text } = hashSteeringPart(large);
  assert.ok(text.length < 10_000);
  const zones = replayed(large, configOf('www A 192.0.2.1\n')).zones;
  assert.equal(recordsOf(zones['a.example']).length, 3);
  assert.deepEqual(zones['b.example'], large.zones['b.example']);
});
