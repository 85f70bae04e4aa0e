import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createStreamFraming,
  STREAM_BROKEN,
  STREAM_QUERY_BYTES_MAX,
} from '../../src/nameserver/stream-framing.ts';

const message = (length: number, fill: number): Uint8Array =>
  Uint8Array.of(length >> 8, length & 0xff, ...new Uint8Array(length).fill(fill));

function collect(chunks: readonly Uint8Array[]): { messages: Uint8Array[]; open: boolean } {
  const framing = createStreamFraming();
  const messages: Uint8Array[] = [];
  let open = true;
  for (const chunk of chunks)
    open &&= framing.receive(chunk, (bytes) => messages.push(bytes.slice())) !== STREAM_BROKEN;
  return { messages, open };
}

test('receive() finds the same messages however the bytes are cut', () => {
  const stream = Uint8Array.of(...message(12, 1), ...message(300, 2), ...message(40, 3));
  for (let cut = 1; cut <= stream.length; cut += 1) {
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < stream.length; at += cut) chunks.push(stream.subarray(at, at + cut));
    const { messages, open } = collect(chunks);
    assert.equal(open, true);
    assert.deepEqual(
      messages.map((bytes) => [bytes.length, bytes[0]]),
      [
        [12, 1],
        [300, 2],
        [40, 3],
      ],
    );
  }
});

test('receive() gives back what may not begin yet, wherever the bytes are cut', () => {
  const stream = Uint8Array.of(...message(12, 1), ...message(300, 2), ...message(40, 3));
  for (let cut = 1; cut <= stream.length; cut += 1) {
    const framing = createStreamFraming();
    const taken: number[] = [];
    let asked = 0;
    let rest: Uint8Array = stream.subarray(0, cut);
    let credit = 0;
    const mayBegin = (): boolean => {
      asked += 1;
      return credit-- > 0;
    };
    const receive = (): void => {
      rest = rest.subarray(framing.receive(rest, (bytes) => taken.push(bytes[0]!), mayBegin));
    };
    receive();
    assert.deepEqual(taken, []);
    rest = Buffer.concat([rest, stream.subarray(cut)]);
    for (const expected of [[1], [1, 2], [1, 2, 3]]) {
      credit = 1;
      receive();
      assert.deepEqual(taken, expected, `cut at ${cut}`);
    }
    assert.equal(rest.length, 0);
    // Once for each that was taken, and once for each that was not.
    assert.ok(asked <= 6 && asked >= 5, `${asked}`);
  }
});

test('receive() refuses lengths that no query has', () => {
  assert.equal(collect([Uint8Array.of(0, 0)]).open, false);
  assert.equal(collect([Uint8Array.of(0, 11)]).open, false);
  assert.equal(collect([message(STREAM_QUERY_BYTES_MAX + 1, 0)]).open, false);
  assert.equal(collect([message(STREAM_QUERY_BYTES_MAX, 0)]).open, true);
});

test('isMidMessage() is true between the first byte and the last', () => {
  const framing = createStreamFraming();
  const bytes = message(12, 7);
  framing.receive(bytes.subarray(0, 1), () => {});
  assert.equal(framing.isMidMessage(), true);
  framing.receive(bytes.subarray(1), () => {});
  assert.equal(framing.isMidMessage(), false);
});
