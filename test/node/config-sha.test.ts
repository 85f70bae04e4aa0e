import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config, ZoneConfig } from '../../src/config/config.ts';
import { configSha, replaceZoneIn } from '../../src/node/config-sha.ts';
import { createConfig } from '../nameserver/fixture.ts';

const template = createConfig().zones['gslb.example']!;
const zone = (serial: number): ZoneConfig => ({ ...template, soa: { ...template.soa, serial } });
const of = (zones: Config['zones']): string => configSha(createConfig({ zones }));

test('configSha() of replaced zones is that of the same zones read anew', () => {
  const zones: Record<string, ZoneConfig> = { a: zone(1), b: zone(2), c: zone(3) };
  const config = createConfig({ zones });
  const before = configSha(config);
  replaceZoneIn(zones, 'b', zone(7));
  assert.equal(configSha(config), of({ a: zone(1), b: zone(7), c: zone(3) }));
  assert.notEqual(configSha(config), before);
  replaceZoneIn(zones, 'd', zone(4));
  assert.equal(configSha(config), of({ a: zone(1), b: zone(7), c: zone(3), d: zone(4) }));
  replaceZoneIn(zones, 'b', zone(2));
  assert.equal(configSha(config), of({ a: zone(1), b: zone(2), c: zone(3), d: zone(4) }));
});

test('configSha() is of the present also where nobody asked before a zone was replaced', () => {
  const zones: Record<string, ZoneConfig> = { a: zone(1) };
  replaceZoneIn(zones, 'a', zone(2));
  assert.equal(of(zones), of({ a: zone(2) }));
});

test('configSha() tells apart which zone has which records, and the rest of the configuration', () => {
  assert.equal(of({ a: zone(1), b: zone(2) }), of({ b: zone(2), a: zone(1) }));
  assert.notEqual(of({ a: zone(1), b: zone(2) }), of({ a: zone(2), b: zone(1) }));
  assert.notEqual(of({ a: zone(1) }), of({ a: zone(1), b: zone(1) }));
  const zones = { a: zone(1) };
  assert.notEqual(configSha(createConfig({ zones, regions: {} })), of(zones));
});
