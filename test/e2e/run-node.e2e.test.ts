import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Role } from '../../src/config/config.ts';
import { describeThread } from '../../src/node/run-node.ts';
import { ask } from '../node/dns-client.ts';
import { startNodeFixture } from '../node/node-fixture.ts';
import { runCommand, startProgram } from '../node/program.ts';
import { place, planThreeRegions, runOrigins } from '../node/three-regions.ts';
import { until } from '../node/until.ts';

const DEADLINE_MS = 20_000;
const TYPE_NS = 2;

test('a signal while the node starts ends it cleanly, and SIGHUP does not end it', async (t) => {
  const { file } = await bareNode(t);
  // Before the program has read its first line, in its middle, and about when it is ready.
  const rounds = [0, 1, 2, 3].map(async (round) => {
    const program = startProgram(t, ['run', '--config', file]);
    await delay(250 + 150 * round);
    const isDeaf = !program.isRunning() || program.stdout() + program.stderr() === '';
    program.kill('SIGHUP');
    program.kill('SIGTERM');
    const { code, signal } = await program.exited;
    // In its first moments no program can hear a signal; then it ends by it.
    const cleanly = code === 0 && signal === null;
    assert.ok(cleanly || (isDeaf && signal !== null), `${code} ${signal} ${program.stderr()}`);
    assert.doesNotMatch(program.stderr(), /at .*\(/);
    return cleanly;
  });
  await Promise.all(rounds);
});

test('SIGHUP reloads, many at once too, and SIGTERM ends with 0', async (t) => {
  const { file, config } = await bareNode(t);
  const program = startProgram(t, ['run', '--config', file]);
  await program.said(/node\.ready/);
  writeFileSync(file, JSON.stringify({ ...config, dns: { ...config.dns, udpSizeMax: 1400 } }));
  for (let count = 0; count < 50; count += 1) program.kill('SIGHUP');
  await program.said(/udpSizeMax/);
  writeFileSync(file, '{');
  program.kill('SIGHUP');
  await program.said(/config\.refused/);
  program.kill('SIGTERM');
  assert.deepEqual(await program.exited, { code: 0, signal: null });
  const reloads = program.stdout().match(/config\.reload/g) ?? [];
  assert.ok(reloads.length < 50, `${reloads.length} reloads`);
});

test('a command whose reader goes away ends without a word', async (t) => {
  const script = `"$0" --disable-warning=ExperimentalWarning src/main.ts config schema | true; echo "\${PIPESTATUS[0]}"`;
  const { stderr, stdout } = await runCommand(t, 'bash', ['-c', script, process.execPath]);
  assert.equal(stderr, '');
  assert.equal(stdout, '0\n');
});

test('a thread is named with its engine, once it has said that', () => {
  const named = (name: string, engine: string) => describeThread({ name, engine: () => engine });
  assert.equal(named('dns-udp-1', 'udp'), 'dns-udp-1 (udp)');
  assert.equal(named('signer', 'signer'), 'signer');
  assert.equal(named('signer', ''), 'signer');
});

test('every role runs alone', async (t) => {
  const world = await planThreeRegions(t);
  const roles: readonly Role[] = ['nameserver', 'balancer', 'prober', 'admin'];
  for (const role of roles) {
    const { dns, admin } = { dns: await place(), admin: await place() };
    const config = world.config({
      node: { name: role, roles: [role], workers: { dns: 1, balancer: 1 } },
      dns: { listeners: [`${dns.address}:${dns.port}`] },
      admin,
    });
    const { node, stop } = await startNodeFixture(config);
    const threads = node.threads().map(({ name }) => name.replace(/-.*/, ''));
    const expected = { nameserver: ['dns', 'dns'], balancer: Array(3).fill('balancer') };
    assert.deepEqual(threads, expected[role as keyof typeof expected] ?? [], role);
    assert.equal(node.adminUrl !== undefined, role === 'admin');
    const { body } = await node.plane.metrics();
    assert.match(body, /meridian_build_info/);
    assert.equal(node.plane.regions().length, 3);
    await stop();
  }
});

test('a node that started without listeners opens the first one by a reload', async (t) => {
  const world = await planThreeRegions(t);
  await runOrigins(t, world);
  const without = world.config({ balancer: { listeners: [], upstreams: {} } });
  const { node, file, stop } = await startNodeFixture(without);
  t.after(stop);
  assert.deepEqual(node.plane.balancers(), []);
  writeFileSync(file, JSON.stringify(world.config()));
  const result = await node.plane.reload('test');
  assert.ok(result.ok);
  const { vip, port } = world.regions.frankfurt;
  await until(
    async () => (await text(`http://${vip}:${port}/`)).includes('hello from frankfurt'),
    DEADLINE_MS,
    'the new listener serves',
  );
});

test('a state directory that cannot be written is a warning, not an end', async (t) => {
  const { file, config, directory } = await bareNode(t);
  const blocked = join(directory, 'file');
  writeFileSync(blocked, '');
  const node = { ...config.node, stateDirectory: join(blocked, 'state') };
  writeFileSync(file, JSON.stringify({ ...config, node }));
  const program = startProgram(t, ['run', '--config', file]);
  await program.said(/node\.ready/);
  program.kill('SIGTERM');
  assert.deepEqual(await program.exited, { code: 0, signal: null });
  assert.match(program.stdout(), /state\.unreadable/);
  assert.match(program.stdout(), /state\.unwritable/);
});

test('without node:ffi a node answers over UDP, and one line says what it does without and why', async (t) => {
  const { at, file } = await bareNode(t);
  // As an option of the environment, for Node wants it before the program's own.
  const env = { ...process.env, NODE_OPTIONS: '--no-experimental-ffi' };
  const program = startProgram(t, ['run', '--config', file], { env });
  await program.said(/node\.ready/);
  const { answer } = await ask(at, { name: 'gslb.example', type: TYPE_NS });
  assert.deepEqual(
    answer.map(({ text }) => text),
    ['ns.example.'],
  );
  program.kill('SIGTERM');
  assert.deepEqual(await program.exited, { code: 0, signal: null });
  const lines = program.stdout().split('\n');
  const [line, ...others] = lines.filter((each) => /sockets\.|UDP/.test(each));
  const one = 'Workers open their own sockets, and UDP is read one datagram after the other';
  const why =
    process.platform === 'linux' ? 'node:ffi is not usable: .*' : 'no descriptor hand-over';
  assert.match(String(line), new RegExp(`${one}, by the portable engine: ${why}`));
  assert.match(String(line), /sockets\.portable/);
  assert.deepEqual(others, [], 'nothing else is said of it');
});

/** The smallest node that answers: no region, one zone, a small geo database. */
async function bareNode(t: TestContext) {
  const world = await planThreeRegions(t);
  const { geo } = world.config() as { geo: unknown };
  const config = {
    node: { name: 'bare', roles: ['nameserver'], workers: { dns: 1 } },
    geo,
    zones: { 'gslb.example': { nameservers: ['ns.example.'] } },
    dns: { listeners: [`${world.dns.address}:${world.dns.port}`] },
  };
  const file = world.write('bare.yaml', config);
  return { at: world.dns, file, config, directory: world.directory };
}

const text = (url: string): Promise<string> =>
  fetch(url).then(
    (response) => response.text(),
    () => '',
  );
