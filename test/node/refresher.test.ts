import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createRefresher,
  REFRESH_PAUSE_FIRST_MS,
  REFRESH_PAUSE_MAX_MS,
} from '../../src/node/refresher.ts';
import { createMovedClock, settle } from '../monitoring/moved-clock.ts';

const FAILED = ['The signer failed; see the log.'];

function open() {
  const clock = createMovedClock();
  const complaints: string[] = [];
  const world = { next: async (): Promise<readonly string[]> => FAILED, tries: 0 };
  const refresher = createRefresher({
    clock,
    refresh() {
      world.tries += 1;
      return world.next();
    },
    complain: (reasons) => complaints.push(reasons.join()),
  });
  return { clock, complaints, refresher, world };
}

test('what could not be served is tried again until it is, with growing pauses', async () => {
  const { clock, complaints, refresher, world } = open();
  refresher.refresh();
  await settle();
  assert.equal(world.tries, 1);
  await clock.advance(REFRESH_PAUSE_FIRST_MS);
  await clock.advance(2 * REFRESH_PAUSE_FIRST_MS - 1);
  assert.equal(world.tries, 2);
  world.next = () => Promise.reject(new Error('a bug'));
  await clock.advance(1);
  assert.deepEqual(complaints, [...FAILED, 'Error: a bug'], 'each reason once');
  await clock.advance(50 * REFRESH_PAUSE_MAX_MS);
  assert.ok(world.tries > 50 && world.tries < 60, String(world.tries));
  world.next = async () => [];
  await clock.advance(REFRESH_PAUSE_MAX_MS);
  assert.equal(clock.pending(), 0);
  world.next = async () => FAILED;
  refresher.refresh();
  await settle();
  assert.equal(complaints.length, 3, 'said again after it went well');
  const { tries } = world;
  await clock.advance(REFRESH_PAUSE_FIRST_MS);
  assert.equal(world.tries, tries + 1, 'soon again');
});

test('what is asked for twice at once is tried again once', async () => {
  const { clock, complaints, refresher, world } = open();
  refresher.refresh();
  refresher.refresh();
  await settle();
  assert.deepEqual([world.tries, clock.pending(), complaints.length], [2, 1, 1]);
  await clock.advance(REFRESH_PAUSE_FIRST_MS);
  assert.equal(world.tries, 3);
});

test('nothing is tried any more when something newer is served, or when the node stops', async () => {
  const { clock, refresher, world } = open();
  refresher.refresh();
  await settle();
  refresher.served();
  assert.equal(clock.pending(), 0);
  refresher.refresh();
  refresher.close();
  await settle();
  await clock.advance(REFRESH_PAUSE_MAX_MS);
  assert.equal(world.tries, 2);
});
