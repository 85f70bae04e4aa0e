import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

/** The benches and the soak that start balancers and their peers, for as short as they go. */

test('bench trouble: fails, beside HAProxy', async (t) => {
  const output = await troubled(t, 'fails', ['HAProxy', 'Meridian portable']);
  assert.match(output, /\| fails \| HAProxy \| \d+\.\d+ % \|/);
  assert.match(output, /\| fails \| Meridian portable \| \d+\.\d+ % \|/);
});

test('bench trouble: reload drops nothing', async (t) => {
  const output = await troubled(t, 'reload', ['Meridian']);
  assert.match(output, /dropped \| Meridian \| none dropped; 0 of \d+ failed \| yes/);
});

test('bench layer4: connections and datagrams', async (t) => {
  const output = await run(t, 'bench.ts', [
    ...['layer4', '--rounds', '1', '--seconds', '1'],
    ...['--workload', 'connect', '--workload', 'datagrams', '--workload', 'sessions'],
    ...['--server', 'HAProxy', '--server', 'Meridian'],
  ]);
  assert.match(output, /\| connect \| HAProxy \| \d/);
  for (const workload of ['connect', 'datagrams', 'sessions']) {
    assert.match(output, new RegExp(`\\| ${workload} \\| Meridian \\| \\d.* no errors \\|`));
  }
  assert.doesNotMatch(output, /datagrams \| HAProxy/);
});

test('soak --http: the whole of it, for some seconds', async (t) => {
  const output = await run(t, 'soak.ts', ['--http', '--minutes', '0.1']);
  for (const kind of ['small', '1m', 'chunked', 'upload', 'post', 'websocket', 'events']) {
    assert.match(output, new RegExp(`right answers .*\\b${kind} [1-9]`));
  }
  assert.match(output, /\| wrong answers \| 0 \|/);
  assert.match(output, /\| deaths of a server \| 1 \|/);
});

const troubled = (t: TestContext, scenario: string, servers: readonly string[]): Promise<string> =>
  run(t, 'bench.ts', [
    ...['trouble', '--seconds', '1', '--rate', '200', '--scenario', scenario],
    ...servers.flatMap((server) => ['--server', server]),
  ]);

/** What it has said, when it ended well. */
async function run(t: TestContext, program: string, words: readonly string[]): Promise<string> {
  const file = fileURLToPath(new URL(`../bench/${program}`, import.meta.url));
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', file, ...words]);
  t.after(() => child.kill('SIGTERM'));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const [code] = await once(child, 'close');
  assert.equal(code, 0, output);
  return output;
}
