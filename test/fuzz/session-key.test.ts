import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createSessionKeyReader, readSessionKey } from '../../src/balancer/session-key-reader.ts';
import { nextLearnt } from '../../src/balancer/table-affinity.ts';
import type { SessionKeySource } from '../../src/config/affinity-config.ts';
import { bytesOf } from '../../src/http/ascii.ts';
import {
  createRequestHead,
  createResponseHead,
  parseRequestHead,
  parseResponseHead,
} from '../../src/http/head.ts';
import { sessionKeySecretOf } from '../../src/sessions/session-key.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

/** What a session is found by is what a plain reading of the head finds, wherever it stands, whatever else there is. */

const SECRET = sessionKeySecretOf('', 'shop');
const key = { high: 0, low: 0 };
const text = (letters: string, max: number) =>
  fc.array(fc.constantFrom(...letters), { maxLength: max }).map((all) => all.join(''));
const NAME = text('sidSID-_', 5).filter((name) => name !== '');
const VALUE = text('abc=%"1-', 8);
const PAIRS = fc.array(fc.tuple(NAME, VALUE), { maxLength: 6 });
const BLANKS = fc.constantFrom('', ' ', '  ');

const keyText = (isThere: boolean): string => (isThere ? `${key.high} ${key.low}` : '');

/** The key of a request with these lines, or '' when it shows none. */
function keyOf(source: SessionKeySource, target: string, lines: readonly string[]): string {
  const bytes = bytesOf([`GET ${target} HTTP/1.1`, 'Host: x', ...lines, '', ''].join('\r\n'));
  const head = createRequestHead();
  assert.equal(parseRequestHead(bytes, 0, bytes.length, head), undefined);
  const reader = createSessionKeyReader(source, SECRET);
  return keyText(readSessionKey(reader, head, '192.0.2.1', key));
}

const plain = (value: string | undefined): string =>
  value === undefined || value === ''
    ? ''
    : keyOf({ kind: 'header', name: 'x-plain' }, '/', [`X-Plain: ${value}`]);

const first = (pairs: readonly (readonly [string, string])[], name: string): string | undefined =>
  pairs.find(([each]) => each === name)?.[1];

test('parameters, cookies and headers are found as a plain reading finds them', () => {
  fc.assert(
    fc.property(NAME, PAIRS, BLANKS, (name, pairs, blanks) => {
      const query = pairs
        .map((pair) => pair.join('='))
        .join('&')
        .replaceAll('"', '');
      const unquoted = pairs.map(([each, value]) => [each, value.replaceAll('"', '')] as const);
      assert.equal(keyOf({ kind: 'query', name }, `/p?${query}`, []), plain(first(unquoted, name)));
      const cookie = `Cookie: ${pairs.map((pair) => pair.join('=')).join(`;${blanks}`)}`;
      assert.equal(keyOf({ kind: 'cookie', name }, '/', [cookie]), plain(first(pairs, name)));
      const lines = pairs.map(([each, value]) => `${each}:${blanks}${value}`);
      const lower = pairs.map(([each, value]) => [each.toLowerCase(), value] as const);
      const source = { kind: 'header', name: name.toLowerCase() } as const;
      const isRefusedName = pairs.some(([each]) => each.startsWith('_'));
      if (!isRefusedName) assert.equal(keyOf(source, '/', lines), plain(first(lower, source.name)));
    }),
    { seed: fuzzSeed(20_261_123), numRuns: fuzzRuns(2000) },
  );
});

test('a cookie that a server sets is learnt under the key with which it comes back', () => {
  const reader = createSessionKeyReader({ kind: 'cookie', name: 'SID' }, SECRET);
  const attribute = fc.constantFrom('Path=/', 'SID=x', 'HttpOnly', 'Max-Age=5');
  const field = fc.tuple(fc.constantFrom('SID', 'sid', 'SIDE', 'a'), VALUE, fc.array(attribute));
  fc.assert(
    fc.property(fc.array(field, { maxLength: 4 }), (fields) => {
      const lines = fields.map(([name, value, rest]) =>
        [`sEt-Cookie: ${name}=${value}`, ...rest].join('; '),
      );
      const bytes = bytesOf(['HTTP/1.1 200 OK', ...lines, '', ''].join('\r\n'));
      const head = createResponseHead();
      assert.equal(parseResponseHead(bytes, 0, bytes.length, head), undefined);
      const learnt: string[] = [];
      const next = (from: number): number => nextLearnt(reader, 'SID', head, from, key);
      for (let at = next(0); at >= 0; at = next(at + 1)) learnt.push(keyText(true));
      const set = fields.filter(([name, value]) => name === 'SID' && value !== '');
      const back = set.map(([, value]) =>
        keyOf({ kind: 'cookie', name: 'SID' }, '/', [`Cookie: a=1; SID=${value}`]),
      );
      assert.deepEqual(learnt, back);
    }),
    { seed: fuzzSeed(20_261_124), numRuns: fuzzRuns(1000) },
  );
});
