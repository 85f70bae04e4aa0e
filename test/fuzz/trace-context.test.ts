import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isRequestId, isTracestate, traceIdOf } from '../../src/http/trace-context.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

/** Traces of W3C Trace Context: well-formed ones are known, all else is refused, quickly and without a throw. */

const digits = (length: number) =>
  fc
    .string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length })
    .filter((text) => /[^0]/.test(text));

test('a well-formed traceparent has its id, and one octet changed to what it cannot be has none', () => {
  fc.assert(
    fc.property(digits(32), digits(16), digits(2), fc.nat(54), (id, span, flags, at) => {
      const parent = `00-${id}-${span}-${flags}`;
      assert.equal(traceIdOf(parent), id);
      assert.equal(traceIdOf(`${parent.slice(0, at)}G${parent.slice(at + 1)}`), undefined);
      assert.equal(traceIdOf(parent.slice(0, at)), undefined);
    }),
    { numRuns: fuzzRuns(2000), seed: fuzzSeed(3) },
  );
});

test('a tracestate of distinct keys is known, in any order, and twice it is none', () => {
  const key = fc.constantFrom('a', 'b1', 'c_-*/', '1t@v', 'vendor', 'x@y');
  const value = fc.string({ unit: fc.constantFrom(...'az09!~ :;"'), minLength: 1, maxLength: 9 });
  const pairs = fc.dictionary(key, value, { minKeys: 1, noNullPrototype: true });
  fc.assert(
    fc.property(pairs, (members) => {
      const list = Object.entries(members).map(([name, text]) => `${name}=${text}z`);
      assert.equal(isTracestate(list.join(' , ')), true);
      assert.equal(isTracestate([...list, list[0]].join(',')), false);
    }),
    { numRuns: fuzzRuns(2000), seed: fuzzSeed(3) },
  );
});

test('no text makes them throw or dawdle', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => {
      assert.equal(traceIdOf(text), undefined);
      assert.equal(typeof isTracestate(text), 'boolean');
      assert.equal(isRequestId(text), !/[^\w.:/+=@-]/.test(text) && text !== '');
    }),
    { numRuns: fuzzRuns(5000), seed: fuzzSeed(3) },
  );
  for (const piece of ['a', 'a=', ',', 'a@', '0-', ' ']) {
    const text = piece.repeat(30_000);
    assert.equal(traceIdOf(text), undefined);
    assert.equal(isTracestate(text), false);
    assert.equal(isRequestId(text), false);
  }
});
