import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { askDns } from '../../src/cli/dns-client.ts';
import type { RunningNode } from '../../src/node/start-node.ts';
import { answerTo } from '../node/dns-client.ts';
import { startNodeFixture } from '../node/node-fixture.ts';
import { runCommand } from '../node/program.ts';
import { allUp, type Place, planThreeRegions, runOrigins, STEERED } from '../node/three-regions.ts';
import { seconds, until } from '../node/until.ts';

/**
 * A worker thread ends as a bug would end it. Its sockets belong to the main thread, so what arrives
 * meanwhile waits in the kernel for its successor.
 */
const TYPE_A = 1;
const DEADLINE_MS = 20_000;
const TRIES = 3;
const ASKED_AROUND_MS = 600;

test('a worker that ends is replaced, and its clients hardly notice', async (t) => {
  const world = await planThreeRegions(t);
  await runOrigins(t, world);
  const { node, stop } = await startNodeFixture(world.config());
  t.after(stop);
  await allUp(node);
  const { virginia } = world.regions;

  await t.test('DNS over UDP', async (t) => {
    const question = { name: STEERED, subnet: world.clients.virginia };
    const ask = () => answerTo(world.dns, question);
    const answers = await aroundDeath(t, node, 'dns-udp-1', ask);
    for (const answer of answers) assert.deepEqual(answer, [virginia.vip]);
  });

  await t.test('DNS over TCP', async (t) => {
    const answers = await aroundDeath(t, node, 'dns-stream', () => askOverTcp(world.dns));
    for (const answer of answers) assert.equal(answer, '192.0.2.80');
  });

  await t.test('a balancer', async (t) => {
    const url = `http://${virginia.vip}:${virginia.port}/`;
    const curl = async () => {
      const words = ['-sS', '--retry', String(TRIES), '--retry-all-errors', '--retry-delay', '1'];
      const { code, stderr, stdout } = await runCommand(t, 'curl', [...words, url]);
      assert.equal(code, 0, stderr);
      return stdout;
    };
    const answers = await aroundDeath(t, node, 'balancer-virginia', curl);
    for (const answer of answers) assert.match(answer, /^hello from virginia/);
  });

  await t.test('and is counted', async () => {
    const { workers } = node.plane.status();
    const restarted = workers.filter(({ restarts }) => restarts === 1).map(({ name }) => name);
    assert.deepEqual(restarted.sort(), ['balancer-virginia', 'dns-stream', 'dns-udp-1']);
    const { body } = await node.plane.metrics();
    for (const { name, restarts } of workers) {
      assert.ok(
        body.includes(`meridian_worker_restarts_total{worker="${name}"} ${restarts}\n`),
        body,
      );
    }
  });
});

/** Does `act` again and again while the worker ends and its successor starts; everything it gave. */
async function aroundDeath<Answer>(
  t: TestContext,
  node: RunningNode,
  name: string,
  act: () => Promise<Answer>,
): Promise<readonly Answer[]> {
  const thread = node.threads().find((each) => each.name === name);
  assert.ok(thread, `${name} is among ${node.threads().map((each) => each.name)}`);
  const totalBefore = node.plane.status().queriesTotal;
  const running: Promise<Answer>[] = [];
  let slowestMs = 0;
  const measured = async (): Promise<Answer> => {
    const startedAtMs = performance.now();
    const answer = await act();
    slowestMs = Math.max(slowestMs, performance.now() - startedAtMs);
    return answer;
  };
  const timer = setInterval(() => running.push(measured()), 20);
  try {
    await delay(ASKED_AROUND_MS / 2);
    await thread.kill();
    const ms = await until(() => thread.state() === 'running', DEADLINE_MS, `${name} runs again`);
    t.diagnostic(`replaced after ${seconds(ms)}`);
    await delay(ASKED_AROUND_MS / 2);
  } finally {
    clearInterval(timer);
  }
  const answers = await Promise.all(running);
  t.diagnostic(`${answers.length} times done, the slowest took ${seconds(slowestMs)}`);
  assert.ok(node.plane.status().queriesTotal >= totalBefore, 'counts of the dead stay');
  return answers;
}

async function askOverTcp(server: Place): Promise<string> {
  const question = { name: 'static.gslb.example', type: TYPE_A, subnet: undefined };
  for (let tries = 1; ; tries += 1) {
    const reply = await askDns(server, question, { tcp: true });
    if (reply.ok) return reply.message.answer.map(({ text }) => text).join(' ');
    if (tries === TRIES) throw new Error(reply.reason);
  }
}
