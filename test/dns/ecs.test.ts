import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type EcsFields,
  ecsAddressLength,
  ecsBitsMax,
  ecsOptionLength,
  readEcs,
  writeEcs,
} from '../../src/dns/ecs.ts';

function fields(): EcsFields {
  return { ecsFamily: 0, ecsSource: 0, ecsScope: 0, ecsAddress: new Uint8Array(16) };
}

test('ecsAddressLength() is as few octets as hold the bits', () => {
  const cases = [0, 1, 8, 9, 24, 25, 32, 56, 128].map((bits) => ecsAddressLength(bits));
  assert.deepEqual(cases, [0, 1, 1, 2, 3, 4, 4, 7, 16]);
});

test('ecsBitsMax() knows IPv4, IPv6 and no other family', () => {
  assert.deepEqual([0, 1, 2, 3, 65535].map(ecsBitsMax), [0, 32, 128, -1, -1]);
});

test('writeEcs() echoes what readEcs() read, octet by octet but the scope', () => {
  const options = [
    [0, 1, 24, 0, 192, 0, 2],
    [0, 1, 0, 0],
    [0, 1, 15, 0, 10, 2],
    [0, 2, 56, 0, 0x20, 1, 0x0d, 0xb8, 1, 2, 3],
    [0, 0, 0, 0],
  ];
  for (const value of options) {
    const ecs = fields();
    const bytes = Uint8Array.of(9, 9, ...value, 9);
    assert.ok(readEcs(ecs, bytes, 2, value.length));
    const out = new Uint8Array(40);
    const end = writeEcs(out, 3, ecs, 8, 16);
    assert.equal(end - 3, ecsOptionLength(ecs));
    const echoed = [...value];
    echoed[3] = value[2] === 0 ? 0 : 16;
    assert.deepEqual([...out.subarray(3, end)], [0, 8, 0, value.length, ...echoed]);
  }
});
