import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DrillStatus } from '../../src/control/control-plane.ts';
import { startSteadyClients } from '../node/dns-client.ts';
import { startNodeFixture } from '../node/node-fixture.ts';
import { runProgram, startProgram } from '../node/program.ts';
import {
  allUp,
  planThreeRegions,
  REGION_NAMES,
  runOrigins,
  STEERED,
} from '../node/three-regions.ts';
import { seconds, until } from '../node/until.ts';

/** `meridian drill` as a real process, while clients ask: drained, counted, reverted, reported. */
const PHASES = { baselineMs: 1500, settleMs: 1500 };
const DRAIN_DEADLINE_MS = 20_000;
/**
 * Share of the answers that may leave between the count and the drain, or between its end and the
 * next count: threads of a starved machine hear of each other late.
 */
const ON_THE_EDGE_SHARE_MAX = 0.1;

test('a drill drains a region for a while, reports, and reverts by itself', async (t) => {
  const world = await planThreeRegions(t);
  await runOrigins(t, world);
  const { node, stop } = await startNodeFixture(world.config(), { drillPhases: PHASES });
  t.after(stop);
  await allUp(node);
  const clients = startSteadyClients(t, world.dns, { name: STEERED, clients: world.clients });
  const adminUrl = node.adminUrl ?? '';
  const { frankfurt, virginia } = world.regions;
  const isDrained = (): boolean => node.plane.overrides().length > 0;

  await t.test('with the command watching', async (t) => {
    const words = ['--admin', adminUrl, '-o', 'json', 'drill', 'frankfurt', '--for', '3s', '--yes'];
    const { code, stderr, stdout } = await runProgram(t, words);
    assert.equal(code, 0, stderr);
    const drill = JSON.parse(stdout) as DrillStatus;
    assert.equal(drill.state, 'finished');
    assert.equal(drill.region, 'frankfurt');
    const { after, before, during } = drill.observed;
    t.diagnostic(`before ${inWords(before)}; during ${inWords(during)}; after ${inWords(after)}`);
    assert.ok(answersOf(before, 'frankfurt') > 0, 'answered before');
    const total = REGION_NAMES.reduce((sum, name) => sum + answersOf(during, name), 0);
    const edge = answersOf(during, 'frankfurt');
    assert.ok(edge <= total * ON_THE_EDGE_SHARE_MAX, `${edge} of ${total} during the drain`);
    assert.ok(
      answersOf(during, 'virginia') > answersOf(during, 'singapore'),
      'the next nearest took over',
    );
    assert.ok(answersOf(after, 'frankfurt') > 0, 'answered again');
    assert.equal(isDrained(), false);
    const { frankfurt: own, virginia: next } = world.regions;
    assert.deepEqual(clients.history('frankfurt'), [own.vip, next.vip, own.vip]);
    assert.deepEqual(clients.history('virginia'), [next.vip]);
  });

  await t.test('although the command is killed half-way', async (t) => {
    clients.clear();
    const words = ['--admin', adminUrl, 'drill', 'frankfurt', '--for', '3s', '--yes'];
    const program = startProgram(t, words);
    await until(isDrained, DRAIN_DEADLINE_MS, 'the region is drained');
    const deadlineMs = node.plane.overrides()[0]?.expiresAtMs ?? 0;
    program.kill('SIGKILL');
    assert.equal((await program.exited).signal, 'SIGKILL');
    assert.ok(Date.now() < deadlineMs, 'it is killed before the deadline');
    await until(
      () => clients.latest('frankfurt') === virginia.vip,
      DRAIN_DEADLINE_MS,
      'moved away',
    );
    await until(
      () => clients.latest('frankfurt') === frankfurt.vip,
      DRAIN_DEADLINE_MS,
      'came back',
    );
    t.diagnostic(`back ${seconds(Date.now() - deadlineMs)} after the deadline`);
    const over = (): boolean => node.plane.drills().every(({ state }) => state === 'finished');
    await until(over, DRAIN_DEADLINE_MS, 'the node ends the drill');
    const kinds = (await node.plane.events('', 100)).map(({ kind }) => kind);
    assert.equal(kinds.filter((kind) => kind === 'drill.finished').length, 2, kinds.join(' '));
  });

  const { bad, lost } = await clients.stop();
  assert.deepEqual(bad, [], 'every answer is NOERROR with an address');
  assert.equal(lost, 0, 'every question is answered');
});

type Counts = DrillStatus['observed']['before'];

const answersOf = (counts: Counts, name: string): number =>
  counts.find(({ region }) => region === name)?.answers ?? 0;

const inWords = (counts: Counts): string =>
  REGION_NAMES.map((name) => `${name} ${answersOf(counts, name)}`).join(', ');
