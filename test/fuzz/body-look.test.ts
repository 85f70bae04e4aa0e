import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  BODY_LOOK_BYTES_MAX,
  bodyKind,
  jsonValues,
  lookAtBody,
} from '../../src/balancer/body-look.ts';
import { headOf } from '../balancer/request-head.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

/** Bodies as they come in pieces: what is seen of them depends on the whole alone. */

const parameters = (runs: number) => ({ numRuns: fuzzRuns(runs), seed: fuzzSeed(66) });

const texts = fc.oneof(
  fc.json(),
  fc.json({ stringUnit: 'binary' }),
  fc.string({ maxLength: 40 }),
  fc.webQueryParameters(),
  fc.nat({ max: 2 * BODY_LOOK_BYTES_MAX }).map((length) => JSON.stringify('x'.repeat(length))),
);
const types = fc.constantFrom(
  'application/json',
  'application/problem+json; charset=utf-8',
  'application/x-www-form-urlencoded',
);

/** The octets in the chunked coding, cut at these places. */
function chunked(body: Buffer, cuts: readonly number[]): Buffer {
  const places = [...new Set([0, ...cuts.map((cut) => cut % (body.length + 1)), body.length])];
  places.sort((a, b) => a - b);
  const chunks = places.slice(1).flatMap((to, index) => {
    const piece = body.subarray(places[index], to);
    return [`${piece.length.toString(16)};x\r\n`, piece, '\r\n'];
  });
  return Buffer.concat([...chunks, '0\r\n', 'T: u\r\n', '\r\n'].map((part) => Buffer.from(part)));
}

function expectedFields(type: string, body: Buffer) {
  if (type.includes('form')) return { kind: 'form', text: body.toString('latin1') };
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
    return { kind: 'json', root: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

test('a body shows the same fields however it is framed and cut', () => {
  let [shown, hidden] = [0, 0];
  const cuts = fc.array(fc.nat({ max: 20_000 }), { maxLength: 6 });
  fc.assert(
    fc.property(texts, types, fc.boolean(), cuts, (text, type, isChunked, places) => {
      const body = Buffer.from(text);
      const framing = isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`;
      const head = headOf('POST', 'a', '/', [`Content-Type: ${type}`, framing]);
      const kind = bodyKind(head);
      const wire = isChunked ? chunked(body, places) : body;
      const isShort = wire.length <= BODY_LOOK_BYTES_MAX;
      if (kind === undefined) {
        assert.ok(!isChunked && (body.length === 0 || !isShort));
        return;
      }
      let told: ReturnType<typeof lookAtBody> = 1;
      let needed = 1;
      for (const end of [...places.map((cut) => cut % (wire.length + 1)), wire.length].sort(
        (a, b) => a - b,
      )) {
        if (end < needed || typeof told !== 'number') continue;
        told = lookAtBody(head, kind, wire, 0, end);
        if (typeof told !== 'number') continue;
        assert.ok(told >= 1, 'asks for nothing');
        needed = end + told;
        assert.ok(needed <= wire.length, 'waits for more than there is');
      }
      const expected = isShort ? expectedFields(type, body) : undefined;
      assert.deepEqual(told, expected);
      if (expected === undefined) hidden++;
      else shown++;
    }),
    parameters(4000),
  );
  assert.ok(shown > 500 && hidden > 100, `${shown} shown, ${hidden} hidden`);
});

test('octets that are no body are looked at without harm', () => {
  const head = headOf('POST', 'a', '/', [
    'Content-Type: application/json',
    'Transfer-Encoding: chunked',
  ]);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const told = lookAtBody(head, 'json', bytes, 0, bytes.length);
      assert.ok(told === undefined || typeof told === 'number' || told.kind === 'json');
    }),
    parameters(3000),
  );
});

test('a path finds what is there, and nothing of prototypes', () => {
  const names = fc.constantFrom(
    'a',
    'b',
    '0',
    '1',
    'length',
    'constructor',
    '__proto__',
    'toString',
  );
  fc.assert(
    fc.property(fc.json({ maxDepth: 4 }), fc.array(names, { maxLength: 4 }), (text, path) => {
      const values = jsonValues(JSON.parse(text), path);
      assert.ok(values.length <= 1);
      for (const value of values) assert.equal(typeof value, 'string');
    }),
    parameters(2000),
  );
  assert.deepEqual(jsonValues(JSON.parse('{"a":[1,{"b":"x"}],"c":null}'), ['a', '1', 'b']), ['x']);
  assert.deepEqual(jsonValues([1, 2], ['length']), []);
  assert.deepEqual(jsonValues({ a: {} }, ['a']), []);
  assert.deepEqual(jsonValues({}, ['constructor', 'name']), []);
  assert.deepEqual(jsonValues({ c: null }, ['c']), ['null']);
});
