import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { answerTo } from '../node/dns-client.ts';
import { type Program, runCommand, startProgram } from '../node/program.ts';
import { planThreeRegions, STEERED, type ThreeRegions } from '../node/three-regions.ts';
import { seconds, until } from '../node/until.ts';

/**
 * Configuration changes on a serving node, by signal and by API: no query is lost, the change is
 * served when the call returns, and what is wrong changes nothing and says where.
 */
const DEADLINE_MS = 20_000;
const LOAD_SECONDS = 4;
const QUERIES_PER_SECOND = 2000;
const CHANGE_EVERY_MS = 300;

test('reload', async (t) => {
  const world = await planThreeRegions(t);
  const file = world.write('meridian.yaml', configOf(world, 1));
  const program = startProgram(t, ['run', '--config', file]);
  const url = `http://${world.admin.address}:${world.admin.port}`;
  await until(
    () => isReady(url),
    DEADLINE_MS,
    () => `ready: ${program.stderr()}`,
  );

  await t.test('under load loses no query and is served when it returns', (t) =>
    reloadUnderLoad(t, world, program, url),
  );
  await t.test('refuses an invalid file, says where, and changes nothing', async () => {
    const before = await facts(world);
    writeFileSync(file, brokenText(world));
    const { body, status } = await post(`${url}/api/v1/reload`);
    assert.equal(status, 422);
    const [issue] = body.issues ?? [];
    assert.equal(issue?.file, file);
    assert.match(issue?.path ?? '', /steered\.www\.pool/);
    const lines = brokenText(world).split('\n');
    const line = lines[(issue?.line ?? 0) - 1] ?? '';
    assert.match(
      line.slice((issue?.column ?? 0) - 1),
      /^"?no-such-pool/,
      `${issue?.line}:${issue?.column}`,
    );
    await program.said(/"event":"config.refused"/);
    program.kill('SIGHUP');
    const refusals = (): number => program.stdout().split('"event":"config.refused"').length - 1;
    await until(() => refusals() === 2, DEADLINE_MS, 'the signal is refused too');
    assert.deepEqual(await facts(world), before);
  });
  await t.test('refuses a file that is gone', async () => {
    const before = await facts(world);
    rmSync(file);
    const { body, status } = await post(`${url}/api/v1/reload`);
    assert.equal(status, 422);
    assert.match(body.issues?.[0]?.message ?? '', /no such file/);
    assert.deepEqual(await facts(world), before);
  });
  await t.test('keeps the old geo data when the new file is broken', async () => {
    writeFileSync(join(world.directory, 'geo.mmdb'), 'not a database');
    world.write('meridian.yaml', configOf(world, 7));
    const { body, status } = await post(`${url}/api/v1/reload`);
    assert.equal(status, 200, JSON.stringify(body));
    await program.said(/geo\.unreadable.*last good content/);
    const after = await facts(world);
    assert.deepEqual(after.static, ['192.0.2.7'], 'the rest of the change is served');
    assert.deepEqual(after.steered, [world.regions.virginia.vip], 'clients are where they were');
  });
  program.kill('SIGTERM');
  assert.deepEqual(await program.exited, { code: 0, signal: null });
  assert.equal(program.stderr(), '');
});

async function reloadUnderLoad(
  t: TestContext,
  world: ThreeRegions,
  program: Program,
  url: string,
): Promise<void> {
  const questions = join(world.directory, 'questions');
  writeFileSync(questions, `static.gslb.example A\n${STEERED} A\nnowhere.gslb.example A\n`);
  const load = runCommand(t, 'dnsperf', [
    ...['-s', world.dns.address, '-p', String(world.dns.port), '-d', questions],
    ...['-l', String(LOAD_SECONDS), '-Q', String(QUERIES_PER_SECOND)],
  ]);
  let isLoaded = true;
  void load.then(() => {
    isLoaded = false;
  });
  for (const step of [2, 3, 4, 5, 6]) {
    world.write('meridian.yaml', configOf(world, step));
    await delay(CHANGE_EVERY_MS);
    const bySignal = step % 2 === 0;
    const startedAtMs = performance.now();
    if (bySignal) {
      program.kill('SIGHUP');
      const isServed = async () => (await facts(world)).static[0] === `192.0.2.${step}`;
      await until(isServed, DEADLINE_MS, `the signal's change ${step} is served`);
    } else {
      const { body, status } = await post(`${url}/api/v1/reload`);
      assert.equal(status, 200, JSON.stringify(body));
    }
    t.diagnostic(`${bySignal ? 'SIGHUP' : 'POST'}: ${seconds(performance.now() - startedAtMs)}`);
    const expected = poolOf(step) === 'all' ? world.regions.virginia : world.regions.singapore;
    assert.deepEqual(await facts(world), {
      static: [`192.0.2.${step}`],
      steered: [expected.vip],
    });
    assert.ok(isLoaded, 'the load is still on');
  }
  const { code, stderr, stdout } = await load;
  assert.equal(code, 0, stderr);
  const sent = Number(/Queries sent:\s+(\d+)/.exec(stdout)?.[1]);
  t.diagnostic(`${sent} queries by dnsperf`);
  assert.ok(sent > QUERIES_PER_SECOND, stdout);
  assert.match(stdout, /Queries lost:\s+0 /, stdout);
}

const poolOf = (step: number): 'all' | 'one' => (step % 2 === 1 ? 'all' : 'one');

/** The `step`th version: another address of `static`, and every other time another pool of `www`. */
function configOf(world: ThreeRegions, step: number, pool: string = poolOf(step)) {
  const base = world.config();
  return {
    ...base,
    node: { roles: ['nameserver', 'admin'], workers: { dns: 1 } },
    balancer: {},
    pools: {
      all: { endpoints: ['virginia', 'frankfurt', 'singapore'] },
      one: { endpoints: ['singapore'] },
    },
    zones: {
      'gslb.example': {
        nameservers: ['ns1'],
        soa: { rname: 'hostmaster', serial: step, minimum: 60 },
        steered: { www: { pool, policy: 'closest' } },
        records: { ns1: { A: '192.0.2.53' }, static: { A: `192.0.2.${step}` } },
      },
    },
  };
}

const brokenText = (world: ThreeRegions): string =>
  JSON.stringify(configOf(world, 99, 'no-such-pool'), undefined, 2);

/** What a client near Virginia is answered now. */
async function facts(world: ThreeRegions) {
  return {
    static: await answerTo(world.dns, { name: 'static.gslb.example' }),
    steered: await answerTo(world.dns, { name: STEERED, subnet: world.clients.virginia }),
  };
}

async function isReady(url: string): Promise<boolean> {
  const response = await fetch(`${url}/readyz`).catch(() => undefined);
  return response?.status === 200;
}

type Issue = {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly path: string;
  readonly message: string;
};

async function post(url: string) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
  });
  const body = (await response.json()) as { readonly issues?: readonly Issue[] };
  return { status: response.status, body };
}
