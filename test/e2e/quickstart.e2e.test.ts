import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { answerTo } from '../node/dns-client.ts';
import { freePort, loopbackAddress } from '../node/free-addresses.ts';
import { type Program, runCommand, startCommand, startProgram } from '../node/program.ts';
import { type Place, place, planThreeRegions } from '../node/three-regions.ts';
import { seconds, until } from '../node/until.ts';

/**
 * What a newcomer does: starts the quickstart, types every command that it prints, presses Ctrl-C.
 * The shipped file is used, with other addresses so that it can run beside anything.
 */
const DEADLINE_MS = 30_000;
const NAME = 'www.gslb.example';
const ROOT = new URL('../..', import.meta.url);

test('quickstart', async (t) => {
  const { directory } = await planThreeRegions(t);
  const shop = await plan(directory);
  const start = (): Program =>
    startProgram(t, ['quickstart', '--config', shop.file], { detached: true });

  let program = start();
  await program.said(/Ctrl-C stops everything/);
  const commands = program.stdout().match(/(?<=^ {4})\S.*$/gm) ?? [];
  const type = (t: TestContext, pattern: RegExp) =>
    runCommand(t, '/bin/sh', shell(find(commands, pattern)));

  await t.test('prints nothing but commands that are tried here', () => {
    const tried = [TOKYO, PARIS, CURL, EXPLAIN, DRAIN, DRILL, KILL, ORIGIN];
    for (const command of commands) {
      assert.ok(
        tried.some((pattern) => pattern.test(command)),
        command,
      );
    }
    assert.equal(commands.length, tried.length);
    assert.equal(program.stderr(), '');
    assert.doesNotMatch(program.stdout(), /\bdown\b/, 'nothing is down at the start');
  });
  await t.test('questions are answered', async (t) => {
    assert.equal((await type(t, TOKYO)).stdout, `${shop.vips.singapore}\n`);
    assert.equal((await type(t, PARIS)).stdout, `${shop.vips.frankfurt}\n`);
    assert.match((await type(t, CURL)).stdout, /^hello from virginia, server /);
    const explained = await type(t, EXPLAIN);
    assert.equal(explained.code, 0, explained.stderr);
    assert.match(explained.stdout, new RegExp(`${shop.vips.singapore} \\(region singapore\\)`));
  });
  await t.test('a drain drains', async (t) => {
    const { code, stderr } = await type(t, DRAIN);
    assert.equal(code, 0, stderr);
    assert.deepEqual(await answerTo(shop.dns, { name: NAME, subnet: '193.49.0.0/16' }), [
      shop.vips.virginia,
    ]);
  });
  await t.test('a drill runs until Ctrl-C, then reverts at once', async (t) => {
    // Without a terminal it asks nothing; `exec` lets the signal reach it as Ctrl-C does.
    const words = shell(`exec ${find(commands, DRILL)}`);
    const drill = startCommand(t, '/bin/sh', words);
    await drill.said(/Started drill-/);
    drill.kill('SIGINT');
    assert.deepEqual(await drill.exited, { code: 1, signal: null });
    assert.match(drill.stdout(), /stopped/);
  });
  await t.test('killed servers lead elsewhere, new ones back', async (t) => {
    const asked = { name: NAME, subnet: '128.59.0.0/16' };
    const answers = (vip: string) => async () => (await answerTo(shop.dns, asked))[0] === vip;
    await until(answers(shop.vips.virginia), DEADLINE_MS, 'a client in New York gets virginia');
    assert.equal((await type(t, KILL)).code, 0);
    const isElsewhere = async () => !(await answers(shop.vips.virginia)());
    t.diagnostic(`moved after ${seconds(await until(isElsewhere, DEADLINE_MS, 'moved'))}`);
    const origin = startCommand(t, '/bin/sh', shell(`exec ${find(commands, ORIGIN)}`));
    await origin.said(/^virginia answers at \S+ and \S+; Ctrl-C ends it\.$/m);
    const ms = await until(answers(shop.vips.virginia), DEADLINE_MS, 'came back');
    t.diagnostic(`back after ${seconds(ms)}`);
    origin.kill('SIGINT');
    assert.deepEqual(await origin.exited, { code: 0, signal: null });
  });
  await t.test('Ctrl-C ends everything', async () => {
    const children = childrenOf(program.pid);
    assert.ok(children.length > 0);
    const saidBefore = program.stdout().length;
    const startedAtMs = performance.now();
    process.kill(-program.pid, 'SIGINT');
    assert.deepEqual(await program.exited, { code: 0, signal: null });
    t.diagnostic(`ended after ${seconds(performance.now() - startedAtMs)}`);
    await assertGone(shop, children);
    assert.doesNotMatch(program.stdout() + program.stderr(), /^ {4}at /m, 'no stack');
    const lastWords = program.stdout().slice(saidBefore);
    assert.doesNotMatch(lastWords, /endpoint\.down/, 'an end is no outage');
  });
  await t.test('it starts again at once, and leaves nothing when it is killed', async () => {
    program = start();
    await program.said(/Ctrl-C stops everything/);
    const children = childrenOf(program.pid);
    assert.ok(children.length > 0);
    program.kill('SIGKILL');
    await program.exited;
    await assertGone(shop, children);
  });
});

const TOKYO = /^dig .*133\.11/;
const PARIS = /^dig .*193\.49/;
const CURL = /^curl /;
const EXPLAIN = / explain /;
const DRAIN = / drain frankfurt --for/;
const DRILL = / drill /;
const KILL = /^kill \d+$/;
const ORIGIN = / origin virginia /;

type Shop = {
  readonly file: string;
  readonly dns: Place;
  readonly vips: Readonly<Record<'virginia' | 'frankfurt' | 'singapore', string>>;
  /** Everything that is served over TCP. */
  readonly places: readonly Place[];
};

/** Of the balancers and servers in the shipped file. */
const PORTS = ['8080', '9001', '9002'];

/** A copy of the shipped quickstart on addresses of this test. */
async function plan(directory: string): Promise<Shop> {
  const dns = await place();
  const admin = await place();
  const vips = {
    virginia: loopbackAddress(),
    frankfurt: loopbackAddress(),
    singapore: loopbackAddress(),
  };
  // Ports of one random address; they are free on the others too.
  const ports: number[] = [];
  while (ports.length < PORTS.length) {
    const port = await freePort(vips.virginia);
    if (!ports.includes(port)) ports.push(port);
  }
  const moved = (text: string, port: string, at: number) => text.replaceAll(port, `${ports[at]}`);
  const shipped = readFileSync(new URL('config/quickstart.yaml', ROOT), 'utf8');
  const text = PORTS.reduce(moved, shipped)
    .replaceAll('127.0.1.1', vips.virginia)
    .replaceAll('127.0.2.1', vips.frankfurt)
    .replaceAll('127.0.3.1', vips.singapore)
    .replaceAll('127.0.0.1:5300', `${dns.address}:${dns.port}`)
    .replace('address: 127.0.0.1, port: 8053', `address: ${admin.address}, port: ${admin.port}`);
  const file = join(directory, 'quickstart.yaml');
  writeFileSync(file, text);
  const regional = Object.values(vips).flatMap((address) =>
    ports.map((port = 0) => ({ address, port })),
  );
  return { file, dns, vips, places: [dns, admin, ...regional] };
}

function find(commands: readonly string[], pattern: RegExp): string {
  const command = commands.find((each) => pattern.test(each));
  assert.ok(command, `${pattern} among:\n${commands.join('\n')}`);
  return command;
}

/** Words for a shell that runs the command literally, but for how `npx` finds the program. */
function shell(command: string): readonly string[] {
  const main = `${process.execPath} --disable-warning=ExperimentalWarning src/main.ts`;
  return ['-c', `cd '${ROOT.pathname}' && ${command.replace('npx meridian', main)}`];
}

/** The processes that this one has started and that still run. */
function childrenOf(pid: number): readonly number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.trim().split(' ').filter(Boolean).map(Number);
}

/** No process is left, and nothing listens any more. */
async function assertGone(shop: Shop, processes: readonly number[]): Promise<void> {
  const isAlive = (pid: number): boolean => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  await until(() => !processes.some(isAlive), DEADLINE_MS, 'the origins are gone');
  for (const at of shop.places) {
    assert.equal(await accepts(at), false, `${at.address}:${at.port} is free`);
  }
}

function accepts({ address, port }: Place): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
