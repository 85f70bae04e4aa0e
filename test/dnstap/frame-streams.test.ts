import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CONTROL_ACCEPT,
  CONTROL_FINISH,
  CONTROL_READY,
  DNSTAP_CONTENT,
  encodeControl,
  readControl,
  takesDnstap,
} from '../../src/dnstap/frame-streams.ts';

test('READY is what libfstrm says it is', () => {
  const ready = encodeControl({ type: CONTROL_READY, contentTypes: [DNSTAP_CONTENT] });
  // As fstrm_capture shows a frame that it reads.
  const shown = '\0\0\0\0\0\0\0"\0\0\0\x04\0\0\0\x01\0\0\0\x16protobuf:dnstap.Dnstap';
  assert.equal(Buffer.from(ready).toString('latin1'), shown);
});

test('control frames are read as they were written, and where they end', () => {
  for (const contentTypes of [[], [DNSTAP_CONTENT], ['a', '', DNSTAP_CONTENT]]) {
    const frame = { type: CONTROL_ACCEPT, contentTypes };
    const bytes = encodeControl(frame);
    const read = { step: 'frame', frame, length: bytes.length };
    assert.deepEqual(readControl(bytes), read);
    assert.deepEqual(readControl(Uint8Array.from([...bytes, 1, 2, 3])), read);
    for (let length = 0; length < bytes.length; length += 1) {
      assert.deepEqual(readControl(bytes.subarray(0, length)), { step: 'incomplete' });
    }
  }
});

test('what no collector says is told apart as soon as it is seen', () => {
  const finish = encodeControl({ type: CONTROL_FINISH, contentTypes: [] });
  const cases: readonly (readonly [RegExp, readonly number[]])[] = [
    [/data/, [0, 0, 0, 1]],
    [/3 octets/, [0, 0, 0, 0, 0, 0, 0, 3]],
    [/513 octets/, [0, 0, 0, 0, 0, 0, 2, 1]],
    [/4294967295 octets/, [0, 0, 0, 0, 255, 255, 255, 255]],
    [/control frame 6/, [...finish.subarray(0, 11), 6]],
    [/control frame 0/, [...finish.subarray(0, 11), 0]],
    [/cut off/, [0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1, 9]],
    [/field 2/, [0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0]],
    [/too long/, [0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]],
    [/too long/, [0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 1, 255, 255, 255, 255]],
  ];
  for (const [why, bytes] of cases) {
    const read = readControl(Uint8Array.from(bytes));
    assert.ok(read.step === 'broken', `${why}: ${JSON.stringify(read)}`);
    assert.match(read.why, why);
  }
});

test('whoever names no content takes anything, else it has to be ours', () => {
  const accept = (...contentTypes: string[]) => takesDnstap({ type: CONTROL_ACCEPT, contentTypes });
  assert.ok(accept());
  assert.ok(accept('other', DNSTAP_CONTENT));
  assert.ok(!accept('other'));
});
