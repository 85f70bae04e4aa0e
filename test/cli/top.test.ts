import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { sortedView, type TopSort, type TopView } from '../../src/cli/top-view.ts';
import { NODE_FLAGS } from '../../src/node-flags.mjs';
import { startCommand } from '../node/program.ts';
import { until } from '../node/until.ts';
import { type CliHarness, interruptKey, openCli } from './cli-harness.ts';

/** 110 requests a second in two routes, of which one in ten fails (test/admin/fixture-traffic.ts). */

test('top prints once without a terminal: rates, errors and durations of one interval', async (t) => {
  const { run } = await openCli(t);
  const { code, stdout } = await run('top', '--interval', '10s');
  assert.equal(code, 0);
  assert.match(
    stdout,
    /^\S+ \S+Z, 110 requests\/s, 10\.0 % of 5xx, 3 in flight, 40 connections, 0 B\/s sent$/m,
  );
  assert.match(stdout, /^ROUTE +LISTENER +WHEN +REQ\/S\* +ERRORS +P50 +P99 +ACTIVE +SENT\/S$/m);
  assert.match(stdout, /^\* \/ +public +100 +10\.0 % +4\.6ms +98ms +2 +100 kB$/m);
  assert.match(stdout, /^\* \/api +public +header X-Beta +10 +10\.0 % +4\.6ms +98ms +1 +10 kB$/m);
  assert.match(stdout, /^web-frankfurt +1 of 2 up +110 +10\.0 % +3\.6ms +4\.0ms +3 +1 +0\.0$/m);
  assert.match(
    stdout,
    /^127\.0\.2\.1:9001 +web-frankfurt +\+ up +110 +10\.0 % +3\.6ms +4\.0ms +3$/m,
  );
  assert.match(stdout, /^127\.0\.2\.1:9002 +web-frankfurt +x down +0\.0 +- +- +- +0$/m);
  assert.doesNotMatch(stdout, /q quit/);
  assert.equal(stdout, stripVTControlCharacters(stdout));
});

test('every column sorts: the largest first, names by the alphabet, what is not known last', () => {
  const line = (
    name: string,
    rate: number,
    errors: number | undefined,
    p50Ms: number | undefined,
  ) => ({
    ...{ name, rate, errors, p50Ms, upstream: 'u', state: 'up' },
    ...{ p99Ms: p50Ms === undefined ? undefined : 100 - p50Ms, active: -rate },
  });
  const servers = [line('c', 5, undefined, 1), line('a', 7, 0.5, 2), line('b', 6, 0.9, undefined)];
  const total = { ...{ connections: 0, active: 0 }, ...{ rate: 0, errors: 0, bytesPerSecond: 0 } };
  const view: TopView = { atMs: 0, seconds: 1, total, routes: [], upstreams: [], servers };
  const order = (sort: TopSort): string =>
    sortedView(view, sort)
      .servers.map(({ name }) => name)
      .join('');
  const orders = (['rate', 'errors', 'p50', 'p99', 'active', 'name'] as const).map(order);
  assert.deepEqual(orders, ['abc', 'bac', 'acb', 'cab', 'cba', 'abc']);
});

test('top refuses a column that it does not know', async (t) => {
  const { run } = await openCli(t);
  const { code, stderr } = await run('top', '--sort', 'colour');
  assert.equal(code, 2);
  assert.match(stderr, /rate, errors, p50, p99, active, name/);
});

test('top --json writes a line of numbers for each interval until it is interrupted', async (t) => {
  const { runIn, plane, url } = await openCli(t);
  const key = interruptKey();
  let waits = 0;
  const { code, stdout } = await runIn(
    {
      env: { MERIDIAN_ADMIN: url },
      onInterrupt: key.onInterrupt,
      async sleep(ms) {
        plane.advance(ms);
        waits += 1;
        if (waits === 4) key.press();
      },
    },
    'top',
    '--json',
  );
  assert.equal(code, 0);
  const views = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.equal(views.length, 3);
  for (const { seconds, total, routes } of views) {
    assert.deepEqual([seconds, total.rate, total.errors], [2, 110, 0.1]);
    assert.deepEqual([routes[0].rate, routes[0].active], [100, 2]);
  }
});

/** What is typed, and a terminal whose size changes. */
function terminal() {
  const keys = new Set<(key: string) => void>();
  const resizes = new Set<() => void>();
  const size = { columns: 130, rows: 30 };
  return {
    io: {
      isTTY: true,
      size: () => size,
      onKey(callback: (key: string) => void) {
        keys.add(callback);
        return () => keys.delete(callback);
      },
      onResize(callback: () => void) {
        resizes.add(callback);
        return () => resizes.delete(callback);
      },
    },
    type(key: string): void {
      for (const callback of keys) callback(key);
    },
    resize(columns: number, rows: number): void {
      Object.assign(size, { columns, rows });
      for (const callback of resizes) callback();
    },
    listeners: () => keys.size + resizes.size,
  };
}

/** Runs top on a terminal; `step` is called at each wait with its number, from 1. */
async function onTerminal(
  { plane, runIn, url }: CliHarness,
  step: (wait: number, screen: ReturnType<typeof terminal>) => void,
) {
  const screen = terminal();
  const key = interruptKey();
  let waits = 0;
  const result = await runIn(
    {
      ...screen.io,
      env: { MERIDIAN_ADMIN: url, NO_COLOR: '1' },
      onInterrupt: key.onInterrupt,
      async sleep(ms) {
        plane.advance(ms);
        waits += 1;
        step(waits, screen);
      },
    },
    'top',
  );
  assert.equal(screen.listeners(), 0, 'nobody listens any more');
  return { ...result, screens: result.stdout.split('\x1b[H').slice(1) };
}

test('on a terminal top repaints, sorts by keys, follows its size and ends by q', async (t) => {
  const { code, screens } = await onTerminal(await openCli(t), (wait, screen) => {
    if (wait === 2) screen.type('n');
    if (wait === 3) screen.resize(40, 9);
    if (wait === 4) screen.type('q');
  });
  assert.equal(code, 0);
  const [first, second, byName, third, small] = screens.map((text) =>
    text.replaceAll('\x1b[K', '').replace('\x1b[J', '').split('\n').slice(0, -1),
  );
  assert.match(first![0]!, /- requests\/s.*rates with the next reading$/);
  assert.match(second![0]!, /110 requests\/s/);
  assert.match(second!.join('\n'), /REQ\/S\*/);
  assert.match(second!.at(-1)!, /^q quit/);
  assert.match(byName!.join('\n'), /^ROUTE\*/m);
  assert.match(third!.join('\n'), /^ROUTE\*/m);
  assert.ok(small!.length < 9, `${small!.length} lines`);
  for (const line of small!) assert.ok(line.length <= 40, line);
});

test('Ctrl-C ends top as well, where it is typed and where it is a signal', async (t) => {
  const harness = await openCli(t);
  const { code, screens } = await onTerminal(harness, (_, screen) => screen.type('\x03'));
  assert.deepEqual([code, screens.length], [0, 1]);
});

test('what does not fit is counted', async (t) => {
  const { stdout } = await onTerminal(await openCli(t), (wait, screen) => {
    if (wait === 1) screen.resize(100, 11);
    if (wait === 2) screen.type('q');
  });
  assert.match(stdout, /… 2 more/);
});

test('a node that does not answer is waited for', async (t) => {
  const harness = await openCli(t);
  const { plane } = harness;
  const { traffic } = plane;
  const { code, stdout } = await onTerminal(harness, (wait, screen) => {
    if (wait === 1) Object.assign(plane, { traffic: () => assert.fail('not now') });
    if (wait === 2) Object.assign(plane, { traffic });
    if (wait === 4) screen.type('q');
  });
  assert.equal(code, 0);
  assert.match(stdout, /110 requests\/s/);
  const { code: refused } = await harness.run('--admin', 'http://127.0.0.1:1', 'top');
  assert.equal(refused, 69);
});

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const DEADLINE_MS = 20_000;

/** The program on a real terminal, made by util-linux' script; `stty` afterwards says how it was left. */
function onRealTerminal(t: TestContext, url: string) {
  const words = [process.execPath, ...NODE_FLAGS, MAIN, '--admin', url, 'top'];
  const shell = `tty; stty cols 90 rows 20; ${words.join(' ')}; echo "ended $?"; stty -a`;
  return startCommand(t, 'script', ['-qfc', shell, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

test('on a real terminal: it follows resizes, q ends it, and the terminal is as before', async (t) => {
  if (process.platform !== 'linux') return t.skip('needs script of util-linux');
  const { url } = await openCli(t);
  const program = onRealTerminal(t, url);
  await program.said(/requests\/s/);
  const device = /\/dev\/\S+/.exec(program.stdout())![0];
  execFileSync('stty', ['-F', device, 'cols', '30']);
  const longest = (): number => {
    const last = program.stdout().split('\x1b[H').at(-1)!;
    const lines = stripVTControlCharacters(last.split('\x1b[J')[0]!).split('\n');
    return Math.max(...lines.map((line) => line.trimEnd().length));
  };
  await until(
    () => longest() === 30,
    DEADLINE_MS,
    () => `30 columns, not ${longest()}`,
  );
  program.type('q');
  await program.exited;
  assert.match(program.stdout(), /ended 0/);
  assert.match(program.stdout(), / icanon .*| echo /s);
  assert.doesNotMatch(program.stdout(), / -icanon| -echo /);
});
