import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const BENCH = fileURLToPath(new URL('./bench.ts', import.meta.url));

test('bench layer4: connections and datagrams, for a second each', async (t) => {
  const child = spawn(process.execPath, [
    ...[
      '--disable-warning=ExperimentalWarning',
      BENCH,
      'layer4',
      '--rounds',
      '1',
      '--seconds',
      '1',
    ],
    ...['--workload', 'connect', '--workload', 'datagrams', '--workload', 'sessions'],
    ...['--server', 'HAProxy', '--server', 'Meridian'],
  ]);
  t.after(() => child.kill('SIGTERM'));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const [code] = await once(child, 'close');
  assert.equal(code, 0, output);
  const table = output.slice(output.indexOf('| workload |'));
  assert.match(table, /\| connect \| HAProxy \| \d/, output);
  for (const workload of ['connect', 'datagrams', 'sessions']) {
    assert.match(table, new RegExp(`\\| ${workload} \\| Meridian \\| \\d.* no errors \\|`), output);
  }
  assert.doesNotMatch(table, /datagrams \| HAProxy/);
});
