import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runOrigin } from '../../src/cli/origin.ts';

test('runOrigin() serves its four pages on every address and closes', async () => {
  const origin = await runOrigin({
    name: 'virginia',
    listen: [
      { address: '127.0.0.1', port: 0 },
      { address: '127.0.0.1', port: 0 },
    ],
  });
  for (const { port } of origin.servers) {
    const at = `http://127.0.0.1:${port}`;
    const text = async (path: string): Promise<string> => (await fetch(`${at}${path}`)).text();
    assert.equal(await text('/'), `hello from virginia, server 127.0.0.1:${port}\n`);
    assert.equal(await text('/healthz'), 'ok\n');
    assert.match(
      await text('/headers'),
      new RegExp(`^GET /headers\\nhost: 127.0.0.1:${port}\\n`, 'i'),
    );
    assert.match(await text('/slow?ms=1'), /^slow hello from virginia/);
    assert.equal((await fetch(`${at}/nothing`)).status, 404);
  }
  await origin.close();
  await assert.rejects(fetch(`http://127.0.0.1:${origin.servers[0]!.port}/`));
});

test('runOrigin() rejects when an address is taken, and leaves nothing behind', async () => {
  const first = await runOrigin({ name: 'a', listen: [{ address: '127.0.0.1', port: 0 }] });
  const taken = first.servers[0]!;
  await assert.rejects(
    runOrigin({ name: 'b', listen: [{ address: '127.0.0.1', port: 0 }, taken] }),
    { code: 'EADDRINUSE' },
  );
  await first.close();
});
