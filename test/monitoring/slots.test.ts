import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSlots } from '../../src/monitoring/slots.ts';

function bench(max: number) {
  const flying: string[] = [];
  const slots = createSlots<string>(max, (job) => flying.push(job));
  return {
    slots,
    flying,
    land(job: string, isTardy = false): void {
      flying.splice(flying.indexOf(job), 1);
      slots.leave(isTardy);
    },
  };
}

test('ask() launches while there is room, then in the order of asking', () => {
  const { flying, land, slots } = bench(2);
  for (const job of ['a', 'b', 'c', 'd']) slots.ask(job, false);
  assert.deepEqual(flying, ['a', 'b']);
  land('a');
  assert.deepEqual(flying, ['b', 'c']);
  slots.withdraw('d');
  land('b');
  land('c');
  assert.deepEqual(flying, []);
});

test('the tardy get half of the places at most, and their turn', () => {
  const { flying, land, slots } = bench(4);
  for (const job of ['t1', 't2', 't3', 't4']) slots.ask(job, true);
  assert.deepEqual(flying, ['t1', 't2'], 'though two places are free');
  for (const job of ['a', 'b', 'c']) slots.ask(job, false);
  assert.deepEqual(flying, ['t1', 't2', 'a', 'b']);
  land('t1', true);
  assert.deepEqual(flying, ['t2', 'a', 'b', 't3'], 't3 came before c');
  land('a');
  assert.deepEqual(flying, ['t2', 'b', 't3', 'c'], 't4 must wait for one of its like');
  land('b');
  assert.deepEqual(flying, ['t2', 't3', 'c']);
  land('t2', true);
  assert.deepEqual(flying, ['t3', 'c', 't4']);
});

test('even one place is for the tardy too', () => {
  const { flying, slots } = bench(1);
  slots.ask('t', true);
  assert.deepEqual(flying, ['t']);
});
