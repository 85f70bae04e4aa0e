import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesOf, textOf } from '../../src/http/ascii.ts';
import {
  CHUNK_EXTENSION_BYTES_MAX,
  createChunkedDecoder,
  decodeChunked,
  isChunkedDone,
  isChunkedInvalid,
  TRAILER_BYTES_MAX,
} from '../../src/http/chunked.ts';

/** Feeds the pieces and gives the content, the trailers and what was left over. */
function decode(pieces: readonly string[]) {
  const decoder = createChunkedDecoder();
  let content = '';
  let rest = '';
  for (const piece of pieces) {
    const bytes = bytesOf(piece);
    let at = 0;
    while (at < bytes.length && !isChunkedDone(decoder) && !isChunkedInvalid(decoder)) {
      at = decodeChunked(decoder, bytes, at, bytes.length);
      content += textOf(bytes, decoder.dataStart, decoder.dataEnd);
    }
    rest += textOf(bytes, at, bytes.length);
  }
  return {
    content,
    rest,
    done: isChunkedDone(decoder),
    invalid: isChunkedInvalid(decoder),
    trailers: textOf(decoder.trailers, 0, decoder.trailerBytes),
  };
}

const BODY =
  '5\r\nhello\r\n1A;name="a;b"\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nX-Sum: 1\r\n\r\nNEXT';

test('decodeChunked() gives content, trailers and the rest', () => {
  assert.deepEqual(decode([BODY]), {
    content: 'helloabcdefghijklmnopqrstuvwxyz',
    rest: 'NEXT',
    done: true,
    invalid: false,
    trailers: 'X-Sum: 1\r\n\r\n',
  });
});

test('decodeChunked() gives the same wherever the bytes are cut', () => {
  const whole = decode([BODY]);
  for (let cut = 0; cut <= BODY.length; cut++) {
    assert.deepEqual(decode([BODY.slice(0, cut), BODY.slice(cut)]), whole, `cut at ${cut}`);
  }
  assert.deepEqual(decode([...BODY]), whole);
});

test('decodeChunked() refuses what is not exactly a chunk', () => {
  for (const text of [
    '0x5\r\nhello\r\n0\r\n\r\n',
    '+5\r\nhello\r\n0\r\n\r\n',
    '-5\r\nhello\r\n',
    '5_0\r\nhello',
    ' 5\r\nhello\r\n0\r\n\r\n',
    '5 \r\nhello\r\n0\r\n\r\n',
    '\r\nhello',
    ';a=b\r\nhello',
    '5\nhello\r\n0\r\n\r\n',
    '5\rhello',
    '5;a\nhello',
    '5\r\nhelloX\r\n0\r\n\r\n',
    '5\r\nhello\n0\r\n\r\n',
    'g\r\n',
    '00000000000000005\r\nhello\r\n0\r\n\r\n',
    'ffffffffffffffff\r\n',
    '0\r\nX: 1\n\r\n',
    '0\r\n x: 1\r\n\r\n',
    '0\r\n\rX',
    `5;${'a'.repeat(CHUNK_EXTENSION_BYTES_MAX + 1)}\r\nhello`,
    `0\r\nX: ${'a'.repeat(TRAILER_BYTES_MAX)}\r\n\r\n`,
  ]) {
    assert.equal(decode([text]).invalid, true, JSON.stringify(text.slice(0, 40)));
  }
});
