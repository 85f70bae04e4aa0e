import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesOf } from '../../src/http/ascii.ts';
import {
  createByteSink,
  putAll,
  putBytes,
  putChunkSize,
  putDecimal,
  putLineEnd,
  putText,
  sunkBytes,
} from '../../src/http/byte-sink.ts';
import {
  createFields,
  FIELD,
  fieldCode,
  isReservedFieldName,
  onlyField,
  parseFields,
} from '../../src/http/fields.ts';
import { claimsIdentity } from '../../src/http/forwarded.ts';

test('fieldCode() knows names in any case and nothing else', () => {
  for (const [name, code] of [
    ['Host', FIELD.host],
    ['CONTENT-LENGTH', FIELD.contentLength],
    ['tE', FIELD.te],
    ['Content_Length', FIELD.other],
    ['Hos', FIELD.other],
    ['x'.repeat(100), FIELD.other],
  ] as const) {
    assert.equal(fieldCode(bytesOf(name), 0, name.length), code, name);
  }
});

test('onlyField() tells none, one and several apart', () => {
  const bytes = bytesOf('A: 1\r\nHost: b\r\nVia: c\r\nVia: d\r\n\r\n');
  const fields = createFields();
  assert.equal(parseFields(bytes, 0, bytes.length, fields), undefined);
  assert.equal(onlyField(fields, FIELD.host), 1);
  assert.equal(onlyField(fields, FIELD.te), -1);
  assert.equal(onlyField(fields, FIELD.via), -2);
});

test('isReservedFieldName() covers framing, routing and hop-by-hop', () => {
  for (const name of [
    'host',
    'content-length',
    'transfer-encoding',
    'connection',
    'upgrade',
    'te',
  ]) {
    assert.equal(isReservedFieldName(name), true, name);
  }
  for (const name of ['accept', 'x-forwarded-for', 'date']) {
    assert.equal(isReservedFieldName(name), false, name);
  }
});

test('claimsIdentity() knows what strangers must not say', () => {
  assert.equal(claimsIdentity(FIELD.forwarded), true);
  assert.equal(claimsIdentity(FIELD.clientCert), true);
  assert.equal(claimsIdentity(FIELD.via), false);
});

test('putDecimal() writes numbers as they are written', () => {
  for (const value of [0, 9, 10, 99, 100, 12_345, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    const sink = createByteSink(1);
    putDecimal(sink, value);
    assert.equal(Buffer.from(sunkBytes(sink)).toString(), String(value));
  }
});

test('putChunkSize() and its like grow the sink and keep the order', () => {
  const sink = createByteSink(2);
  putText(sink, 'ab');
  putBytes(sink, bytesOf('-xyz-'), 1, 4);
  putChunkSize(sink, 300);
  putAll(sink, bytesOf('q'.repeat(300)));
  putLineEnd(sink);
  assert.equal(Buffer.from(sunkBytes(sink)).toString(), `abxyz12c\r\n${'q'.repeat(300)}\r\n`);
});
