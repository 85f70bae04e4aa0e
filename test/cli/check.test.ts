import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { openCli } from './cli-harness.ts';

const QUICKSTART = new URL('../../config/quickstart.yaml', import.meta.url);

test('check accepts the shipped quickstart', async (t) => {
  const { runIn } = await openCli(t);
  const text = await readFile(QUICKSTART, 'utf8');
  const { code, stdout } = await runIn({ readFile: async () => text }, 'check', 'quickstart.yaml');
  assert.equal(code, 0, stdout);
  assert.match(stdout, /^quickstart\.yaml is valid/m);
});

test('check prints every issue with file, line and column, and ends with 78', async (t) => {
  const { runIn } = await openCli(t);
  const text = `${await readFile(QUICKSTART, 'utf8')}\nnonsense: 1\nfolly: 2\n`;
  const io = { readFile: async () => text };
  const { code, stdout } = await runIn(io, 'check', 'mine.yaml');
  assert.equal(code, 78);
  assert.match(stdout, /^mine\.yaml:\d+:\d+: .*nonsense/m);
  assert.match(stdout, /^mine\.yaml:\d+:\d+: .*folly/m);
  assert.match(stdout, /^mine\.yaml: \d+ problems\.$/m);
  const json = await runIn(io, 'check', 'mine.yaml', '-o', 'json');
  assert.equal(json.code, 78);
  const { ok, issues } = JSON.parse(json.stdout);
  assert.equal(ok, false);
  assert.equal(issues[0].file, 'mine.yaml');
});

test('check warns of a folder with keys that is not there', async (t) => {
  const { runIn } = await openCli(t);
  const zone = '{ nameservers: ns.other.example., dnssec: { folder: no/such/keys } }';
  const io = { readFile: async () => `zones: { gslb.example: ${zone} }` };
  const { code, stdout } = await runIn(io, 'check', '/etc/nowhere/mine.yaml');
  assert.equal(code, 0);
  assert.match(stdout, /\/etc\/nowhere\/no\/such\/keys does not exist/);
});

test('check of a file that cannot be read is a sentence', async (t) => {
  const { run } = await openCli(t);
  const { code, stderr } = await run('check', 'missing.yaml');
  assert.equal(code, 1);
  assert.match(stderr, /missing\.yaml cannot be read: there is no such file\./);
});

test('check --print-schema prints the schema that editors use', async (t) => {
  const { run } = await openCli(t);
  const { code, stdout } = await run('check', '--print-schema');
  assert.equal(code, 0);
  assert.equal(JSON.parse(stdout).type, 'object');
});
