import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../src/control/clock.ts';
import { sqlite } from '../../src/store/sqlite.ts';
import type { Store, StoreClock } from '../../src/store/store.ts';
import { createMovedClock, type MovedClock } from '../monitoring/moved-clock.ts';
import { statesOf, until, watching } from './watching.ts';

/** The store in a file: shared with others, locked, broken, replaced, full. */

function directoryOf(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'meridian-sqlite-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function openStore(t: TestContext, file: string, clock: StoreClock): Promise<Store> {
  const store = await sqlite.open({ file }, clock);
  t.after(() => store.close());
  return store;
}

type Pair = {
  readonly file: string;
  readonly clock: MovedClock;
  readonly stores: readonly [Store, Store];
};

/** Two processes, as far as the file can tell: two connections. */
async function openPair(t: TestContext): Promise<Pair> {
  const file = join(directoryOf(t), 'store.db');
  const clock = createMovedClock();
  return {
    file,
    clock,
    stores: [await openStore(t, file, clock), await openStore(t, file, clock)],
  };
}

function reasonOf(store: Store): string {
  const status = store.status();
  return status.state === 'away' ? status.reason : status.state;
}

test('what is written survives a restart, and only its owner may read the file', async (t) => {
  const file = join(directoryOf(t), 'store.db');
  const clock = createMovedClock();
  const first = await openStore(t, file, clock);
  const { version } = await first.compareAndSet('a', 0, '1');
  const id = await first.append('log', 'x', 10);
  await first.close();
  const second = await openStore(t, file, clock);
  assert.deepEqual(await second.get('a'), { key: 'a', value: '1', version });
  assert.equal((await second.read('log', '', 10))[0]?.id, id);
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test('a watcher hears within 50 ms what another process writes, every change in order', async (t) => {
  const { stores, clock } = await openPair(t);
  const seen = watching(stores[0], 'n/');
  const large = 'x'.repeat(100_000);
  const first = await stores[1].compareAndSet('n/a', 0, '1');
  await stores[1].compareAndSet('n/a', first.version, '2');
  await stores[1].compareAndSet('n/b', 0, large);
  const { version } = (await stores[1].get('n/a'))!;
  await stores[1].compareAndSet('n/a', version, undefined);
  await clock.advance(50);
  assert.deepEqual(
    seen.changes.map(({ key, value }) => [key, value]),
    [
      ['n/a', '1'],
      ['n/a', '2'],
      ['n/b', large],
      ['n/a', undefined],
    ],
  );
});

test('a lease of another process lasts while it is renewed and ends when it is not', async (t) => {
  const { stores, clock } = await openPair(t);
  const seen = watching(stores[0], '');
  for (let beat = 0; beat < 4; beat += 1) {
    await stores[1].lease('a', 'here', 300);
    await clock.advance(200);
    assert.equal((await stores[0].get('a'))?.value, 'here');
  }
  await stores[1].close();
  await clock.advance(300);
  assert.equal(await stores[0].get('a'), undefined);
  assert.equal(seen.changes.length, 2, 'came and went');
});

test('a lease whose holder died waits one more period after a restart', async (t) => {
  const file = join(directoryOf(t), 'store.db');
  const clock = createMovedClock();
  const first = await openStore(t, file, clock);
  await first.lease('a', 'here', 1000);
  await first.close();
  clock.leap(3_600_000);
  const second = await openStore(t, file, clock);
  assert.equal((await second.get('a'))?.value, 'here');
  await clock.advance(1100);
  assert.equal(await second.get('a'), undefined);
});

test('a watcher that slept while more happened than is kept is told what differs', async (t) => {
  const { stores, clock } = await openPair(t);
  const gone = await stores[1].compareAndSet('gone', 0, '1');
  await clock.advance(50);
  const seen = watching(stores[0], '');
  for (let at = 0; at < 1500; at += 1) await stores[1].compareAndSet(`n/${at}`, 0, `${at}`);
  await stores[1].compareAndSet('gone', gone.version, undefined);
  await clock.advance(50);
  assert.equal(seen.changes.length, 1501);
  assert.deepEqual(seen.resyncs, [{ hasLosses: false }]);
  await stores[1].compareAndSet('after', 0, '1');
  await clock.advance(50);
  assert.equal(seen.changes.length, 1502);
});

test('a burst within what is kept is told in parts', async (t) => {
  const { stores, clock } = await openPair(t);
  const seen = watching(stores[0], '');
  for (let at = 0; at < 900; at += 1) await stores[1].compareAndSet(`n/${at}`, 0, `${at}`);
  await clock.advance(60);
  assert.equal(seen.changes.length, 900);
  assert.deepEqual(seen.resyncs, []);
});

test('a file that cannot be used makes the store away, in plain words, until it can', async (t) => {
  const directory = directoryOf(t);
  const clock = createMovedClock();
  const corrupt = join(directory, 'corrupt.db');
  writeFileSync(corrupt, 'this is no database, but long enough to be taken for one '.repeat(50));
  const foreign = join(directory, 'foreign.db');
  const other = new DatabaseSync(foreign);
  other.exec('CREATE TABLE theirs (id INTEGER)');
  other.close();
  const store = await openStore(t, corrupt, clock);
  const states = statesOf(store);
  assert.match(reasonOf(store), /corrupt\.db: file is not a database/);
  await assert.rejects(store.get('a'), /away: .*not a database/);
  await assert.rejects(store.compareAndSet('a', 0, '1'), /away/);
  const seen = watching(store, '');
  assert.match(reasonOf(await openStore(t, foreign, clock)), /another program/);
  const lost = await openStore(t, join(directory, 'no', 'where.db'), clock);
  assert.match(reasonOf(lost), /directory does not exist/);
  assert.match(reasonOf(await openStore(t, directory, clock)), /EISDIR/);
  rmSync(corrupt);
  mkdirSync(join(directory, 'no'));
  await clock.advance(1000);
  assert.deepEqual(states, [{ state: 'ready' }]);
  assert.equal(reasonOf(lost), 'ready');
  assert.equal(seen.resyncs.length, 1);
  assert.equal((await store.compareAndSet('a', 0, '1')).ok, true);
});

test('a file of a newer version is left alone', async (t) => {
  const file = join(directoryOf(t), 'store.db');
  const clock = createMovedClock();
  const first = await openStore(t, file, clock);
  await first.close();
  const db = new DatabaseSync(file);
  db.exec('PRAGMA user_version = 99');
  db.close();
  assert.match(reasonOf(await openStore(t, file, clock)), /newer version/);
});

test('a file that is removed under a watcher is a loss, and versions go on', async (t) => {
  const { file, stores, clock } = await openPair(t);
  const seen = watching(stores[0], '');
  const { version } = await stores[0].compareAndSet('a', 0, '1');
  for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true });
  await clock.advance(3000);
  assert.deepEqual(
    seen.changes.map(({ key, value, isLoss }) => [key, value, isLoss]),
    [
      ['a', '1', undefined],
      ['a', undefined, true],
    ],
  );
  assert.deepEqual(seen.resyncs, [{ hasLosses: true }]);
  const again = await stores[1].compareAndSet('a', 0, '1');
  assert.ok(again.ok && again.version > version);
});

test('an older copy put in its place is a step back, and told so', async (t) => {
  const directory = directoryOf(t);
  const file = join(directory, 'store.db');
  const clock = createMovedClock();
  const store = await openStore(t, file, clock);
  const seen = watching(store, '');
  const { version } = await store.compareAndSet('a', 0, 'old');
  const copy = new DatabaseSync(file);
  copy.exec(`VACUUM INTO '${join(directory, 'copy.db')}'`);
  copy.close();
  await store.compareAndSet('a', version, 'new');
  const last = await store.compareAndSet('b', 0, 'lost');
  for (const suffix of ['-wal', '-shm']) rmSync(file + suffix, { force: true });
  renameSync(join(directory, 'copy.db'), file);
  await clock.advance(3000);
  assert.deepEqual(
    seen.changes.slice(3).map(({ key, value, isLoss }) => [key, value, isLoss]),
    [
      ['a', 'old', true],
      ['b', undefined, true],
    ],
  );
  const written = await store.compareAndSet('a', version, 'new');
  assert.ok(written.ok && written.version > last.version);
});

test('a lock held for long refuses writes within a second, and is over when it is over', async (t) => {
  const file = join(directoryOf(t), 'store.db');
  const store = await openStore(t, file, systemClock);
  await store.compareAndSet('a', 0, '1');
  const other = new DatabaseSync(file);
  other.exec('BEGIN IMMEDIATE');
  const startMs = performance.now();
  assert.equal((await store.get('a'))?.value, '1', 'reading waits for nobody');
  await assert.rejects(store.compareAndSet('b', 0, '1'), /locked/);
  assert.ok(performance.now() - startMs < 2000);
  assert.match(reasonOf(store), /another process has locked it/);
  other.exec('ROLLBACK');
  other.close();
  await until(() => store.status().state === 'ready');
  assert.equal((await store.compareAndSet('b', 0, '1')).ok, true);
});

test('a short lock is waited for without holding up this process', async (t) => {
  const file = join(directoryOf(t), 'store.db');
  const store = await openStore(t, file, systemClock);
  const other = new DatabaseSync(file);
  other.exec('BEGIN IMMEDIATE');
  // It is let go by other work of this process, which would not come to it while that is held up.
  let turns = 0;
  const turning = setInterval(() => {
    turns += 1;
    if (turns === 4) other.exec('ROLLBACK');
  }, 10);
  assert.equal((await store.compareAndSet('a', 0, '1')).ok, true);
  clearInterval(turning);
  assert.ok(turns >= 4);
  other.close();
});

test('a directory that nobody may write to is said so', async (t) => {
  const directory = directoryOf(t);
  const inside = join(directory, 'inside');
  mkdirSync(inside);
  chmodSync(inside, 0o500);
  const store = await openStore(t, join(inside, 'store.db'), createMovedClock());
  // Root may write everywhere.
  const expected = process.getuid?.() === 0 ? /^ready$/ : /cannot be written \(EACCES\)/;
  assert.match(reasonOf(store), expected);
  chmodSync(inside, 0o700);
});

test('processes race for one key, and each round has one winner', async (t) => {
  const file = join(directoryOf(t), 'store.db');
  const store = await openStore(t, file, systemClock);
  const seen = watching(store, 'count');
  const program = new URL('fixtures/sqlite-climber.ts', import.meta.url);
  const flags = ['--disable-warning=ExperimentalWarning'];
  const climbers: ChildProcess[] = [1, 2].map(() =>
    fork(program, [file, '100'], { execArgv: flags }),
  );
  const winsOf = (one: ChildProcess): Promise<number> =>
    new Promise((resolve, reject) => {
      one.once('message', (wins) => resolve(Number(wins)));
      one.once('exit', (code) => reject(new Error(`it ended with ${code} and said nothing`)));
    });
  const wins = await Promise.all(climbers.map(winsOf));
  const total = (wins[0] ?? 0) + (wins[1] ?? 0);
  assert.equal((await store.get('count'))?.value, `${total}`);
  const changes = await seen.count(total);
  assert.deepEqual(
    changes.map(({ value }) => Number(value)),
    changes.map((_, at) => at + 1),
  );
});
