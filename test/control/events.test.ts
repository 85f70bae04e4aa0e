import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventRecord } from '../../src/control/control-plane.ts';
import { SHARED_EVENTS_MAX } from '../../src/control/event-log.ts';
import { createEvents, EVENTS_MAX, type Events } from '../../src/control/events.ts';
import { createMovedClock, settle } from '../monitoring/moved-clock.ts';
import { createGatedStore } from '../scenario/gated-store.ts';
import { createFlawedStore, type FlawedStore } from './flawed-store.ts';
import { silentLog } from './silent-log.ts';

test('record() is one log line, one entry of the store, one call to each subscriber', async () => {
  const { events, flawed, logged } = await opened();
  const told: EventRecord[] = [];
  events.subscribe((event) => told.push(event));
  events.record('region.drain', 'frankfurt', 'Drained.');
  await settle();
  assert.deepEqual(logged, ['region.drain']);
  assert.equal(told.length, 1);
  const [stored] = await flawed.other.read('events', '', 10);
  assert.deepEqual(JSON.parse(stored?.value ?? ''), told[0]);
  const { kind, subject, message, atMs } = told[0]!;
  assert.deepEqual(
    { kind, subject, message, atMs },
    { kind: 'region.drain', subject: 'frankfurt', message: 'Drained.', atMs: flawed.clock.nowMs() },
  );
});

test('read() gives events oldest first, after an id, as many as asked for', async () => {
  const { events } = await opened();
  for (const subject of ['a', 'b', 'c', 'd']) events.record('test', subject, '');
  const subjects = async (afterId: string, count: number): Promise<string> =>
    (await events.read(afterId, count)).map(({ subject }) => subject).join('');
  const [first, second] = await events.read('', 2);
  assert.equal(await subjects('', 2), 'ab');
  assert.equal(await subjects('', 100), 'abcd');
  assert.equal(await subjects(first!.id, 2), 'bc');
  assert.equal(await subjects(second!.id, 100), 'cd');
  // An id of before a restart, or one that was dropped long ago: whatever is left may be news.
  assert.equal(await subjects('1-1', 100), 'abcd');
});

test('read() keeps the newest EVENTS_MAX', async () => {
  const { events } = await opened();
  for (let count = 0; count < EVENTS_MAX + 3; count += 1) events.record('test', String(count), '');
  const all = await events.read('', EVENTS_MAX + 10);
  assert.equal(all.length, EVENTS_MAX);
  assert.equal(all[0]?.subject, '3');
  assert.equal(all.at(-1)?.subject, String(EVENTS_MAX + 2));
  assert.equal(new Set(all.map(({ id }) => id)).size, EVENTS_MAX);
});

test('a store that is away is said once, its return once, and hides nothing here', async () => {
  const { events, flawed, logged } = await opened();
  assert.equal(events.storeOk(), true);
  flawed.fail(true);
  for (const subject of ['a', 'b', 'c']) events.record('test', subject, '');
  await settle();
  assert.equal(events.storeOk(), false);
  assert.equal((await events.read('', 10)).length, 3);
  flawed.fail(false);
  for (const subject of ['d', 'e']) events.record('test', subject, '');
  await settle();
  assert.equal(events.storeOk(), true);
  assert.deepEqual(
    logged.filter((event) => event !== 'test'),
    ['store.unavailable', 'store.recovered'],
  );
});

test('what happened while the store was away is in the list of all nodes afterwards', async () => {
  const { events, flawed } = await opened();
  flawed.fail(true);
  for (const subject of ['a', 'b', 'c']) events.record('test', subject, '');
  await settle();
  assert.equal(await events.readAll(10), undefined);
  flawed.fail(false);
  events.record('test', 'd', '');
  await settle();
  assert.equal(subjectsOf(await events.readAll(10)), 'abcd');
  assert.equal(subjectsOf(await events.readAll(2)), 'cd');
});

test('readAll() tells what all nodes have told; a restarted node knows its own', async () => {
  const { events, flawed } = await opened();
  events.record('test', 'a', '');
  const two = open(flawed, 'two');
  two.record('test', 'b', '');
  await flawed.other.append('events', 'not an event', 10);
  await settle();
  const told = (await events.readAll(10)) ?? [];
  assert.deepEqual(
    told.map(({ node, subject }) => `${node} ${subject}`),
    ['one a', 'two b'],
  );
  assert.equal(subjectsOf(await events.read('', 10)), 'a');
  await flawed.clock.advance(1);
  const again = open(flawed, 'one');
  again.record('test', 'c', '');
  await settle();
  assert.equal(subjectsOf(await again.read('', 10)), 'ac');
});

test('an outage of any length hides no more than the list itself would drop', async () => {
  const { events, flawed } = await opened();
  flawed.fail(true);
  for (let count = 0; count < 3000; count += 1) events.record('test', String(count), '');
  await settle();
  flawed.fail(false);
  events.record('test', 'last', '');
  for (let round = 0; round < 700; round += 1) await settle();
  const told = (await events.readAll(SHARED_EVENTS_MAX)) ?? [];
  assert.equal(told.length, 3001);
  assert.deepEqual([told[0]?.subject, told.at(-1)?.subject], ['0', 'last']);
});

test('a store that has lost the list is given it again, each event once', async () => {
  const clock = createMovedClock();
  const shared = createGatedStore(clock);
  const nodeOf = (node: string): Events =>
    createEvents({ node, nowMs: clock.nowMs, store: shared.store, log: silentLog([]) });
  const [one, two] = [nodeOf('one'), nodeOf('two')];
  const tell = async (events: Events, subject: string): Promise<void> => {
    events.record('test', subject, '');
    await clock.advance(1);
  };
  await tell(one, 'a');
  await tell(two, 'b');
  await tell(one, 'c');
  assert.equal(subjectsOf(await one.readAll(10)), 'abc');
  await shared.set('away');
  await tell(one, 'd');
  await shared.set('emptied');
  await clock.advance(1);
  await tell(two, 'e');
  assert.equal(subjectsOf(await two.readAll(10)), 'abcde');
  assert.equal((await shared.store.read('events', '', 100)).length, 5);
  await shared.set('away');
  await shared.set('back');
  await clock.advance(1);
  assert.equal((await shared.store.read('events', '', 100)).length, 5, 'nothing was lost');
});

test('subscribe() tells until it is stopped', async () => {
  const { events } = await opened();
  const told: string[] = [];
  const stop = events.subscribe(({ subject }) => told.push(subject));
  events.record('test', 'a', '');
  stop();
  events.record('test', 'b', '');
  assert.deepEqual(told, ['a']);
});

const subjectsOf = (events: readonly EventRecord[] | undefined): string =>
  (events ?? []).map(({ subject }) => subject).join('');

async function opened() {
  const flawed = await createFlawedStore();
  const logged: string[] = [];
  return { events: open(flawed, 'one', logged), flawed, logged };
}

function open({ clock, store }: FlawedStore, node: string, logged: string[] = []) {
  return createEvents({ node, nowMs: clock.nowMs, store, log: silentLog(logged) });
}
