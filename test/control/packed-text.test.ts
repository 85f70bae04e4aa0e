import assert from 'node:assert/strict';
import { test } from 'node:test';
import { packText } from '../../src/control/packed-text.ts';

test('packText() keeps a text in less room, and gives it back as it was at any time', async () => {
  const text = '{"endpoint":"web/frankfurt","why":"größer 🌍"}\n'.repeat(1000);
  const packed = packText(text);
  assert.equal(packed.size(), 0);
  assert.equal(await packed.text(), text);
  await packed.settled;
  assert.ok(packed.size() > 0 && packed.size() < text.length / 10, String(packed.size()));
  assert.equal(await packed.text(), text);
});
