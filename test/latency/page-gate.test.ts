import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkKey } from '../../src/clients/network-key.ts';
import { parseAddress } from '../../src/ip/address.ts';
import { createPageGate, HOSTS_MAX, HOSTS_PER_NETWORK_MAX } from '../../src/latency/page-gate.ts';

const HOUR_MS = 3_600_000;
const readings = [{ region: 'frankfurt', rttMs: 12 }];
const key = (text: string): number => networkKey(parseAddress(text)!);

function open() {
  let nowMs = 1_800_000_000_000;
  const taken: number[] = [];
  const gate = createPageGate({
    clock: { nowMs: () => nowMs },
    take: (network) => void taken.push(network),
  });
  return {
    gate,
    taken,
    hear: (...addresses: string[]) =>
      gate.hear(addresses.map((address) => ({ address, readings }))),
    pass(ms: number) {
      nowMs += ms;
    },
  };
}

test('a host is heard once in an hour, however often it reports', () => {
  const { gate, hear, pass, taken } = open();
  for (let turn = 0; turn < 59; turn += 1) {
    hear('192.0.2.1', '192.0.2.1');
    pass(HOUR_MS / 60);
  }
  assert.deepEqual(taken, [key('192.0.2.0')]);
  pass(HOUR_MS);
  hear('192.0.2.1');
  assert.equal(taken.length, 2);
  assert.deepEqual(gate.counts(), { taken: 2, refused: 117 });
});

test('a host of IPv6 is a /64, for it can have any address there', () => {
  const { hear, taken } = open();
  hear('2001:db8::1', '2001:db8::2', '2001:db8:0:1::1', '::ffff:192.0.2.7');
  assert.deepEqual(taken, [key('2001:db8::'), key('2001:db8::'), key('192.0.2.0')]);
});

test('addresses that are none, or that every machine has, are not heard', () => {
  const { gate, hear, taken } = open();
  hear('', 'unknown', '127.0.0.1', 'fe80::1');
  assert.deepEqual(taken, []);
  assert.equal(gate.counts().refused, 4);
});

test('of a network and in all there are bounds', () => {
  const { gate, hear } = open();
  for (let host = 0; host < 256; host += 1) hear(`192.0.2.${host}`);
  assert.equal(gate.counts().taken, HOSTS_PER_NETWORK_MAX);
  for (let host = 0; host < HOSTS_MAX; host += 1) {
    hear(`10.${host >> 16}.${(host >> 8) & 255}.${host & 255}`);
  }
  assert.ok(gate.counts().taken <= HOSTS_MAX);
});
