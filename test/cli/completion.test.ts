import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { openCli } from './cli-harness.ts';

/** The library writes to the process's standard output, so that is what is watched. */
async function printed(
  t: Parameters<typeof openCli>[0],
  ...argv: readonly string[]
): Promise<{ readonly code: number; readonly text: string }> {
  const { run } = await openCli(t);
  const log = t.mock.method(console, 'log', () => {});
  const { code } = await run(...argv);
  const text = log.mock.calls.map((call) => `${call.arguments[0]}\n`).join('');
  log.mock.restore();
  return { code, text };
}

test('completion prints a script for every shell', async (t) => {
  for (const shell of ['bash', 'zsh', 'fish', 'powershell']) {
    const { code, text } = await printed(t, 'completion', shell);
    assert.equal(code, 0, shell);
    assert.match(text, /meridian/, shell);
    if (shell === 'bash') execFileSync('bash', ['-n'], { input: text });
  }
});

test('completion of an unknown shell is exit code 2', async (t) => {
  const { run } = await openCli(t);
  const { code, stderr } = await run('completion', 'tcsh');
  assert.equal(code, 2);
  assert.match(stderr, /zsh, bash, fish, powershell/);
});

test('the shell is offered commands and options', async (t) => {
  const commands = await printed(t, 'complete', '--', 'dr');
  assert.match(commands.text, /^drain\t/m);
  assert.match(commands.text, /^drill\t/m);
  const map = await printed(t, 'complete', '--', 'map', '--ag');
  assert.match(map.text, /^--against\t[\s\S]*^--against-geo\t[\s\S]*^--against-latency\t/m);
  const options = await printed(t, 'complete', '--', 'drain', '--f');
  assert.match(options.text, /^--for\t/m);
  assert.match(options.text, /^--force\t/m);
});
