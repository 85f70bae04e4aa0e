import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createWarnings } from '../../src/monitoring/warnings.ts';
import { statement } from './statements.ts';

const T = 1_000_000;
const seen = (vantage: string, warning?: string, ok = true) => ({
  ...statement(vantage, 'k', 'up', T),
  recent: [{ atMs: T, ok, rttMs: 1, reason: '', ...(warning === undefined ? {} : { warning }) }],
});

test('createWarnings() tells each wording once, whoever sees it, and once that it is over', () => {
  const warnings = createWarnings();
  const note = (...said: Parameters<typeof seen>): string =>
    warnings
      .note(seen(...said))
      .map(({ kind, message, subject }) => `${kind} ${subject}: ${message}`)
      .join();
  assert.equal(note('one'), '');
  assert.equal(note('one', 'expires in 5 days'), 'probe.warning k: expires in 5 days');
  assert.equal(note('one', 'expires in 5 days'), '');
  assert.equal(note('two', 'expires in 5 days'), '', 'told already');
  assert.equal(note('two', 'expires in 4 days'), 'probe.warning k: expires in 4 days');
  assert.equal(note('one', 'expires in 4 days'), '');
  assert.equal(note('one', undefined, false), '', 'a failure says nothing of it');
  assert.equal(note('one'), '', 'two still sees it');
  assert.equal(note('two'), 'probe.warning-over k: nothing to warn of any more');
  assert.equal(note('two'), '');
  assert.equal(note('one', 'expires in 3 days'), 'probe.warning k: expires in 3 days');
  warnings.forget('one', 'k');
  assert.equal(note('two'), '', 'forgotten, not over');
});
