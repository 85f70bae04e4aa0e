import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type DnsWorkers, openDnsWorkers } from '../../src/workers/dns-workers.ts';
import { createSigner } from '../../src/workers/signer.ts';
import { allUp, compiled, createConfig, healthOf } from '../nameserver/fixture.ts';
import { until } from '../node/until.ts';
import { createVoice, fixture } from './voice.ts';

const DEADLINE_MS = 10_000;
const FATAL_GENERATION = 13;
const serving = (generation: number) => compiled(createConfig(), generation);

test('openDnsWorkers() starts as many UDP workers as asked for, and one for TCP', async (t) => {
  const { workers } = open(t, 2);
  assert.equal(await workers.ready, undefined);
  assert.deepEqual(
    workers.threads().map(({ name, state }) => `${name} ${state()}`),
    ['dns-udp-1 running', 'dns-udp-2 running', 'dns-stream running'],
  );
  assert.deepEqual(workers.listeners, [LISTENER]);
});

test('publish() settles when every worker serves the generation', async (t) => {
  const { workers } = open(t, 2);
  await workers.ready;
  await workers.publish(serving(2), healthOf(allUp(serving(2))));
  // One message at the start, one with the snapshot, in every worker's row.
  assert.equal(workers.counters.total(0), 6);
});

test('publish() settles although a worker dies of it: its successor serves the generation', async (t) => {
  const { workers, voice } = open(t, 1);
  await workers.ready;
  const snapshot = serving(FATAL_GENERATION);
  await workers.publish(snapshot, healthOf(allUp(snapshot)));
  assert.ok(workers.threads().every((thread) => thread.restarts() === 1));
  assert.ok(workers.threads().every((thread) => thread.state() === 'running'));
  assert.equal(voice.heard.length, 2);
});

test('publish() to a dead worker settles when its successor serves', async (t) => {
  const { workers } = open(t, 1);
  await workers.ready;
  const [udp] = workers.threads();
  await udp!.kill();
  await until(() => udp!.state() === 'running', DEADLINE_MS, 'the first successor');
  // The second death in a row is followed by a pause, in which the worker is dead.
  await udp!.kill();
  assert.equal(udp!.state(), 'dead');
  await workers.publish(serving(3), healthOf(allUp(serving(3))));
  assert.equal(udp!.state(), 'running');
  assert.equal(udp!.restarts(), 2);
});

test('totals never go back, over snapshots and deaths', async (t) => {
  const { workers } = open(t, 1);
  await workers.ready;
  let before = workers.counters.total(0);
  for (let generation = 2; generation < 9; generation += 1) {
    if (generation === 5) await workers.threads()[0]!.kill();
    await workers.publish(serving(generation), healthOf(allUp(serving(generation))));
    const now = workers.counters.total(0);
    assert.ok(now > before, `${now} after ${before}`);
    before = now;
  }
});

test('publishHealth() drops words of another generation than the one that is served', async (t) => {
  const { workers } = open(t, 1);
  await workers.ready;
  await workers.publish(serving(2), healthOf(allUp(serving(2))));
  const before = workers.counters.total(0);
  workers.publishHealth(1, healthOf(new Uint32Array(9)));
  workers.publishHealth(2, healthOf(new Uint32Array(9)));
  await until(() => workers.counters.total(0) === before + 2, DEADLINE_MS, 'both workers are told');
  await workers.publish(serving(3), healthOf(allUp(serving(3))));
  // Had the first words been sent, each worker would have counted them by now.
  assert.equal(workers.counters.total(0), before + 4);
});

test('stop() ends every worker', async (t) => {
  const { workers } = open(t, 2);
  await workers.stop();
  assert.ok(workers.threads().every(({ state }) => state() === 'dead'));
});

const LISTENER = {
  address: '127.0.0.1',
  port: 5300,
  protocol: 'dns',
} as const;

function open(t: TestContext, count: number) {
  const voice = createVoice();
  const snapshot = serving(1);
  const opened = openDnsWorkers({
    ...voice,
    // Without system calls nothing is bound here: the fixture's workers open no socket.
    syscalls: undefined,
    hasBatches: false,
    dns: { ...createConfig().dns, listeners: [LISTENER] },
    count,
    udpFile: fixture('dns-worker'),
    streamFile: fixture('dns-worker'),
    tapFile: fixture('dns-worker'),
    snapshot,
    health: healthOf(allUp(snapshot)),
    signer: createSigner(fixture('dns-worker'), voice),
    certificates: [],
  });
  assert.ok(opened.ok);
  const { workers }: { readonly workers: DnsWorkers } = opened;
  t.after(workers.stop);
  return { workers, voice };
}
