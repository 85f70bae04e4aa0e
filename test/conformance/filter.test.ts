import assert from 'node:assert/strict';
import { test } from 'node:test';
import { filterKinds } from '../../src/filter/registry.ts';
import { createExchangeDouble } from '../filter/exchange-double.ts';

/** What every filter promises, checked for each line of the registry. */

/** Options that each kind accepts; a new kind needs a line here. */
const EXAMPLES: Readonly<Record<string, unknown>> = {
  fault: { delay: { percent: 50, ms: 20 }, abort: { percent: 50 } },
  headers: { request: { set: { 'X-A': 'b' } }, response: { set: { 'X-C': 'd' } } },
  redirect: { location: 'https://example.com/' },
  respond: { status: 451, headers: { 'Content-Type': 'text/plain' }, body: 'no' },
  rewrite: { prefix: { from: '/old', to: '/new' }, host: 'inner.example' },
};

test('filterKinds have distinct kinds and say what they do', () => {
  const kinds = filterKinds.map(({ kind }) => kind);
  assert.equal(new Set(kinds).size, kinds.length);
  assert.deepEqual(Object.keys(EXAMPLES).sort(), [...kinds].sort());
});

for (const kind of filterKinds) {
  const compile = () => kind.compile(kind.options.parse(EXAMPLES[kind.kind]));

  test(`${kind.kind}: either goes on or answers, exactly once`, () => {
    const double = createExchangeDouble();
    let nexts = 0;
    compile()(double.exchange, () => nexts++);
    for (const { then } of double.waits) then();
    assert.equal(nexts + (double.answered() ? 1 : 0), 1);
  });

  test(`${kind.kind}: does the same to the same request, however often`, () => {
    const filter = compile();
    const run = () => {
      const double = createExchangeDouble({ target: '/x?y', fields: [['A', 'b']] });
      filter(double.exchange, () => {});
      for (const { then } of double.waits) then();
      const response = double.respond(200, [['E', 'f']]);
      return [double.requestFields, double.sent, double.answered(), response];
    };
    assert.deepEqual(run(), run());
  });

  test(`${kind.kind}: parsed options parse to themselves`, () => {
    const parsed = kind.options.parse(EXAMPLES[kind.kind]);
    assert.deepEqual(kind.options.parse(parsed), parsed);
  });

  test(`${kind.kind}: refuses options that it does not know`, () => {
    const options = { ...(EXAMPLES[kind.kind] as object), 'no-such-option': 1 };
    assert.equal(kind.options.safeParse(options).success, false);
  });
}
