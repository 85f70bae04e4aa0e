import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesOf, textOf } from '../../src/http/ascii.ts';
import { FIELD, FIELDS_MAX } from '../../src/http/fields.ts';
import {
  createRequestHead,
  createResponseHead,
  findHeadEnd,
  HEAD_INCOMPLETE,
  HEAD_MALFORMED,
  parseRequestHead,
  parseResponseHead,
  TARGET_BYTES_MAX,
} from '../../src/http/head.ts';

function parse(text: string) {
  const bytes = bytesOf(text);
  const head = createRequestHead();
  const end = findHeadEnd(bytes, 0, bytes.length, 0);
  assert.equal(end, bytes.length, 'the whole text is one head');
  return { head, problem: parseRequestHead(bytes, 0, end, head) };
}

function parseResponse(text: string) {
  const bytes = bytesOf(text);
  const head = createResponseHead();
  return { head, problem: parseResponseHead(bytes, 0, bytes.length, head) };
}

test('parseRequestHead() reads the parts of a request', () => {
  const { head, problem } = parse(
    'POST /a/b?c=d HTTP/1.1\r\nHost: example.com:8080\r\nContent-Length:  12 \r\nX-Y:\r\n\r\n',
  );
  assert.equal(problem, undefined);
  assert.equal(head.method, 'POST');
  assert.equal(textOf(head.bytes, head.targetStart, head.targetEnd), '/a/b?c=d');
  assert.equal(textOf(head.bytes, head.target.pathStart, head.target.pathEnd), '/a/b');
  assert.equal(textOf(head.bytes, head.hostStart, head.hostEnd), 'example.com:8080');
  assert.equal(head.contentLength, 12);
  assert.equal(head.fields.count, 3);
  assert.deepEqual(
    [...head.fields.codes.subarray(0, 3)],
    [FIELD.host, FIELD.contentLength, FIELD.other],
  );
});

test('parseRequestHead() takes the authority of an absolute-form target over Host', () => {
  const { head, problem } = parse('GET http://real.example:81/x HTTP/1.1\r\nHost: other\r\n\r\n');
  assert.equal(problem, undefined);
  assert.equal(textOf(head.bytes, head.hostStart, head.hostEnd), 'real.example:81');
});

test('parseRequestHead() reads Connection options and marks what they nominate', () => {
  const { head, problem } = parse(
    'GET / HTTP/1.1\r\nHost: a\r\nX-Secret: 1\r\nConnection: Close, x-secret , upgrade\r\nX_Under: 1\r\nX-Kept: 1\r\n\r\n',
  );
  assert.equal(problem, undefined);
  assert.equal(head.close, true);
  assert.equal(head.upgrade, true);
  assert.deepEqual([...head.fields.dropped.subarray(0, 5)], [0, 1, 1, 1, 0]);
});

test('parseRequestHead() refuses too many fields with 431', () => {
  const fields = 'a: b\r\n'.repeat(FIELDS_MAX);
  assert.equal(parse(`GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`).problem?.status, 431);
});

test('parseRequestHead() refuses a long target with 414', () => {
  const target = `/${'a'.repeat(TARGET_BYTES_MAX)}`;
  assert.equal(parse(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`).problem?.status, 414);
});

test('parseRequestHead() accepts what is unusual but exact', () => {
  for (const text of [
    'GET / HTTP/1.0\r\n\r\n',
    'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: a\r\nX: caf\xe9 \t x\r\n\r\n',
    'PURGE /x HTTP/1.1\r\nHost: a\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n',
  ]) {
    assert.equal(parse(text).problem, undefined, text);
  }
});

test('findHeadEnd() finds the same end wherever an earlier scan stopped', () => {
  const bytes = bytesOf('GET / HTTP/1.1\r\nHost: a\r\n\r\nGET');
  const whole = findHeadEnd(bytes, 0, bytes.length, 0);
  assert.equal(textOf(bytes, whole, bytes.length), 'GET');
  for (let cut = 0; cut < whole; cut++) {
    assert.equal(findHeadEnd(bytes, 0, cut, 0), HEAD_INCOMPLETE, `cut at ${cut}`);
    assert.equal(findHeadEnd(bytes, 0, bytes.length, cut), whole, `scanned ${cut}`);
  }
});

test('findHeadEnd() reports a bare LF as soon as it comes', () => {
  const bytes = bytesOf('GET / HTTP/1.1\nHost');
  assert.equal(findHeadEnd(bytes, 0, bytes.length, 0), HEAD_MALFORMED);
});

test('parseResponseHead() reads status, reason and framing', () => {
  const { head, problem } = parseResponse('HTTP/1.1 404 Not here\r\nContent-Length: 3\r\n\r\n');
  assert.equal(problem, undefined);
  assert.equal(head.status, 404);
  assert.equal(textOf(head.bytes, head.reasonStart, head.reasonEnd), 'Not here');
  assert.equal(head.contentLength, 3);
});

test('parseResponseHead() voids the length beside a transfer coding', () => {
  const { head } = parseResponse(
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n',
  );
  assert.deepEqual([head.ambiguous, head.contentLength, head.chunked], [true, -1, true]);
});

test('parseResponseHead() refuses what is not exact', () => {
  for (const text of [
    'HTTP/1.1 20 OK\r\n\r\n',
    'HTTP/1.1 2000 OK\r\n\r\n',
    'HTTP/1.1  200 OK\r\n\r\n',
    'HTTP/2.0 200 OK\r\n\r\n',
    'ICY 200 OK\r\n\r\n',
    'HTTP/1.1 099 OK\r\n\r\n',
    'HTTP/1.1 200 O\0K\r\n\r\n',
    'HTTP/1.1 200 OK\r\nA : b\r\n\r\n',
    'HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
    'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
  ]) {
    assert.notEqual(parseResponse(text).problem, undefined, text);
  }
});
