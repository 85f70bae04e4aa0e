import assert from 'node:assert/strict';
import { test } from 'node:test';
import type {
  LostWrite,
  SessionAnswer,
  SessionQuestion,
  SessionWire,
  SessionWrite,
} from '../../src/sessions/session-directory.ts';
import {
  createSessionDirectory,
  FAILURES_MAX,
  OPEN_MS,
  QUESTIONS_MAX,
  READ_BATCH_MAX,
  WAIT_MS,
  WRITE_BATCH_MAX,
  WRITE_DELAY_MS,
  WRITES_MAX,
} from '../../src/sessions/session-directory.ts';
import { createManualClock, settle } from './manual-clock.ts';

type Reading = {
  readonly questions: readonly SessionQuestion[];
  readonly answer: (found: readonly (SessionAnswer | undefined)[]) => void;
  readonly fail: (error: Error) => void;
};

/** The bench: a wire whose answers the test gives. */
function rig() {
  const clock = createManualClock();
  const readings: Reading[] = [];
  const writings: SessionWrite[][] = [];
  const lost: LostWrite[] = [];
  let writeReply: () => Promise<readonly LostWrite[]> = async () => [];
  const wire: SessionWire = {
    read: (questions) =>
      new Promise((answer, fail) => {
        readings.push({ questions: [...questions], answer, fail });
      }),
    write: (writes) => {
      writings.push([...writes]);
      return writeReply();
    },
  };
  const directory = createSessionDirectory(clock, (one) => lost.push(one));
  const answers: (SessionAnswer | undefined)[] = [];
  const ask = (low: number): void =>
    directory.find({ high: 1, low }, (found) => answers.push(found));
  return {
    clock,
    readings,
    writings,
    lost,
    wire,
    directory,
    answers,
    ask,
    reply: (by: typeof writeReply) => {
      writeReply = by;
    },
  };
}

const found: SessionAnswer = { server: 7, expiresSeconds: 99 };
const write = (low: number, server = 7, from?: number): SessionWrite => ({
  high: 1,
  low,
  server,
  expiresSeconds: 99,
  from,
});

test('questions of one turn go as one batch, and each gets its answer', async () => {
  const { ask, answers, readings, directory, wire } = rig();
  directory.connect(wire);
  ask(1);
  ask(2);
  await settle();
  assert.deepEqual(
    readings.map(({ questions }) => questions.map(({ low }) => low)),
    [[1, 2]],
  );
  assert.deepEqual(answers, []);
  readings[0]!.answer([found, undefined]);
  await settle();
  assert.deepEqual(answers, [found, undefined]);
  assert.equal(directory.counters.found, 1);
});

test('a batch has a limit', async () => {
  const { ask, readings, directory, wire } = rig();
  directory.connect(wire);
  for (let low = 0; low <= READ_BATCH_MAX; low++) ask(low);
  await settle();
  assert.deepEqual(
    readings.map(({ questions }) => questions.length),
    [READ_BATCH_MAX, 1],
  );
});

test('nobody waits longer than the bound; the late answer is nobody’s', async () => {
  const { ask, answers, clock, readings, directory, wire } = rig();
  directory.connect(wire);
  ask(1);
  await clock.move(WAIT_MS - 1);
  assert.deepEqual(answers, []);
  await clock.move(1);
  assert.deepEqual(answers, [undefined]);
  readings[0]!.answer([found]);
  await settle();
  assert.deepEqual(answers, [undefined]);
  assert.equal(directory.counters.late, 1);
  assert.equal(directory.counters.found, 0);
});

test('while the store is away the answer is there at once', () => {
  const { ask, answers, readings, directory } = rig();
  ask(1);
  assert.deepEqual(answers, [undefined]);
  assert.equal(readings.length, 0);
  assert.equal(directory.counters.skipped, 1);
});

test('a wire that is lost answers everybody at once', async () => {
  const { ask, answers, clock, directory, wire } = rig();
  directory.connect(wire);
  ask(1);
  await settle();
  ask(2);
  directory.disconnect();
  assert.deepEqual(answers, [undefined, undefined]);
  await clock.move(WAIT_MS);
  assert.equal(answers.length, 2);
  assert.equal(directory.counters.late, 0);
});

test('a slow store is left alone for a while, tried once, and used again when it answers', async () => {
  const { ask, answers, clock, readings, directory, wire } = rig();
  directory.connect(wire);
  for (let batch = 0; batch < FAILURES_MAX; batch++) {
    assert.ok(directory.isAsking());
    ask(batch);
    await clock.move(WAIT_MS);
  }
  assert.equal(directory.isAsking(), false);
  ask(10);
  assert.equal(answers.length, FAILURES_MAX + 1, 'answered at once');
  await clock.move(OPEN_MS);
  ask(11);
  ask(12);
  await settle();
  assert.equal(readings.length, FAILURES_MAX + 1, 'one trial');
  assert.equal(answers.length, FAILURES_MAX + 2, 'the other one does not wait');
  await clock.move(WAIT_MS);
  ask(13);
  assert.equal(answers.length, FAILURES_MAX + 4, 'the trial was late: still open');
  await clock.move(OPEN_MS);
  ask(14);
  await settle();
  readings.at(-1)!.answer([found]);
  await settle();
  assert.ok(directory.isAsking());
  assert.deepEqual(answers.at(-1), found);
});

test('batches that were on their way together are late for one reason', async () => {
  const { ask, clock, directory, wire } = rig();
  directory.connect(wire);
  for (let batch = 0; batch < 2 * FAILURES_MAX; batch++) {
    ask(batch);
    await clock.move(0.5);
  }
  await clock.move(2 * WAIT_MS);
  assert.ok(directory.isAsking());
});

test('a thread that was held up looks into the socket before it gives up', async () => {
  const { answers, ask, clock, directory, readings, wire } = rig();
  directory.connect(wire);
  ask(1);
  await settle();
  clock.skip(100);
  clock.fire();
  assert.deepEqual(answers, []);
  readings[0]!.answer([found]);
  await settle();
  assert.deepEqual(answers, [found]);
  assert.equal(directory.counters.late, 0);
  await clock.move(1);
  assert.equal(answers.length, 1);
});

test('failures count like lateness, successes in between do not add up', async () => {
  const { ask, readings, directory, wire } = rig();
  directory.connect(wire);
  const round = async (isGood: boolean): Promise<void> => {
    ask(1);
    await settle();
    if (isGood) readings.at(-1)!.answer([undefined]);
    else readings.at(-1)!.fail(new Error('refused'));
    await settle();
  };
  for (const isGood of [false, false, true, false, false]) await round(isGood);
  assert.ok(directory.isAsking());
  await round(false);
  assert.equal(directory.isAsking(), false);
});

test('questions that wait are limited', async () => {
  const { ask, answers, directory, wire } = rig();
  directory.connect(wire);
  for (let low = 0; low < QUESTIONS_MAX; low++) ask(low);
  assert.equal(answers.length, 0);
  ask(QUESTIONS_MAX);
  assert.equal(answers.length, 1);
});

test('writes gather, and the last word about a session counts', async () => {
  const { clock, directory, wire, writings } = rig();
  directory.connect(wire);
  directory.write(write(1, 7));
  directory.write(write(2, 7));
  directory.write(write(1, 8, 7));
  await clock.move(WRITE_DELAY_MS - 1);
  assert.equal(writings.length, 0);
  await clock.move(1);
  assert.deepEqual(writings, [[write(1, 8, 7), write(2, 7)]]);
  assert.equal(directory.counters.written, 2);
});

test('two moves in one batch begin where the first one did', async () => {
  const { clock, directory, wire, writings } = rig();
  directory.connect(wire);
  directory.write(write(1, 8, 7));
  directory.write(write(1, 9, 8));
  await clock.move(WRITE_DELAY_MS);
  assert.deepEqual(writings, [[write(1, 9, 7)]]);
});

test('many writes do not wait for each other’s delay, and go one batch after the other', async () => {
  const { directory, wire, writings, reply } = rig();
  const gates: (() => void)[] = [];
  reply(() => new Promise((resolve) => gates.push(() => resolve([]))));
  directory.connect(wire);
  for (let low = 0; low < 2 * WRITE_BATCH_MAX; low++) directory.write(write(low));
  await settle();
  assert.deepEqual(
    writings.map(({ length }) => length),
    [WRITE_BATCH_MAX],
  );
  gates.shift()!();
  await settle();
  assert.deepEqual(
    writings.map(({ length }) => length),
    [WRITE_BATCH_MAX, WRITE_BATCH_MAX],
  );
});

test('writes wait for a store that is away, up to a limit, and a loss is told', async () => {
  const { clock, lost, reply, directory, wire, writings } = rig();
  for (let low = 0; low <= WRITES_MAX; low++) directory.write(write(low));
  assert.equal(directory.counters.dropped, 1);
  const other = { high: 1, low: 0, server: 3, expiresSeconds: 5 };
  reply(async () => [other]);
  directory.connect(wire);
  await clock.move(WRITE_DELAY_MS);
  assert.equal(writings.flat().length, WRITES_MAX);
  assert.deepEqual(lost[0], other);
});

test('what a store refuses is dropped and counted, and the next batch is sent', async () => {
  const { clock, reply, directory, wire, writings } = rig();
  reply(async () => {
    throw new Error('OOM');
  });
  directory.connect(wire);
  directory.write(write(1));
  await clock.move(WRITE_DELAY_MS);
  assert.equal(directory.counters.dropped, 1);
  reply(async () => []);
  directory.write(write(2));
  await clock.move(WRITE_DELAY_MS);
  assert.deepEqual(writings.at(-1), [write(2)]);
  assert.equal(directory.counters.written, 1);
});
