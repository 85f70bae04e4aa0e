import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createAgenda, LATENESS_USUAL_MS, PORTION_MS } from '../../src/monitoring/agenda.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';
import { createMovedClock } from './moved-clock.ts';

test('at() runs everything in order of time, then of asking, behind one timer', async () => {
  const clock = createMovedClock(0);
  const agenda = createAgenda(clock);
  const done: string[] = [];
  const note = (atMs: number, name: string) =>
    agenda.at(atMs, () => done.push(`${name}@${clock.nowMs()}`));
  note(30, 'c');
  note(10, 'a');
  note(30, 'd');
  const cancel = note(20, 'never');
  note(20, 'b');
  cancel();
  cancel();
  assert.equal(clock.pending(), 1);
  await clock.advance(100);
  assert.deepEqual(done, ['a@10', 'b@20', 'c@30', 'd@30']);
  assert.equal(clock.pending(), 0);
});

test('at() takes what is put on it while it runs, and what is due already', async () => {
  const clock = createMovedClock(0);
  const agenda = createAgenda(clock);
  const done: string[] = [];
  agenda.at(10, () => {
    done.push('first');
    agenda.at(5, () => done.push('late'));
    agenda.at(15, () => done.push('next'));
  });
  await clock.advance(12);
  assert.deepEqual(done, ['first', 'late']);
  await clock.advance(3);
  assert.deepEqual(done, ['first', 'late', 'next']);
});

test('at() keeps the others when one throws', async () => {
  const clock = createMovedClock(0);
  const agenda = createAgenda(clock);
  const done: string[] = [];
  agenda.at(10, () => {
    throw new Error('a bug');
  });
  agenda.at(10, () => done.push('other'));
  await assert.rejects(clock.advance(20), /a bug/);
  await clock.advance(20);
  assert.deepEqual(done, ['other']);
});

test('what takes long is done in portions: others get their turn in between', async () => {
  const clock = createMovedClock(0);
  const agenda = createAgenda(clock);
  const done: string[] = [];
  const work = (): void => {
    clock.leap(1);
    done.push('work');
  };
  for (let index = 0; index < 2 * PORTION_MS; index += 1) agenda.at(100, work);
  clock.setTimer(100, () => done.push('other'));
  await clock.advance(200);
  assert.equal(done.indexOf('other'), PORTION_MS);
  assert.equal(done.length, 2 * PORTION_MS + 1);
  assert.equal(agenda.lostMs(), 0, 'work is not lost time');
});

test('lostMs() counts what came late beyond the usual', async () => {
  const clock = createMovedClock(0);
  const agenda = createAgenda(clock);
  agenda.at(100, () => undefined);
  clock.leap(100 + LATENESS_USUAL_MS);
  await clock.advance(0);
  assert.equal(agenda.lostMs(), 0);
  agenda.at(clock.nowMs() + 50, () => undefined);
  clock.leap(450);
  await clock.advance(0);
  assert.equal(agenda.lostMs(), 400);
});

test('close() forgets everything', async () => {
  const clock = createMovedClock(0);
  const agenda = createAgenda(clock);
  agenda.at(10, () => assert.fail('forgotten'));
  agenda.close();
  assert.equal(clock.pending(), 0);
  await clock.advance(100);
});

test('an agenda is a sorted list, whatever is put on it and taken off', async () => {
  const step = fc.oneof(
    fc.record({ put: fc.integer({ min: 0, max: 50 }) }),
    fc.record({ cancel: fc.nat(40) }),
    fc.record({ wait: fc.integer({ min: 0, max: 20 }) }),
  );
  const property = fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
    const clock = createMovedClock(0);
    const agenda = createAgenda(clock);
    const open = new Map<number, { atMs: number; cancel: () => void }>();
    let count = 0;
    for (const each of steps) {
      if ('put' in each) {
        const id = count++;
        const atMs = clock.nowMs() + each.put;
        const cancel = agenda.at(atMs, () => {
          assert.equal(clock.nowMs(), atMs);
          assert.ok(open.delete(id), 'once, and not when cancelled');
        });
        open.set(id, { atMs, cancel });
      } else if ('cancel' in each) {
        open.get(each.cancel)?.cancel();
        open.delete(each.cancel);
      } else {
        await clock.advance(each.wait);
        for (const { atMs } of open.values()) assert.ok(atMs > clock.nowMs());
      }
    }
    assert.equal(clock.pending(), open.size > 0 ? 1 : 0);
  });
  await fc.assert(property, { numRuns: fuzzRuns(100), seed: fuzzSeed(20260713) });
});
