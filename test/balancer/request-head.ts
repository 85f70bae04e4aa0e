import assert from 'node:assert/strict';
import { createRequestHead, parseRequestHead, type RequestHead } from '../../src/http/head.ts';

/** The head of a request with these lines; without a host it is of HTTP/1.0. */
export function headOf(
  method: string,
  host: string,
  target: string,
  fields: readonly string[] = [],
): RequestHead {
  const start =
    host === ''
      ? [`${method} ${target} HTTP/1.0`]
      : [`${method} ${target} HTTP/1.1`, `Host: ${host}`];
  const lines = [...start, ...fields];
  const bytes = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  const head = createRequestHead();
  assert.equal(parseRequestHead(bytes, 0, bytes.length, head), undefined);
  return head;
}
