import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatFacts, formatTable } from '../../src/cli/table.ts';

test('formatTable() aligns columns, numbers to the right, and counts no colours', () => {
  const text = formatTable(
    [{ title: 'NAME' }, { title: 'COUNT', align: 'right' }, { title: 'NOTE' }],
    [
      ['a', '1', ''],
      ['\x1b[32mlonger\x1b[39m', '12345678', 'ø'],
    ],
    (heading) => `<${heading}>`,
  );
  assert.equal(
    text,
    '<NAME       COUNT  NOTE>\na              1\n\x1b[32mlonger\x1b[39m  12345678  ø\n',
  );
});

test('formatTable() of no rows is its heading', () => {
  assert.equal(formatTable([{ title: 'NAME' }], []), 'NAME\n');
});

test('formatFacts() aligns the values', () => {
  assert.equal(
    formatFacts([
      ['ttl', '30 s'],
      ['answer', 'x'],
    ]),
    'ttl     30 s\nanswer  x\n',
  );
});
