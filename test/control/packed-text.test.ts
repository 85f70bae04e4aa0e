import assert from 'node:assert/strict';
import { test } from 'node:test';
import { packText } from '../../src/control/packed-text.ts';
import { until } from '../node/until.ts';

test('packText() keeps a text in less room, and gives it back as it was at any time', async () => {
  const text = '{"endpoint":"web/frankfurt","why":"größer 🌍"}\n'.repeat(1000);
  const packed = packText(text);
  assert.equal(packed.size(), text.length);
  assert.equal(await packed.text(), text);
  await until(() => packed.size() < text.length / 10, 20_000, 'compressed');
  assert.equal(await packed.text(), text);
});
