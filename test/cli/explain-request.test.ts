import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { BALANCER_TEXT } from '../admin/fixture-requests.ts';
import { openCli } from './cli-harness.ts';

const MANUAL = readFileSync(new URL('../../docs/ROUTING.md', import.meta.url), 'utf8');

test('explain request by a file prints what the manual shows', async (t) => {
  const { runIn } = await openCli(t);
  const text = /```yaml meridian\.yaml\n(.*?)```/s.exec(MANUAL)?.[1] ?? '';
  const [, command = '', printed] = /```console\n\$ meridian (.*?)\n(.*?)```/s.exec(MANUAL) ?? [];
  const argv = [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, word]) => quoted ?? word!);
  const { code, stderr, stdout } = await runIn({ readFile: async () => text }, ...argv);
  assert.equal(code, 0, stderr);
  assert.equal(stdout, printed);
});

test('explain request asks the node, which knows its servers', async (t) => {
  const { run } = await openCli(t);
  const { code, stderr, stdout } = await run('explain', 'request', 'http://x.example/a?b');
  assert.equal(code, 0, stderr);
  assert.match(
    stdout,
    /^listener +127\.0\.1\.1:8080, region frankfurt \(the only one, although not on port 80\)$/m,
  );
  assert.match(stdout, /^ +routes\[0\] +any +[=] \/closed +the path is another$/m);
  assert.match(stdout, /^ +routes\[1\] +any +\/ +not so: header X-Beta present$/m);
  assert.match(stdout, /^> +routes\[2\] +any +\/ +matches: any host, path$/m);
  assert.match(stdout, /^ +127\.0\.2\.1:9002 +x down +1 +connection refused$/m);
  const json = await run('explain', 'request', 'http://x.example/closed', '-o', 'json');
  const { answer, routes } = JSON.parse(json.stdout);
  assert.deepEqual(answer, { status: 503, why: 'the filter respond answers' });
  assert.deepEqual(
    routes.map(({ index, verdict }: { index: number; verdict: string }) => [index, verdict]),
    [
      [0, 'taken'],
      [1, 'no'],
      [2, 'later'],
    ],
  );
});

test('explain request says what it cannot explain', async (t) => {
  const { run, runIn } = await openCli(t);
  for (const [argv, expected, words] of [
    [['ftp://x'], 1, /"ftp:\/\/x" is not the URL of a request/],
    [['--from', 'moon', 'http://x'], 1, /"moon" is not an IP address/],
    [['--listener', 'y', 'http://x'], 1, /no HTTP listener "y"[\s\S]*127\.0\.1\.1:8080/],
    [['--header', 'X: a\r\nHost: b', 'http://x'], 1, /on one line/],
    [[], 2, /missing required argument 'url'/],
    [['--config', 'none.yaml', 'http://x'], 1, /none\.yaml cannot be read/],
  ] as const) {
    const { code, stderr } = await run('explain', 'request', ...argv);
    assert.equal(code, expected, stderr);
    assert.match(stderr, words);
  }
  const io = { readFile: async () => `${BALANCER_TEXT}nonsense: 1\n` };
  const wrong = await runIn(io, 'explain', 'request', '--config', 'a.yaml', 'http://x');
  assert.equal(wrong.code, 78);
  assert.match(wrong.stderr, /^a\.yaml:\d+:\d+: unknown key "nonsense"/m);
});

test('explain still takes a name, and --type for it', async (t) => {
  const { run } = await openCli(t);
  const { code, stdout } = await run('explain', 'www.gslb.example', '--type', 'AAAA');
  assert.equal(code, 0);
  assert.match(stdout, /^www\.gslb\.example\. AAAA for /);
});
