import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memory } from '../../src/store/memory.ts';
import { createMovedClock, settle } from '../monitoring/moved-clock.ts';

test('lease() leaves no timer behind when it is renewed, overwritten or closed', async () => {
  const clock = createMovedClock();
  const store = await memory.open({}, clock);
  await store.lease('a', '1', 1000);
  await store.lease('a', '1', 1000);
  await store.lease('a', '2', 1000);
  assert.equal(clock.pending(), 1);
  const version = (await store.get('a'))?.version ?? -1;
  await store.compareAndSet('a', version, '3');
  assert.equal(clock.pending(), 0);
  await store.lease('b', '1', 1000);
  await store.close();
  assert.equal(clock.pending(), 0);
});

test('lease() tells watchers about a new value, not about a renewal', async () => {
  const store = await memory.open({}, createMovedClock());
  const values: (string | undefined)[] = [];
  store.watch('', ({ value }) => values.push(value));
  for (const value of ['1', '1', '2', '2']) await store.lease('a', value, 1000);
  await settle();
  assert.deepEqual(values, ['1', '2']);
  await store.close();
});

test('watch() never calls back before the writer has its answer', async () => {
  const store = await memory.open({}, createMovedClock());
  let isTold = false;
  store.watch('', () => {
    isTold = true;
  });
  const writing = store.compareAndSet('a', 0, '1');
  assert.equal(isTold, false);
  await writing;
  await settle();
  assert.equal(isTold, true);
  await store.close();
});
