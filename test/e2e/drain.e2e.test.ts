import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { answerTo, startSteadyClients } from '../node/dns-client.ts';
import { startNodeFixture } from '../node/node-fixture.ts';
import { runCommand, runProgram } from '../node/program.ts';
import { allUp, planThreeRegions, runOrigins, STEERED } from '../node/three-regions.ts';
import { seconds, until } from '../node/until.ts';

/** `meridian drain` as a real process: answers leave at once, requests finish, it ends by itself. */
const SLOW_MS = 1500;
const DEADLINE_MS = 20_000;
/** From the override to the first answer without the region. */
const MOVE_MS = 3000;

test('a drained region gets no new clients and loses none', async (t) => {
  const world = await planThreeRegions(t);
  await runOrigins(t, world);
  const { node, stop } = await startNodeFixture(world.config());
  t.after(stop);
  await allUp(node);
  const clients = startSteadyClients(t, world.dns, { name: STEERED, clients: world.clients });
  const { frankfurt, singapore, virginia } = world.regions;
  const cli = (t: TestContext, ...words: string[]) =>
    runProgram(t, ['--admin', node.adminUrl ?? '', ...words]);
  const slow = (t: TestContext) =>
    runCommand(t, 'curl', [
      ...['-sS', '-w', ' %{http_code}'],
      `http://${frankfurt.vip}:${frankfurt.port}/slow?ms=${SLOW_MS}`,
    ]);
  /** Whether the region's balancer ends the connection after its answer. */
  const asksToLeave = async (): Promise<boolean> => {
    const url = `http://${frankfurt.vip}:${frankfurt.port}/`;
    const { stdout } = await runCommand(t, 'curl', ['-sS', '-i', url]);
    assert.match(stdout, /^HTTP\/1.1 200 /);
    return /^connection: close\r$/im.test(stdout);
  };
  const latest = (vip: string) => () => clients.latest('frankfurt') === vip;

  await t.test('for a while: answers move, requests in flight and late ones succeed', async (t) => {
    const inFlight = [slow(t), slow(t), slow(t)];
    const drain = cli(t, 'drain', 'frankfurt', '--for', '5s', '--reason', 'kernel update');
    await until(() => node.plane.overrides().length > 0, DEADLINE_MS, 'the drain is in force');
    const deadlineMs = node.plane.overrides()[0]?.expiresAtMs ?? 0;
    const movedMs = await until(latest(virginia.vip), MOVE_MS, 'answers move at once');
    t.diagnostic(`answers moved after ${seconds(movedMs)}`);
    const late = slow(t);
    const { code, stderr, stdout } = await drain;
    assert.equal(code, 0, stderr);
    assert.match(stdout, /frankfurt/);
    for (const { code, stderr, stdout } of await Promise.all([...inFlight, late])) {
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^slow hello from frankfurt.*\n 200$/);
    }
    assert.equal(clients.latest('frankfurt'), virginia.vip, 'still drained');
    await until(latest(frankfurt.vip), DEADLINE_MS, 'the drain lapses by itself');
    t.diagnostic(`back ${seconds(Date.now() - deadlineMs)} after the deadline`);
    assert.deepEqual(node.plane.overrides(), []);
  });

  await t.test('until it is lifted', async (t) => {
    assert.equal((await cli(t, 'drain', 'frankfurt')).code, 0);
    assert.deepEqual(await answerTo(world.dns, frankfurtClient), [virginia.vip]);
    await until(asksToLeave, DEADLINE_MS, 'clients that stay are asked to leave');
    assert.equal((await cli(t, 'undrain', 'frankfurt')).code, 0);
    assert.deepEqual(await answerTo(world.dns, frankfurtClient), [frankfurt.vip]);
    await until(async () => !(await asksToLeave()), DEADLINE_MS, 'clients may stay again');
    const again = await cli(t, 'undrain', 'frankfurt');
    assert.equal(again.code, 1);
    assert.match(again.stderr, /no override on region frankfurt/);
  });

  await t.test('the last one only by force, and then there still is an answer', async (t) => {
    for (const name of ['virginia', 'singapore']) {
      const target = { kind: 'region', name } as const;
      await node.plane.setOverride({ target, action: 'drain', reason: '', by: 'test' });
    }
    assert.deepEqual(await answerTo(world.dns, singaporeClient), [frankfurt.vip]);
    const body = { target: { kind: 'region', name: 'frankfurt' }, action: 'drain', reason: '' };
    const response = await fetch(`${node.adminUrl}/api/v1/overrides`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    assert.equal(response.status, 409, await response.text());
    const refused = await cli(t, 'drain', 'frankfurt');
    const forced = await cli(t, 'drain', 'frankfurt', '--force');
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /without any usable endpoint/);
    assert.match(refused.stderr, /--force/);
    assert.equal(forced.code, 0, forced.stderr);
    const answer = await answerTo(world.dns, singaporeClient);
    assert.deepEqual(answer, [singapore.vip], 'as if all were up');
  });

  const { bad, lost } = await clients.stop();
  assert.deepEqual(bad, [], 'every answer is NOERROR with an address');
  assert.equal(lost, 0, 'every question is answered');
});

const frankfurtClient = { name: STEERED, subnet: '198.51.100.0/24' };
const singaporeClient = { name: STEERED, subnet: '203.0.113.0/24' };
