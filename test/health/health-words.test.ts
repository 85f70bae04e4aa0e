import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  DEGRADED,
  DOWN,
  FORCED,
  healthWord,
  isDegraded,
  isDown,
  isForced,
  isUnknown,
  TTL_MASK,
  UNKNOWN,
  wordShare,
  wordTtlSeconds,
} from '../../src/health/health-word.ts';
import {
  changedEndpoints,
  type HealthException,
  type HealthWords,
  NO_HEALTH,
  NOWHERE,
  readExceptions,
  wordOf,
  writeExceptions,
} from '../../src/health/health-words.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';

const parameters = { seed: fuzzSeed(20_261_126), numRuns: fuzzRuns(500) };

test('healthWord() packs and unpacks all that it can hold', () => {
  const flags = fc.subarray([DOWN, FORCED, DEGRADED, UNKNOWN]);
  const ttl = fc.integer({ min: 0, max: TTL_MASK });
  const missing = fc.integer({ min: 0, max: 255 });
  fc.assert(
    fc.property(flags, ttl, missing, (set, seconds, steps) => {
      const share = 1 - steps / 256;
      const word = healthWord(
        set.reduce((sum, flag) => sum + flag, 0),
        seconds,
        share,
      );
      assert.ok(Number.isInteger(word) && word >= 0 && word <= 0xffffffff);
      assert.equal(isDown(word), set.includes(DOWN));
      assert.equal(isForced(word), set.includes(FORCED));
      assert.equal(isDegraded(word), set.includes(DEGRADED));
      assert.equal(isUnknown(word), set.includes(UNKNOWN));
      assert.equal(wordTtlSeconds(word), seconds);
      assert.equal(wordShare(word), share);
      assert.equal(new Uint32Array([word])[0], word);
    }),
    parameters,
  );
});

test('healthWord() keeps what it cannot hold within bounds', () => {
  const number = fc.double({ noNaN: true });
  fc.assert(
    fc.property(number, number, (ttl, share) => {
      const word = healthWord(0, ttl, share);
      assert.ok(!isDown(word) && !isForced(word) && !isDegraded(word) && !isUnknown(word));
      assert.ok(wordTtlSeconds(word) <= Math.max(0, ttl));
      assert.ok(wordShare(word) > 0 && wordShare(word) <= 1);
    }),
    parameters,
  );
});

const exception = fc.record({
  near: fc.nat(4),
  endpoint: fc.nat(5),
  word: fc.nat(3),
});
const health: fc.Arbitrary<HealthWords> = fc.record({
  words: fc.array(fc.nat(3), { maxLength: 6 }).map((words) => Uint32Array.from(words)),
  exceptions: fc
    .uniqueArray(exception, { selector: ({ endpoint, near }) => `${near} ${endpoint}` })
    .map(writeExceptions),
});

test('writeExceptions() and readExceptions() are each other’s way back', () => {
  const fields = { near: fc.nat(), endpoint: fc.nat(), word: fc.nat(0xffffffff) };
  const any = fc.array(fc.record(fields, { noNullPrototype: true }));
  fc.assert(
    fc.property(any, (list) => {
      assert.deepEqual(readExceptions(writeExceptions(list)), list);
    }),
    parameters,
  );
  assert.deepEqual(readExceptions(Uint32Array.of(1, 2, 3, 4)), [{ near: 1, endpoint: 2, word: 3 }]);
});

test('wordOf() gives the exception to whom it concerns, and everybody else the word', () => {
  fc.assert(
    fc.property(health, (state) => {
      const word = wordOf(state);
      const exceptions = readExceptions(state.exceptions);
      for (let endpoint = 0; endpoint < 7; endpoint += 1) {
        assert.equal(word(endpoint, NOWHERE), state.words[endpoint] ?? 0);
        for (let near = 0; near < 5; near += 1) {
          const own = exceptions.find(
            (each: HealthException) => each.near === near && each.endpoint === endpoint,
          );
          assert.equal(word(endpoint, near), own?.word ?? state.words[endpoint] ?? 0);
        }
      }
    }),
    parameters,
  );
  assert.equal(wordOf(NO_HEALTH)(3, 1), 0, 'what has no word counts as up');
});

test('changedEndpoints() names every endpoint that anybody would see otherwise', () => {
  fc.assert(
    fc.property(health, health, (before, after) => {
      const changed = changedEndpoints(before, after);
      const [was, is] = [wordOf(before), wordOf(after)];
      for (let endpoint = 0; endpoint < 7; endpoint += 1) {
        for (let near = NOWHERE; near < 5; near += 1) {
          if (was(endpoint, near) !== is(endpoint, near)) assert.ok(changed.has(endpoint));
        }
      }
      assert.equal(changedEndpoints(before, before).size, 0);
    }),
    parameters,
  );
});
