import assert from 'node:assert/strict';
import { test } from 'node:test';
import { interruptKey, openCli } from './cli-harness.ts';

test('events shows the newest, oldest first', async (t) => {
  const { run, plane } = await openCli(t);
  for (let number = 1; number <= 5; number++) plane.emit('test.event', 'x', `number ${number}`);
  const { code, stdout } = await run('events', '-n', '2');
  assert.equal(code, 0);
  assert.equal(
    stdout,
    '2026-11-20 13:00:00Z  test.event        x: number 4\n2026-11-20 13:00:00Z  test.event        x: number 5\n',
  );
  assert.equal(JSON.parse((await run('events', '-o', 'json')).stdout).length, 7);
});

test('events --all shows whose they are', async (t) => {
  const { run } = await openCli(t);
  const { stdout } = await run('events', '--all', '-n', '3');
  assert.match(stdout, / {2}node-2 {8}endpoint\.down {5}web\/virginia: It is down\.\n/);
  assert.equal((await run('events', '--all', '--follow')).code, 2);
});

test('events --follow goes on until it is interrupted', async (t) => {
  const { runIn, plane, url } = await openCli(t);
  const key = interruptKey();
  const lines: string[] = [];
  const stdout = {
    write(text: string) {
      lines.push(text);
      if (lines.length === 1) void emitWhenFollowed();
      if (text.includes('live')) key.press();
    },
  };
  const emitWhenFollowed = async (): Promise<void> => {
    while (plane.subscribers() === 0) await new Promise((resolve) => setImmediate(resolve));
    plane.emit('test.event', 'x', 'live');
  };
  const { code } = await runIn(
    { stdout, onInterrupt: key.onInterrupt, env: { MERIDIAN_ADMIN: url } },
    'events',
    '--follow',
    '-n',
    '1',
    '-o',
    'json',
  );
  assert.equal(code, 0);
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).message),
    ['Up: 3 of 3 vantage points agree.', 'live'],
  );
});
