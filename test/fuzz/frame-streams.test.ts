import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  CONTENT_TYPE_BYTES_MAX,
  CONTROL_BYTES_MAX,
  DNSTAP_CONTENT,
  encodeControl,
  readControl,
} from '../../src/dnstap/frame-streams.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

/**
 * Whatever a collector sends, in whatever pieces: no exception, nothing read beyond the bytes, never more to keep
 * than the longest control frame, and what is read is what stands there.
 */
const SEED = fuzzSeed(20261122);
const MARGIN = 16;

const word = (value: number): readonly number[] => [
  (value >>> 24) & 0xff,
  (value >>> 16) & 0xff,
  (value >>> 8) & 0xff,
  value & 0xff,
];
const number = fc.oneof(
  fc.integer({ min: 0, max: 16 }),
  fc.integer({ min: 240, max: 600 }),
  fc.constantFrom(0xff_ff_ff_ff, 0x80_00_00_00, 0x7f_ff_ff_ff),
);
/** Frames that are nearly right: lengths and kinds are drawn, also wrong ones. */
const frame = fc
  .record({
    before: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: number }),
    lie: fc.option(number, { freq: 5 }),
    type: fc.oneof(fc.integer({ min: 1, max: 5 }), number),
    fields: fc.array(
      fc.record({
        kind: fc.oneof({ weight: 9, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: number }),
        lie: fc.option(number, { freq: 8 }),
        octets: fc.oneof(
          fc.constant([...Buffer.from(DNSTAP_CONTENT)]),
          fc.array(fc.nat(255), { maxLength: 300, size: 'max' }),
        ),
      }),
      { maxLength: 3 },
    ),
  })
  .map(({ before, fields, lie, type }) => {
    const inner = [
      ...word(type),
      ...fields.flatMap(({ kind, lie: length, octets }) => [
        ...word(kind),
        ...word(length ?? octets.length),
        ...octets,
      ]),
    ];
    return [...word(before), ...word(lie ?? inner.length), ...inner];
  });
const stream = fc.oneof(
  fc.array(frame, { maxLength: 4 }).map((frames) => frames.flat()),
  fc.array(fc.nat(255), { maxLength: 700, size: 'max' }),
);

test('readControl() lives with whatever a collector sends', () => {
  fc.assert(
    fc.property(stream, fc.nat(255), (octets, margin) => {
      let at = 0;
      for (;;) {
        const rest = octets.slice(at);
        const read = readControl(inMargin(rest, margin));
        // What stands behind the bytes makes no difference.
        assert.deepEqual(read, readControl(inMargin(rest, margin ^ 0xff)));
        if (read.step === 'incomplete') {
          assert.ok(rest.length < 8 + CONTROL_BYTES_MAX, `${rest.length} octets to keep`);
        }
        if (read.step !== 'frame') break;
        const { contentTypes, type } = read.frame;
        assert.ok(read.length <= 8 + CONTROL_BYTES_MAX && read.length <= rest.length);
        assert.ok(type >= 1 && type <= 5);
        assert.ok(contentTypes.every((each) => each.length <= CONTENT_TYPE_BYTES_MAX));
        if (contentTypes.every((each) => /^[ -~]*$/.test(each))) {
          assert.deepEqual([...encodeControl(read.frame)], rest.slice(0, read.length));
        }
        at += read.length;
      }
      // In pieces it is the same: nothing is known before it is there.
      const whole = readControl(Uint8Array.from(octets));
      for (let length = 0; length < Math.min(octets.length, 64); length += 1) {
        const part = readControl(Uint8Array.from(octets.slice(0, length)));
        assert.ok(part.step === 'incomplete' || part.step === whole.step);
      }
    }),
    { seed: SEED, numRuns: fuzzRuns(1500) },
  );
});

function inMargin(octets: readonly number[], margin: number): Uint8Array {
  const room = new Uint8Array(octets.length + 2 * MARGIN).fill(margin);
  room.set(octets, MARGIN);
  return room.subarray(MARGIN, MARGIN + octets.length);
}
