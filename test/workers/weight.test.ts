import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Snapshot } from '../../src/nameserver/snapshot.ts';
import { weightOf } from '../../src/nameserver/snapshot-weight.ts';
import { weigh } from '../../src/workers/weight.ts';
import { compiled } from '../nameserver/fixture.ts';

const LARGE = 500_000_000;
const SMALL = 3_000_000;
/** Of a test that allocates next to nothing besides. */
const NOISE = 1_000_000;

test('weigh() counts what the value before had as well only once', () => {
  const [first, second, third] = [{}, {}, {}];
  const grownBy = (act: () => void): number => {
    const before = process.memoryUsage().external;
    act();
    return process.memoryUsage().external - before;
  };
  const about = (octets: number, expected: number): void =>
    assert.ok(Math.abs(octets - expected) < NOISE, `${octets} octets, not ${expected}`);
  about(
    grownBy(() => weigh(first, new Map([['table', LARGE]]))),
    LARGE,
  );
  const next = new Map<object | string, number>([
    ['table', LARGE],
    [{}, SMALL],
  ]);
  about(
    grownBy(() => weigh(second, next)),
    SMALL,
  );
  // Of another length it is not the same memory, whatever it is called.
  about(
    grownBy(() => weigh(third, new Map([['table', LARGE + SMALL]]))),
    LARGE + SMALL,
  );
  assert.equal([first, second, third].length, 3);
});

test('weightOf() has all shared memory of a snapshot', () => {
  const snapshot = compiled();
  const buffers = new Set<ArrayBufferLike>();
  const look = (value: unknown): void => {
    if (ArrayBuffer.isView(value)) buffers.add(value.buffer);
    else if (typeof value === 'object' && value !== null) Object.values(value).forEach(look);
  };
  look(snapshot);
  const octets = [...buffers]
    .filter((buffer) => buffer instanceof SharedArrayBuffer)
    .reduce((sum, { byteLength }) => sum + byteLength, 0);
  assert.equal(sum(snapshot), octets);
});

test('weightOf() calls the lasting columns of zones the same while they are in one memory', () => {
  const snapshot = compiled();
  const { slots, memory } = snapshot.zones;
  const copied = new Uint32Array(new SharedArrayBuffer(slots.byteLength));
  const names = (of: Snapshot): number =>
    [...weightOf(of).keys()].filter((key) => weightOf(snapshot).has(key)).length;
  const whole = weightOf(snapshot).size;
  assert.equal(names({ ...snapshot, zones: { ...snapshot.zones, slots: copied } }), whole - 1);
  assert.equal(names({ ...snapshot, zones: { ...snapshot.zones, memory: memory + 1 } }), whole - 4);
});

const sum = (snapshot: Snapshot): number =>
  [...weightOf(snapshot).values()].reduce((total, octets) => total + octets, 0);
