import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DOWN, healthWord, TTL_MASK } from '../../src/health/health-word.ts';
import { type HealthWords, readExceptions, wordOf } from '../../src/health/health-words.ts';
import { COALESCE_MS, createHealthPublisher } from '../../src/monitoring/health-publisher.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';
import { createMovedClock } from './moved-clock.ts';

const UP_20 = healthWord(0, 20);
const UP_24 = healthWord(0, 24);
const UP_60 = healthWord(0, 60);
const GONE = healthWord(DOWN, 5);
const NOBODY: ReadonlyMap<number, number> = new Map();

function bench(count = 3) {
  const clock = createMovedClock();
  const told: { words: HealthWords; events: readonly string[] }[] = [];
  const publisher = createHealthPublisher<string>(clock, (words, events) => {
    told.push({ words, events });
  });
  publisher.reset(count);
  for (let index = 0; index < count; index += 1) publisher.put(index, UP_20, NOBODY);
  publisher.settle();
  return { clock, told, publisher };
}

test('createHealthPublisher() tells a change of flags at once, with all that waited', async () => {
  const { clock, publisher, told } = bench();
  publisher.put(0, UP_60, NOBODY);
  publisher.tell([]);
  assert.equal(told.length, 0);
  publisher.put(1, GONE, NOBODY);
  publisher.tell([]);
  assert.deepEqual(
    told.map(({ words }) => [...words.words]),
    [[UP_60, GONE, UP_20]],
  );
  await clock.advance(1000);
  assert.equal(told.length, 1, 'nothing is left to tell');
});

test('createHealthPublisher() tells material changes of TTLs together and soon, others never', async () => {
  const { clock, publisher, told } = bench();
  publisher.put(0, UP_24, NOBODY);
  publisher.tell([]);
  await clock.advance(1000);
  assert.equal(told.length, 0, 'a factor of 1.2');
  publisher.put(0, UP_60, NOBODY);
  publisher.tell([]);
  await clock.advance(COALESCE_MS - 1);
  publisher.put(1, UP_60, NOBODY);
  publisher.tell([]);
  assert.equal(told.length, 0);
  await clock.advance(1);
  assert.deepEqual([...told[0]!.words.words], [UP_60, UP_60, UP_20]);
  assert.equal(told.length, 1);
});

test('createHealthPublisher() tells of a TTL that crept away step by step', async () => {
  const { clock, publisher, told } = bench();
  for (let seconds = 20; seconds <= 26; seconds += 1) {
    publisher.put(0, healthWord(0, seconds), NOBODY);
    publisher.tell([]);
    await clock.advance(1000);
  }
  assert.equal(told.length, 1, 'measured from what was told, not from the last step');
});

test('createHealthPublisher() tells at once when a share grows: it is no TTL', () => {
  const { publisher, told } = bench();
  publisher.put(0, healthWord(0, 20, 0.5), NOBODY);
  publisher.tell([]);
  assert.equal(told.length, 1);
});

test('createHealthPublisher() tells at once how a region sees an endpoint, and when it does no more', () => {
  const { publisher, told } = bench();
  publisher.put(1, UP_20, new Map([[2, GONE]]));
  publisher.tell([]);
  assert.deepEqual(readExceptions(told[0]!.words.exceptions), [
    { near: 2, endpoint: 1, word: GONE },
  ]);
  publisher.put(1, UP_20, NOBODY);
  publisher.tell([]);
  assert.equal(told[1]!.words.exceptions.length, 0);
  publisher.put(1, UP_20, NOBODY);
  publisher.tell([]);
  assert.equal(told.length, 2);
});

test('createHealthPublisher() tells events, changes or not', () => {
  const { publisher, told } = bench();
  publisher.tell(['news']);
  assert.deepEqual(
    told.map(({ events }) => events),
    [['news']],
  );
});

test('createHealthPublisher() tells nothing of before once it is closed or another generation is there', async () => {
  const { clock, publisher, told } = bench();
  publisher.put(0, UP_60, new Map([[1, GONE]]));
  publisher.tell([]);
  told.length = 0;
  publisher.put(0, healthWord(0, TTL_MASK), new Map([[1, GONE]]));
  publisher.tell([]);
  publisher.reset(1);
  const { exceptions, words } = publisher.settle();
  assert.deepEqual([[...words], exceptions.length], [[0], 0]);
  publisher.put(0, healthWord(0, 10), NOBODY);
  publisher.tell([]);
  publisher.close();
  await clock.advance(1000);
  assert.equal(told.length, 0);
  assert.equal(clock.pending(), 0);
});

test('createHealthPublisher() leaves nobody with flags of before, whatever comes', () => {
  const step = fc.record({
    index: fc.nat(2),
    word: fc.constantFrom(UP_20, UP_24, UP_60, GONE, healthWord(0, 20, 0.5)),
    near: fc.dictionary(fc.constantFrom('0', '1'), fc.constantFrom(UP_20, GONE)),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const { publisher, told } = bench();
      let served = publisher.words();
      const flags = (word: number): number => word & ~TTL_MASK;
      for (const { index, near, word } of steps) {
        const exceptions = Object.entries(near).map(
          ([region, each]) => [Number(region), each] as const,
        );
        publisher.put(index, word, new Map(exceptions));
        publisher.tell([]);
        served = told.at(-1)?.words ?? served;
        const [was, is] = [wordOf(served), wordOf(publisher.words())];
        for (let endpoint = 0; endpoint < 3; endpoint += 1) {
          for (let region = -1; region < 2; region += 1) {
            assert.equal(flags(was(endpoint, region)), flags(is(endpoint, region)));
          }
        }
      }
      publisher.close();
    }),
    { seed: fuzzSeed(20_261_128), numRuns: fuzzRuns(300) },
  );
});
