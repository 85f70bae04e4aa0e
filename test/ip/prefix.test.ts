import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAddress, parseAddress } from '../../src/ip/address.ts';
import { containsAddress, formatPrefix, networkOf, parsePrefix } from '../../src/ip/prefix.ts';

test('parsePrefix() reads networks and hosts, and formatPrefix() writes them', () => {
  const cases: [string, string][] = [
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['192.0.2.128/25', '192.0.2.128/25'],
    ['192.0.2.1', '192.0.2.1/32'],
    ['::/0', '::/0'],
    ['2001:db8::/32', '2001:db8::/32'],
    ['2001:db8::1', '2001:db8::1/128'],
    ['::ffff:10.0.0.0/104', '::ffff:10.0.0.0/104'],
  ];
  for (const [text, canonical] of cases) {
    const prefix = parsePrefix(text);
    assert.ok(prefix, text);
    assert.equal(formatPrefix(prefix), canonical);
  }
});

test('parsePrefix() gives undefined when host bits are set or the length is malformed', () => {
  const cases = [
    '10.0.0.1/8',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/08',
    '10.0.0.0/8/8',
    '::1/127',
  ];
  for (const text of [...cases, '::/129', '10.0.0/8', '/8', '10.0.0.0/+8', '10.0.0.0/-1', '']) {
    assert.equal(parsePrefix(text), undefined, text);
  }
});

test('containsAddress() compares bits up to the length and never mixes families', () => {
  const cases: [string, string, boolean][] = [
    ['0.0.0.0/0', '255.255.255.255', true],
    ['10.0.0.0/8', '10.255.255.255', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['192.0.2.128/25', '192.0.2.127', false],
    ['192.0.2.128/25', '192.0.2.255', true],
    ['192.0.2.1', '192.0.2.1', true],
    ['2001:db8::/33', '2001:db8:7fff::', true],
    ['2001:db8::/33', '2001:db8:8000::', false],
    ['::/0', '10.0.0.1', false],
    ['0.0.0.0/0', '::', false],
  ];
  for (const [network, address, expected] of cases) {
    const found = containsAddress(parsePrefix(network)!, parseAddress(address)!);
    assert.equal(found, expected, `${network} ${address}`);
  }
});

test('networkOf() clears host bits when the length is inside a byte', () => {
  const network = (text: string, length: number) =>
    formatAddress(networkOf(parseAddress(text)!, length).address);
  assert.equal(network('255.255.255.255', 0), '0.0.0.0');
  assert.equal(network('255.255.255.255', 13), '255.248.0.0');
  assert.equal(network('255.255.255.255', 32), '255.255.255.255');
  assert.equal(network('2001:db8:ffff::1', 47), '2001:db8:fffe::');
});
