import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RrsetConfig } from '../../src/config/config.ts';
import { formatName } from '../../src/dns/name.ts';
import { formatRdata } from '../../src/dns/rdata/registry.ts';
import { typeName } from '../../src/dns/type-names.ts';
import { recordsOf } from '../../src/zone/zone-content.ts';
import { compiled, createConfig, rrset } from './fixture.ts';

const TRANSFER = { networks: ['127.0.0.0/8'], keys: [], steered: 'default', notify: [] } as const;

/** Records of the copy of gslb.example at and below a name, as text. */
function copyOf(below: string, zones: Readonly<Record<string, readonly RrsetConfig[]>>) {
  const config = createConfig();
  const parent = config.zones['gslb.example']!;
  const own = zones['gslb.example'] ?? [];
  const more = Object.entries(zones)
    .filter(([name]) => name !== 'gslb.example')
    .map(([name, rrsets]) => [name, { ...parent, steered: [], rrsets }] as const);
  const copied = { ...parent, transfer: TRANSFER, rrsets: [...parent.rrsets, ...own] };
  const all = { ...config.zones, 'gslb.example': copied, ...Object.fromEntries(more) };
  const { transfers } = compiled({ ...config, zones: all });
  return [...recordsOf(transfers[0]!.contents.at(-1)!)]
    .map(({ owner, rdata, type }) => [formatName(owner), typeName(type), formatRdata(type, rdata)])
    .filter(([owner]) => owner!.endsWith(below))
    .map((fields) => fields.join(' '));
}

const CHILD = [
  rrset('kid.gslb.example.', 'NS', ['ns.kid.gslb.example.', 'ns1.gslb.example.']),
  rrset('ns.kid.gslb.example.', 'A', ['192.0.2.77']),
  rrset('www.kid.gslb.example.', 'A', ['192.0.2.78']),
];

test('a copy delegates zones that are served beside it, as the parent does', () => {
  const deeper = [rrset('deep.kid.gslb.example.', 'NS', ['ns.deep.kid.gslb.example.'])];
  const zones = { 'kid.gslb.example': CHILD, 'deep.kid.gslb.example': deeper };
  assert.deepEqual(copyOf('kid.gslb.example.', zones), [
    'kid.gslb.example. NS ns.kid.gslb.example.',
    'kid.gslb.example. NS ns1.gslb.example.',
    'ns.kid.gslb.example. A 192.0.2.77',
  ]);
});

test('what the parent has written of a delegation stands as it is', () => {
  const written = [rrset('kid.gslb.example.', 'NS', ['ns.other.test.'])];
  const zones = { 'gslb.example': written, 'kid.gslb.example': CHILD };
  assert.deepEqual(copyOf('kid.gslb.example.', zones), ['kid.gslb.example. NS ns.other.test.']);
});
