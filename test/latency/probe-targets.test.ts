import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkKey } from '../../src/clients/network-key.ts';
import type { ProbesConfig } from '../../src/config/latency-config.ts';
import { parseAddress } from '../../src/ip/address.ts';
import { probeTargets } from '../../src/latency/probe-targets.ts';

const config: ProbesConfig = {
  ...{ resolversMax: 100, beacons: [], methods: ['dns', 'icmp'], intervalMs: 600_000 },
  ...{ perSecond: 5, allow: [], exclude: [] },
};
const resolvers = (...texts: string[]) =>
  texts.map((text) => ({ address: parseAddress(text)!, count: 1 }));
const addresses = (more: Partial<ProbesConfig>, ...texts: string[]) =>
  probeTargets({ ...config, ...more }, resolvers(...texts)).map(({ address }) => address);

test('resolvers are asked where they listen, for their network', () => {
  assert.deepEqual(probeTargets(config, resolvers('192.0.2.53')), [
    {
      address: '192.0.2.53',
      methods: [
        { kind: 'dns', port: 53 },
        { kind: 'icmp', port: 0 },
      ],
      networks: [{ first: networkKey(parseAddress('192.0.2.0')!), count: 1 }],
    },
  ]);
});

test('private and special addresses are measured only where that is said, excluded ones never', () => {
  const special = ['10.1.2.3', '100.64.0.1', '169.254.1.1', '224.0.0.251', '255.255.255.255'];
  special.push('fe80::1', 'fd00::1', 'ff02::fb', '::ffff:10.1.2.3', '127.3.2.1');
  assert.deepEqual(addresses({}, ...special), []);
  assert.deepEqual(addresses({ allow: ['10.0.0.0/8'] }, ...special), ['10.1.2.3']);
  const both = { allow: ['10.0.0.0/8'], exclude: ['10.1.0.0/16', '192.0.2.0/24'] };
  assert.deepEqual(addresses(both, '10.1.2.3', '10.2.2.3', '192.0.2.1'), ['10.2.2.3']);
});

test('a beacon stands for the networks that it is named for, whatever they are', () => {
  const beacon = { address: '10.0.0.1', kind: 'tcp' as const, port: 443 };
  const networks = ['203.0.112.0/23', '2001:db8::/47', '198.51.100.128/25'];
  const [target] = probeTargets({ ...config, beacons: [{ ...beacon, networks }] }, []);
  assert.deepEqual(target, {
    address: '10.0.0.1',
    methods: [{ kind: 'tcp', port: 443 }],
    networks: [
      { first: networkKey(parseAddress('203.0.112.0')!), count: 2 },
      { first: networkKey(parseAddress('2001:db8::')!), count: 2 },
      { first: networkKey(parseAddress('198.51.100.0')!), count: 1 },
    ],
  });
});
