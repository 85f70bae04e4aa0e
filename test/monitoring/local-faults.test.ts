import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createLocalFaults,
  FAULT_OVER_MS,
  FAULTS_TOLD_MAX,
} from '../../src/monitoring/local-faults.ts';
import { createMovedClock } from './moved-clock.ts';

function bench() {
  const clock = createMovedClock();
  const said: string[] = [];
  const faults = createLocalFaults(clock, (events) => {
    for (const { kind, message, subject } of events) said.push(`${kind} ${subject} ${message}`);
  });
  return { clock, faults, said, take: () => said.splice(0) };
}

test('createLocalFaults() says once what keeps a vantage point from looking, and once that it is over', async () => {
  const { clock, faults, take } = bench();
  faults.note('eu', 'a', undefined);
  for (const key of ['a', 'b', 'a', 'b']) faults.note('eu', key, 'no descriptors left');
  assert.deepEqual(take(), ['probe.local-fault eu cannot probe a: no descriptors left']);
  faults.note('us', 'a', 'no descriptors left');
  assert.equal(take().length, 1, 'another vantage point');
  faults.note('eu', 'a', 'no route');
  assert.equal(take().length, 1, 'another reason');
  assert.deepEqual([...faults.of('a').keys()].toSorted(), ['eu', 'us']);
  assert.equal(faults.of('a').get('eu')?.reason, 'no route');
  assert.equal(faults.of('c').size, 0);

  for (const key of ['a', 'b']) faults.note('eu', key, undefined);
  assert.deepEqual([...faults.of('a').keys()], ['us']);
  assert.equal(faults.of('b').size, 0);
  await clock.advance(FAULT_OVER_MS - 1);
  assert.deepEqual(take(), []);
  await clock.advance(1);
  assert.deepEqual(take().toSorted(), [
    'probe.local-fault-over eu can probe again, which it could not: no descriptors left',
    'probe.local-fault-over eu can probe again, which it could not: no route',
  ]);
  faults.close();
});

test('createLocalFaults() says nothing anew of a fault that comes and goes', async () => {
  const { clock, faults, take } = bench();
  faults.note('eu', 'a', 'no descriptors left');
  take();
  for (let round = 0; round < 20; round += 1) {
    faults.note('eu', 'a', undefined);
    await clock.advance(FAULT_OVER_MS / 2);
    faults.note('eu', 'a', 'no descriptors left');
    await clock.advance(FAULT_OVER_MS / 2);
  }
  assert.deepEqual(take(), []);
  faults.note('eu', 'a', undefined);
  faults.close();
  assert.equal(clock.pending(), 0);
});

test('createLocalFaults() tells of some reasons at a time only', async () => {
  const { clock, faults, take } = bench();
  const all = Array.from({ length: 500 }, (_, index) => `10.0.0.${index}`);
  for (const key of all) faults.note('eu', key, `no route to ${key}`);
  assert.equal(take().length, FAULTS_TOLD_MAX);
  assert.equal(faults.of('10.0.0.499').get('eu')?.reason, 'no route to 10.0.0.499');
  for (const key of all) faults.note('eu', key, undefined);
  await clock.advance(FAULT_OVER_MS);
  assert.equal(take().length, FAULTS_TOLD_MAX, 'that they are over');
  faults.note('eu', 'a', 'no route to a');
  assert.equal(take().length, 1);
  faults.close();
});
