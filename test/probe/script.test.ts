import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import type { ProbeResult } from '../../src/probe/probe.ts';
import { script } from '../../src/probe/script.ts';
import { scratchDirectory } from '../node/scratch.ts';

const never = new AbortController().signal;
const TARGET = { address: '192.0.2.1', port: 8080 };

/** Runs a line of shell: here the shell is the program, and named as such. */
function run(line: string, more: object = {}, signal = never): Promise<ProbeResult> {
  const options = script.options.parse({ path: '/bin/sh', args: ['-c', line], ...more });
  return script.run(TARGET, options, signal);
}

test('run() takes exit status 0 for a success and the first line for the reason', async () => {
  const cases = [
    ['echo fine; echo more', true, 'fine'],
    ['exit 0', true, 'exit 0'],
    ['echo; echo "  later "', true, 'later'],
    ['echo broken; exit 3', false, 'exit 3: broken'],
    ['echo oh >&2; exit 1', false, 'exit 1: oh'],
    ['exit 2', false, 'exit 2'],
    ['kill -TERM $$', false, 'ended by SIGTERM'],
    ['printf "a\\033[31mb\\n"', true, 'a [31mb'],
  ] as const;
  for (const [line, ok, reason] of cases) {
    const result = await run(line);
    assert.deepEqual([result.ok, result.reason], [ok, reason], line);
  }
});

test('run() gives the environment that was written, and the target, and nothing else', async () => {
  const options = script.options.parse({ path: '/usr/bin/env', env: { MODE: 'deep' } });
  const env = await script.run({ ...TARGET, sourceAddress: '192.0.2.9' }, options, never);
  assert.equal(env.reason.split('=')[0], 'MODE');
  const all = await run('/usr/bin/env | /usr/bin/sort | /usr/bin/tr "\\n" " "');
  const names = all.reason.split(' ').map((pair) => pair.split('=')[0]);
  const own = names.filter((name) => !['PWD', 'OLDPWD', 'SHLVL', '_'].includes(name!));
  assert.deepEqual(own, ['MERIDIAN_TARGET_ADDRESS', 'MERIDIAN_TARGET_PORT']);
});

test('run() passes arguments as they are: no shell reads them', async () => {
  const options = script.options.parse({ path: '/bin/echo', args: ['$HOME', ';', '`id`'] });
  assert.equal((await script.run(TARGET, options, never)).reason, '$HOME ; `id`');
});

test('run() ends what writes too much, and what does not end', async () => {
  assert.equal((await run('yes')).reason, 'it writes more than 16 KiB');
  const controller = new AbortController();
  setTimeout(() => controller.abort('timeout after 100 ms'), 100);
  const startMs = performance.now();
  const result = await run('trap "" TERM; sleep 60', {}, controller.signal);
  assert.deepEqual([result.ok, result.reason], [false, 'timeout after 100 ms']);
  assert.ok(performance.now() - startMs < 2000);
});

test('run() leaves nothing behind: neither at the timeout nor after the end', async () => {
  const left = await run('sleep 60 & echo $!');
  assert.match(left.reason, /^[0-9]+$/);
  await gone(Number(left.reason));
  const controller = new AbortController();
  const file = join(scratchDirectory('script'), 'pid');
  const pending = run(`sleep 60 & echo $! > ${file}; wait`, {}, controller.signal);
  while (!existsSync(file) || readFileSync(file, 'utf8') === '') await turn();
  controller.abort('enough');
  assert.equal((await pending).reason, 'enough');
  await gone(Number(readFileSync(file, 'utf8')));
});

test('run() calls a program that cannot be run a fault of this host', async () => {
  for (const path of ['/nowhere/probe', '/etc/passwd', '/tmp']) {
    const result = await script.run(TARGET, script.options.parse({ path }), never);
    assert.deepEqual([result.ok, result.local], [false, true], path);
    assert.match(result.reason, /^cannot run /);
  }
});

test('run() survives a host that has no descriptors left', async () => {
  const program = `
    const { openSync } = await import('node:fs');
    const { script } = await import('${new URL('../../src/probe/script.ts', import.meta.url)}');
    const options = script.options.parse({ path: '/bin/true' });
    const target = { address: '192.0.2.1', port: 1 };
    const held = [];
    try { for (;;) held.push(openSync('/dev/null')); } catch {}
    const results = [];
    for (let turn = 0; turn < 3; turn += 1) {
      results.push(await script.run(target, options, new AbortController().signal));
    }
    const { closeSync } = await import('node:fs');
    for (const each of held) closeSync(each);
    results.push(await script.run(target, options, new AbortController().signal));
    console.log(JSON.stringify(results));`;
  const shell = 'ulimit -n 60; exec "$0" --input-type=module --eval "$1"';
  const { stderr, stdout } = await promisify(execFile)('/bin/sh', [
    '-c',
    shell,
    process.execPath,
    program,
  ]);
  const results: readonly ProbeResult[] = JSON.parse(stdout);
  assert.deepEqual(
    results.map(({ local = false, ok }) => [ok, local]),
    [
      [false, true],
      [false, true],
      [false, true],
      [true, false],
    ],
    `${stdout}${stderr}`,
  );
});

test('options refuse a program without a path', () => {
  for (const options of [{}, { path: 'probe.sh' }, { path: '/x', env: { 'A B': '' } }]) {
    assert.equal(script.options.safeParse(options).success, false, JSON.stringify(options));
  }
});

/** Resolves when the process is no more, or only waits to be buried by its new parent. */
async function gone(pid: number): Promise<void> {
  while (isRunning(pid)) await turn();
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !existsSync('/proc') || !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}
