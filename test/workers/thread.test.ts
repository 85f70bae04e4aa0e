import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  createThread,
  LIFE_RESETS_DELAY_MS,
  RESTART_DELAY_FIRST_MS,
  RESTART_DELAY_MAX_MS,
  restartDelayMs,
  type Thread,
  type ThreadOptions,
} from '../../src/workers/thread.ts';
import { until } from '../node/until.ts';
import { createVoice, fixture } from './voice.ts';

const DEADLINE_MS = 10_000;

test('restartDelayMs() grows while lives are short and begins anew after a long one', () => {
  assert.equal(restartDelayMs(undefined, 0), 0);
  assert.equal(restartDelayMs(undefined, LIFE_RESETS_DELAY_MS + 1), 0);
  assert.equal(restartDelayMs(0, 5), RESTART_DELAY_FIRST_MS);
  assert.equal(restartDelayMs(100, LIFE_RESETS_DELAY_MS), 200);
  assert.equal(restartDelayMs(200, 0), 400);
  assert.equal(restartDelayMs(4000, 0), RESTART_DELAY_MAX_MS);
  assert.equal(restartDelayMs(RESTART_DELAY_MAX_MS, 0), RESTART_DELAY_MAX_MS);
  assert.equal(restartDelayMs(RESTART_DELAY_MAX_MS, LIFE_RESETS_DELAY_MS + 1), 0);
});

test('a worker is started with its first message and says when it is ready', async (t) => {
  const { thread, messages } = open(t);
  assert.equal(thread.state(), 'starting');
  await thread.ready;
  assert.equal(thread.state(), 'running');
  assert.equal(thread.engine(), 'fixture');
  assert.deepEqual(messages, [{ type: 'ready', engine: 'fixture', given: 1, reports: 1 }]);
});

test('a worker that crashes is replaced at once, started anew, and told of', async (t) => {
  const { thread, messages, voice } = open(t);
  await thread.ready;
  thread.post({ type: 'crash' });
  await until(() => messages.length === 2, DEADLINE_MS, 'the successor is ready');
  assert.equal(thread.restarts(), 1);
  assert.equal(thread.state(), 'running');
  // The successor heard its start and nothing of what its predecessor was told.
  assert.deepEqual(messages[1], { type: 'ready', engine: 'fixture', given: 2, reports: 1 });
  assert.deepEqual(voice.heard, [
    'worker.crash Worker test died of an error.',
    'worker.restart test: Worker test ended with code 1; it is replaced at once.',
  ]);
});

test('isFailing() is true only when deaths follow each other', async (t) => {
  const { thread, messages } = open(t);
  await thread.ready;
  for (let deaths = 1; deaths <= 4; deaths += 1) {
    assert.equal(thread.isFailing(), false, 'while it runs');
    await thread.kill();
    await until(() => thread.restarts() === deaths, DEADLINE_MS, 'its end is noticed');
    assert.equal(thread.isFailing(), deaths === 4, `after ${deaths} deaths`);
    if (deaths < 4)
      await until(() => messages.length === deaths + 1, DEADLINE_MS, 'it is replaced');
  }
  await until(() => messages.length === 5, DEADLINE_MS, 'it is replaced after all');
  assert.equal(thread.isFailing(), false);
});

test('a worker that exits, or is ended, is replaced as well', async (t) => {
  const { thread, messages, voice } = open(t);
  await thread.ready;
  thread.post({ type: 'exit' });
  await until(() => messages.length === 2, DEADLINE_MS, 'the second worker is ready');
  await thread.kill();
  await until(() => messages.length === 3, DEADLINE_MS, 'the third worker is ready');
  assert.deepEqual(voice.heard, [
    'worker.restart test: Worker test ended with code 3; it is replaced at once.',
    'worker.restart test: Worker test ended with code 1; it is replaced in 100 ms.',
  ]);
});

test('a worker that keeps dying is tried again with growing pauses', async (t) => {
  const { thread, voice } = open(t, { file: fixture('dying-worker') });
  await until(() => thread.restarts() >= 3, DEADLINE_MS, 'three deaths');
  const pauses = voice.heard.flatMap((line) => /replaced (.*)\.$/.exec(line)?.[1] ?? []);
  assert.deepEqual(pauses.slice(0, 3), ['at once', 'in 100 ms', 'in 200 ms']);
  assert.equal(thread.state(), 'dead');
  thread.post({ type: 'echo' });
  const isWaiting = (): boolean => process.getActiveResourcesInfo().includes('Timeout');
  assert.ok(isWaiting());
  await thread.stop(0);
  assert.ok(!isWaiting(), 'a stopped thread is not replaced any more');
});

test('a start that throws is a death like others', async (t) => {
  let isShort = true;
  const { thread, voice } = open(t, {
    start() {
      if (isShort) throw new Error('no descriptors left');
      return { type: 'start' };
    },
  });
  assert.equal(thread.state(), 'dead');
  await until(() => thread.restarts() === 2, DEADLINE_MS, 'a second try');
  isShort = false;
  await thread.ready;
  assert.equal(thread.state(), 'running');
  assert.match(voice.heard[1] ?? '', /could not be started; it is replaced at once/);
});

test('stop() asks with the given message and waits for the end', async (t) => {
  const { thread, voice } = open(t);
  await thread.ready;
  await thread.stop(DEADLINE_MS);
  assert.equal(thread.state(), 'dead');
  assert.equal(thread.restarts(), 0);
  assert.deepEqual(voice.heard, []);
  await thread.stop(DEADLINE_MS);
});

test('stop() ends a worker that does not end by itself, after the grace', async (t) => {
  const { thread } = open(t);
  await thread.ready;
  thread.post({ type: 'hang' });
  const startMs = performance.now();
  await thread.stop(150, { type: 'stop' });
  assert.ok(performance.now() - startMs >= 149);
  assert.equal(thread.state(), 'dead');
});

test('stop() while the worker is still starting ends it too', async (t) => {
  const { thread } = open(t);
  await thread.stop(DEADLINE_MS);
  assert.equal(thread.state(), 'dead');
});

function open(t: TestContext, options: Partial<ThreadOptions> = {}) {
  const voice = createVoice();
  const messages: unknown[] = [];
  let starts = 0;
  const thread: Thread = createThread({
    name: 'test',
    file: fixture('obedient-worker'),
    log: voice.log,
    record: voice.record,
    start() {
      starts += 1;
      return { type: 'start', given: starts };
    },
    onMessage: (message) => messages.push(message),
    ...options,
  });
  t.after(() => thread.stop(0));
  return { thread, messages, voice };
}
