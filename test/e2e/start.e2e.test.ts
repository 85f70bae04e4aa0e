import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Result, runCommand, runProgram } from '../node/program.ts';
import { type Place, place, planThreeRegions, type ThreeRegions } from '../node/three-regions.ts';

/**
 * What the program says when it cannot start: every reason at once, each as a sentence with what to
 * do about it, an exit code that scripts can rely on, and never a stack trace.
 */
const EXIT_FAILED = 1;
const EXIT_CONFIG = 78;
const NOBODY = 65_534;
const PRIVILEGED_PORT = 53;
const STATIC = '192.0.2.1';

test('start', { concurrency: 2 }, async (t) => {
  const world = await planThreeRegions(t);
  const run = (t: TestContext, name: string, config: object, ...words: string[]) =>
    runProgram(t, [
      'run',
      '--config',
      world.write(name, config as Record<string, unknown>),
      ...words,
    ]);

  t.test('tells of everything that is taken, at once', async (t) => {
    const udp = await place();
    const tcp = await place();
    await takeUdp(t, udp);
    await takeTcp(t, tcp);
    await takeTcp(t, world.admin);
    await takeTcp(t, { address: world.regions.virginia.vip, port: world.regions.virginia.port });
    const config = world.config({
      dns: { listeners: [udp, tcp, { address: STATIC, port: 5300 }] },
    });
    const result = await run(t, 'taken.yaml', config);
    assertWords(result, EXIT_FAILED, [
      `UDP ${udp.address}:${udp.port} is taken by another program.`,
      `TCP ${tcp.address}:${tcp.port} is taken by another program.`,
      `TCP ${world.regions.virginia.vip}:${world.regions.virginia.port} is taken by another program.`,
      `${STATIC}:5300 is not an address of this machine.`,
      `${world.admin.address}, port ${world.admin.port}: another program does already.`,
    ]);
    assert.match(result.stderr, /ss -lnp/);
    assert.match(result.stderr, /ip addr add/);
  });

  t.test('does not share a UDP port with a program that would', async (t) => {
    const at = await place();
    await takeUdp(t, at, true);
    const result = await run(t, 'shared.yaml', nameserver(world, [at]));
    assertWords(result, EXIT_FAILED, [`UDP ${at.address}:${at.port} is taken by another program.`]);
  });

  t.test('names what a privileged port needs', async (t) => {
    const at = { ...(await place()), port: PRIVILEGED_PORT };
    const file = world.write('privileged.yaml', nameserver(world, [at]));
    const user = await unprivilegedUser(t, world.directory, file);
    if (user === undefined) return;
    const result = await runProgram(t, ['run', '--config', file], user);
    assertWords(result, EXIT_FAILED, [
      `This user may not open UDP ${at.address}:${PRIVILEGED_PORT}.`,
      `This user may not open TCP ${at.address}:${PRIVILEGED_PORT}.`,
    ]);
    assert.match(result.stderr, /CAP_NET_BIND_SERVICE/);
  });

  t.test('points at the mistake in a configuration', async (t) => {
    const config = {
      ...nameserver(world, [world.dns]),
      pools: { web: { endpoints: ['atlantis'] } },
    };
    const result = await run(t, 'bad.yaml', config);
    assertWords(result, EXIT_CONFIG, []);
    const file = join(world.directory, 'bad.yaml');
    const [, line, column] =
      new RegExp(`^${file}:(\\d+):(\\d+): .*atlantis`, 'm').exec(result.stderr) ?? [];
    const text = readFileSync(file, 'utf8').split('\n')[Number(line) - 1] ?? '';
    assert.match(text.slice(Number(column) - 1), /^"?atlantis/, result.stderr);
  });

  t.test('says that a configuration is missing', async (t) => {
    const file = join(world.directory, 'nowhere.yaml');
    const result = await runProgram(t, ['run', '--config', file]);
    assertWords(result, EXIT_CONFIG, [`${file}:1:1: there is no such file`]);
    assert.match(result.stderr, /--config FILE/);
  });

  t.test('knows its regions', async (t) => {
    const result = await run(
      t,
      'region.yaml',
      nameserver(world, [world.dns]),
      '--region',
      'atlantis',
    );
    assertWords(result, EXIT_CONFIG, ['there is no region "atlantis"']);
    assert.match(result.stderr, /virginia, frankfurt, singapore/);
  });

  t.test('tells of an origin whose port is taken', async (t) => {
    const at = await place();
    await takeTcp(t, at);
    const result = await runProgram(t, ['origin', 'x', `${at.address}:${at.port}`]);
    assertWords(result, EXIT_FAILED, [`TCP ${at.address}:${at.port} is taken by another program.`]);
  });
});

/** The exit code, these sentences, nothing on standard output that a person must read, no stack. */
function assertWords(
  { code, stderr }: Result,
  expected: number,
  sentences: readonly string[],
): void {
  assert.equal(code, expected, stderr);
  for (const sentence of sentences) assert.ok(stderr.includes(sentence), `${sentence}\n${stderr}`);
  assert.doesNotMatch(stderr, /^ {4}at /m, 'no stack');
  assert.ok(stderr.trim() !== '', 'it says something');
}

function nameserver(world: ThreeRegions, listeners: readonly Place[]): Record<string, unknown> {
  return world.config({
    node: { roles: ['nameserver'] },
    balancer: {},
    pools: { web: { endpoints: ['virginia'] } },
    dns: { listeners },
  });
}

async function takeTcp(t: TestContext, { address, port }: Place): Promise<void> {
  const server = createServer();
  t.after(() => server.close());
  await new Promise<void>((resolve) => server.listen(port, address, resolve));
}

async function takeUdp(t: TestContext, { address, port }: Place, reusePort = false): Promise<void> {
  const socket = createSocket({ type: 'udp4', reusePort });
  t.after(() => socket.close());
  await new Promise<void>((resolve) => socket.bind(port, address, resolve));
}

/**
 * How to start a process that may not open port 53; undefined, with the reason told, where the
 * machine has no such user.
 */
async function unprivilegedUser(t: TestContext, directory: string, file: string) {
  const setting = '/proc/sys/net/ipv4/ip_unprivileged_port_start';
  const start = existsSync(setting) ? Number(readFileSync(setting, 'utf8')) : 1024;
  if (start <= PRIVILEGED_PORT) {
    t.diagnostic(`not tried: every user may open port ${PRIVILEGED_PORT} here`);
    return undefined;
  }
  if (process.getuid?.() !== 0) return {};
  chmodSync(directory, 0o755);
  const user = { uid: NOBODY, gid: NOBODY };
  const { code } = await runCommand(t, 'cat', [file, import.meta.filename], user);
  if (code === 0) return user;
  t.diagnostic(`not tried: user ${NOBODY} may not read this folder`);
  return undefined;
}
