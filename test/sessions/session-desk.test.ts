import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_SERVER } from '../../src/sessions/server-id.ts';
import {
  askSession,
  hearSession,
  missSessions,
  type SessionDesk,
  seekSession,
  settleSession,
  UNKNOWN_HERE,
} from '../../src/sessions/session-desk.ts';
import type { SessionAnswer, SessionWrite } from '../../src/sessions/session-directory.ts';
import {
  createSessionDirectory,
  FAILURES_MAX,
  OPEN_MS,
  WAIT_MS,
} from '../../src/sessions/session-directory.ts';
import { createSessionTable } from '../../src/sessions/session-table.ts';
import { createManualClock, settle } from './manual-clock.ts';

const NOW = 1_800_000_000;
const TTL = 600;
const key = { high: 3, low: 4 };

/** A desk with a store that answers from a map, of which the test sees everything. */
function rig() {
  const clock = createManualClock();
  const stored = new Map<number, SessionAnswer>();
  const writes: SessionWrite[] = [];
  let reads = 0;
  const directory = createSessionDirectory(clock, (lost) => hearSession(desk, lost));
  const desk: SessionDesk = { table: createSessionTable(100), directory, ttlSeconds: TTL };
  directory.connect({
    read: async (questions) => {
      reads++;
      return questions.map(({ low }) => stored.get(low));
    },
    write: async (batch) => {
      writes.push(...batch);
      return batch.flatMap(({ high, low, server }) => {
        const known = stored.get(low);
        return known && known.server !== server ? [{ high, low, ...known }] : [];
      });
    },
  });
  const ask = (now = NOW): Promise<number> =>
    new Promise((resolve) => askSession(desk, key, now, resolve));
  return { ask, clock, desk, directory, reads: () => reads, stored, writes };
}

test('a session that is here needs no question', async () => {
  const { clock, desk, reads, writes } = rig();
  settleSession(desk, key, NO_SERVER, 7, NOW);
  assert.equal(seekSession(desk, key, NOW), 7);
  await clock.move(1000);
  assert.equal(reads(), 0);
  assert.deepEqual(writes, [{ ...key, server: 7, expiresSeconds: NOW + TTL, from: undefined }]);
});

test('one of another node is asked for once', async () => {
  const { ask, desk, reads, stored } = rig();
  stored.set(key.low, { server: 9, expiresSeconds: NOW + 50 });
  assert.equal(seekSession(desk, key, NOW), UNKNOWN_HERE);
  assert.equal(await ask(), 9);
  assert.equal(seekSession(desk, key, NOW), 9);
  assert.equal(reads(), 1);
  assert.equal(seekSession(desk, key, NOW + 50), UNKNOWN_HERE, 'its time is over');
});

test('one whose time is over in the store is none', async () => {
  const { ask, stored } = rig();
  stored.set(key.low, { server: 9, expiresSeconds: NOW });
  assert.equal(await ask(), NO_SERVER);
});

test('without a store, or with one that is away, nobody is told to wait', async () => {
  const { ask, desk, directory } = rig();
  directory.disconnect();
  assert.equal(seekSession(desk, key, NOW), NO_SERVER);
  assert.equal(await ask(), NO_SERVER);
  const alone: SessionDesk = { ...desk, directory: undefined };
  assert.equal(seekSession(alone, key, NOW), NO_SERVER);
  settleSession(alone, key, NO_SERVER, 7, NOW);
  assert.equal(seekSession(alone, key, NOW), 7);
});

test('a session is renewed when half its time is over, and no sooner', async () => {
  const { clock, desk, writes } = rig();
  settleSession(desk, key, NO_SERVER, 7, NOW);
  await clock.move(100);
  settleSession(desk, key, 7, 7, NOW + TTL / 2 - 1);
  await clock.move(100);
  assert.equal(writes.length, 1);
  settleSession(desk, key, 7, 7, NOW + TTL / 2);
  await clock.move(100);
  assert.equal(writes.length, 2);
  assert.deepEqual(writes[1], {
    ...key,
    server: 7,
    expiresSeconds: NOW + TTL / 2 + TTL,
    from: undefined,
  });
});

test('a session whose server died moves, and says from where', async () => {
  const { clock, desk, writes } = rig();
  settleSession(desk, key, NO_SERVER, 7, NOW);
  await clock.move(100);
  settleSession(desk, key, 7, 8, NOW + 1);
  await clock.move(100);
  assert.equal(writes[1]!.from, 7);
  assert.equal(seekSession(desk, key, NOW + 1), 8);
});

test('of two nodes that choose at once, the one that comes second goes along', async () => {
  const { clock, desk, stored } = rig();
  stored.set(key.low, { server: 9, expiresSeconds: NOW + 50 });
  settleSession(desk, key, NO_SERVER, 7, NOW);
  assert.equal(seekSession(desk, key, NOW), 7);
  await clock.move(100);
  assert.equal(seekSession(desk, key, NOW), 9);
});

test('a move that another node made is followed; sessions that are not here are not taken in', () => {
  const { desk } = rig();
  settleSession(desk, key, NO_SERVER, 7, NOW);
  hearSession(desk, { ...key, server: 8, expiresSeconds: NOW + TTL });
  hearSession(desk, { high: 1, low: 1, server: 8, expiresSeconds: NOW + TTL });
  assert.equal(seekSession(desk, key, NOW), 8);
  assert.equal(seekSession(desk, { high: 1, low: 1 }, NOW), UNKNOWN_HERE);
});

test('after missed news a session is served as it is known and asked about once', async () => {
  const { desk, reads, stored } = rig();
  settleSession(desk, key, NO_SERVER, 7, NOW);
  stored.set(key.low, { server: 8, expiresSeconds: NOW + TTL });
  missSessions(desk);
  assert.equal(seekSession(desk, key, NOW), 7);
  assert.equal(seekSession(desk, key, NOW), 7);
  await settle();
  assert.equal(reads(), 1);
  assert.equal(seekSession(desk, key, NOW), 8);
});

test('a session in doubt is offered to a store that has forgotten it, until when it lasts here', async () => {
  const { clock, desk, writes } = rig();
  settleSession(desk, key, NO_SERVER, 7, NOW);
  await clock.move(1000);
  missSessions(desk);
  assert.equal(seekSession(desk, key, NOW + 5), 7);
  await clock.move(1000);
  const claim = { ...key, server: 7, expiresSeconds: NOW + TTL, from: undefined };
  assert.deepEqual(writes, [claim, claim]);
});

test('a store that was late three times is asked again after a while, by one request', async () => {
  const { clock, desk, directory, stored } = rig();
  stored.set(key.low, { server: 9, expiresSeconds: NOW + 50 });
  const wire = { read: () => new Promise<never>(() => {}), write: async () => [] };
  directory.connect(wire);
  const seek = (): number => seekSession(desk, key, NOW);
  for (let times = 0; times < FAILURES_MAX; times++) {
    assert.equal(seek(), UNKNOWN_HERE);
    askSession(desk, key, NOW, () => {});
    await clock.move(WAIT_MS);
  }
  assert.equal(seek(), NO_SERVER, 'nobody is told to wait');
  await clock.move(OPEN_MS);
  assert.equal(seek(), UNKNOWN_HERE, 'one may');
  askSession(desk, key, NOW, () => {});
  assert.equal(seek(), NO_SERVER, 'a second one not');
  await clock.move(WAIT_MS);
  assert.equal(seek(), NO_SERVER);
  assert.equal(directory.isWell(), false);
});
