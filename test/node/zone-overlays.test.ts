import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createZoneOverlays, withZoneOverlays } from '../../src/node/zone-overlays.ts';
import type { Compiler } from '../../src/workers/compiler.ts';
import { createConfig } from '../nameserver/fixture.ts';

const overlay = { zone: 'gslb.example', rrsets: [] };

test('what came after the first compilation is told to whoever listens later', async () => {
  const overlays = createZoneOverlays();
  const compiled: unknown[] = [];
  const compiler = {
    async compile({ overlays: these }: Parameters<Compiler['compile']>[0]) {
      compiled.push(these);
      return { ok: false, reasons: [] };
    },
  } as unknown as Compiler;
  const { compile } = withZoneOverlays(compiler, overlays);
  const request = { config: createConfig(), generation: 1, revision: 1 };
  overlays.set('a', 'gslb.example', overlay);
  await compile(request);
  let heard = 0;
  overlays.onChange(() => {
    heard += 1;
  })();
  assert.equal(heard, 0, 'all that there is was compiled');
  overlays.set('b', 'gslb.example', overlay);
  const stop = overlays.onChange(() => {
    heard += 1;
  });
  assert.equal(heard, 1, 'and this was not');
  await compile(request);
  await compile({ ...request, isPast: true });
  assert.deepEqual(compiled, [[overlay], [overlay, overlay], undefined]);
  overlays.set('b', 'gslb.example', undefined);
  assert.equal(heard, 2);
  stop();
  overlays.set('a', 'gslb.example', undefined);
  assert.equal(heard, 2);
});
