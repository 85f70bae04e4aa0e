import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { parse } from 'yaml';
import { createProgram } from '../../src/cli/program.ts';
import { openCli } from './cli-harness.ts';

test('every command explains itself with an example', async (t) => {
  const { run } = await openCli(t);
  const program = createProgram(
    {
      ...({} as Parameters<typeof createProgram>[0]),
      stdout: process.stdout,
      stderr: process.stderr,
    },
    {} as Parameters<typeof createProgram>[1],
  );
  const names = program.commands
    .map((command) => command.name())
    .filter((name) => name !== 'complete');
  assert.ok(names.length >= 17);
  for (const name of names.filter((one) => one !== 'config')) {
    const { code, stdout } = await run('help', name);
    assert.equal(code, 0, name);
    assert.match(stdout, new RegExp(`Usage: meridian ${name}`), name);
    assert.match(stdout, /Examples:\n {2}\$ /, name);
  }
  for (const path of [
    ['config', 'schema'],
    ['config', 'show'],
    ['dnssec', 'ds'],
    ['explain', 'request'],
    ['dnssec', 'roll', 'next'],
    ['drills', 'stop'],
  ]) {
    assert.match((await run(...path, '--help')).stdout, /Examples:/, path.join(' '));
  }
  const { stdout, code } = await run('--help');
  assert.equal(code, 0);
  assert.match(stdout, /Exit codes:/);
});

test('a wrong command line is exit code 2 and a sentence', async (t) => {
  const { run } = await openCli(t);
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /Usage: meridian/],
    [['drian', 'frankfurt'], /unknown command 'drian'[\s\S]*drain/],
    [['drain'], /missing required argument 'target'/],
    [['drain', 'frankfurt', '--for', 'long'], /a time such as 90s, 10m or 1h/],
    [['drain', 'frankfurt', '--for', '0'], /a time such as 90s, 10m or 1h/],
    [['force', 'frankfurt', 'sideways'], /Allowed choices are up, down/],
    [['status', '-o', 'xml'], /Allowed choices are table, json, yaml/],
    [['status', '--admin', 'ftp://x'], /not the URL of an admin API/],
    [['status', '--admin', 'nonsense'], /http:\/\/127\.0\.0\.1:8053/],
    [['events', '-n', '0'], /a number from 1 to 1000/],
    [['query', 'x..y'], /not a host name/],
    [['query', 'example.com', 'NOPE'], /not a record type/],
    [['query', 'example.com', '--server', 'nowhere'], /an address and port/],
    [['query', 'example.com', '--subnet', '10.0.0.0/33'], /a network such as/],
    [['check'], /Which file/],
  ];
  for (const [argv, expected] of cases) {
    const { code, stderr } = await run(...argv);
    assert.equal(code, 2, argv.join(' '));
    assert.match(stderr, expected, argv.join(' '));
    assert.doesNotMatch(stderr, /\n {4}at /, 'no stack trace');
  }
});

test('an API that does not answer is exit code 69 and says which URL and what to do', async (t) => {
  const { run } = await openCli(t);
  for (const argv of [['status'], ['drain', 'frankfurt'], ['events', '--follow'], ['reload']]) {
    const { code, stderr } = await run(...argv, '--admin', 'http://127.0.0.1:1');
    assert.equal(code, 69, argv.join(' '));
    assert.match(stderr, /http:\/\/127\.0\.0\.1:1\/ does not answer: nothing listens there\./);
    assert.match(stderr, /hint: Start a node with "meridian run"/);
  }
});

test('something else than an admin API is told apart', async (t) => {
  const { run } = await openCli(t);
  const server = createServer((_request, response) => response.end('<html>'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const { code, stderr } = await run('status', '--admin', `http://127.0.0.1:${port}`);
  assert.equal(code, 69);
  assert.match(stderr, /not Meridian's admin API/);
});

test('the token comes from --token or MERIDIAN_TOKEN', async (t) => {
  const { run, runIn, url } = await openCli(t, ['a-token-of-some-length']);
  const without = await run('status');
  assert.equal(without.code, 1);
  assert.match(without.stderr, /This API needs a token\.[\s\S]*hint: .*--token or MERIDIAN_TOKEN/);
  const wrong = await run('status', '--token', 'nope');
  assert.match(wrong.stderr, /The token is not one/);
  assert.equal((await run('status', '--token', 'a-token-of-some-length')).code, 0);
  const env = { MERIDIAN_ADMIN: url, MERIDIAN_TOKEN: 'a-token-of-some-length' };
  assert.equal((await runIn({ env }, 'status')).code, 0);
});

test('results come as JSON and YAML with the same content', async (t) => {
  const { run, plane } = await openCli(t);
  const expected = JSON.parse(JSON.stringify(plane.regions()));
  const json = await run('status', '-o', 'json');
  assert.deepEqual(JSON.parse(json.stdout).regions, expected);
  const yaml = await run('-o', 'yaml', 'status');
  assert.deepEqual(parse(yaml.stdout).regions, expected);
});

test('colours appear on a terminal only, and never when they are not wanted', async (t) => {
  const { runIn, url } = await openCli(t);
  const env = { MERIDIAN_ADMIN: url };
  const coloured = async (io: Parameters<typeof runIn>[0], ...argv: string[]) =>
    (await runIn(io, 'status', ...argv)).stdout.includes('\x1b[');
  assert.equal(await coloured({ env, isTTY: true }), true);
  assert.equal(await coloured({ env, isTTY: false }), false);
  assert.equal(await coloured({ env, isTTY: true }, '--no-color'), false);
  assert.equal(await coloured({ env: { ...env, NO_COLOR: '1' }, isTTY: true }), false);
  assert.equal(await coloured({ env: { ...env, TERM: 'dumb' }, isTTY: true }), false);
});

test('run, quickstart and origin call the handlers with their options', async (t) => {
  const { run, handled } = await openCli(t);
  await run('run');
  await run('run', '--config', 'm.yaml', '--roles', 'nameserver, prober', '--region', 'frankfurt');
  await run('quickstart', '-c', 'q.yaml');
  await run('origin', 'frankfurt-1', '127.0.2.1:9001', '[::1]:9001');
  assert.deepEqual(handled, [
    ['run', {}],
    ['run', { config: 'm.yaml', roles: ['nameserver', 'prober'], region: 'frankfurt' }],
    ['quickstart', { config: 'q.yaml' }],
    ['origin', { name: 'frankfurt-1', listen: ['127.0.2.1:9001', '[::1]:9001'] }],
  ]);
});

test('run --roles takes the roles there are, and no other word', async (t) => {
  const cli = await openCli(t);
  await cli.run('run', '--roles', 'prober, nameserver,prober');
  assert.deepEqual(cli.handled, [['run', { roles: ['prober', 'nameserver'] }]]);
  for (const roles of ['nameservr', 'prober,', '', 'constructor']) {
    const { code, stderr } = await cli.run('run', '--roles', roles);
    assert.equal(code, 2, roles);
    assert.match(stderr, /Roles are nameserver, balancer, prober, admin/);
  }
  assert.equal(cli.handled.length, 1);
});
