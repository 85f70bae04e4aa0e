import { CALL_TIMEOUT_MS, keyProblem, valueProblem } from '../contract/limits.ts';
import { createStatusBoard } from '../contract/status-board.ts';
import { createWatchBook } from '../contract/watch-book.ts';
import type { Store, StoreClock } from '../store.ts';
import { type Database, openDatabase } from './database.ts';
import { createFollower, listAll } from './follower.ts';

/**
 * The store in a SQLite file that the processes of one machine share. Every process looks for changes
 * of the others every 50 ms, which costs microseconds when there are none. A file that cannot be used
 * (unwritable, corrupt, a full disk, removed) makes the store away; it is tried again every second.
 */

const POLL_MS = 50;
const RETRY_MS = 1000;
/** Between tries when another process is writing. */
const LOCKED_RETRY_MS = 5;
/** Polls between two looks at whether the file is still in its place. */
const PLACE_EVERY = 20;
const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;

export function openSqliteStore(file: string, clock: StoreClock): Store {
  return storeOf(createKeeper(file, clock), clock);
}

type Keeper = ReturnType<typeof createKeeper>;

function createKeeper(file: string, clock: StoreClock) {
  const board = createStatusBoard({ state: 'connecting' });
  const book = createWatchBook();
  const follower = createFollower(book, clock);
  let db: Database | undefined;
  let polls = 0;
  let isClosed = false;
  let cancelTimer: () => void = () => {};

  const shut = (): void => {
    cancelTimer();
    try {
      db?.close();
    } catch {
      // What cannot be used cannot always be closed.
    }
    db = undefined;
  };
  const lose = (error: unknown): void => {
    shut();
    if (isClosed) return;
    board.set({ state: 'away', reason: `${file}: ${reasonOf(error)}` });
    cancelTimer = clock.setTimer(RETRY_MS, start);
  };
  const start = (): void => {
    try {
      db = openDatabase(file);
      follower.begin(db);
    } catch (error) {
      lose(error);
      return;
    }
    board.set({ state: 'ready' });
    cancelTimer = clock.setTimer(POLL_MS, poll);
  };
  const poll = (): void => {
    if (!db) return;
    let hasMore = false;
    try {
      polls += 1;
      if (polls % PLACE_EVERY === 0 && !db.isInPlace())
        throw new Error('it was removed or replaced');
      hasMore = follower.look(db, false);
    } catch (error) {
      // Locked: another process is writing, and the next poll finds out what.
      if (!isLocked(error)) {
        lose(error);
        return;
      }
    }
    cancelTimer = clock.setTimer(hasMore ? 1 : POLL_MS, poll);
  };
  start();
  return {
    board,
    book,
    follower,
    database: () => db,
    isClosed: () => isClosed,
    lose,
    close(): void {
      isClosed = true;
      book.close();
      board.close();
      shut();
    },
  };
}

/** Calls of the database, tried again while another process writes. */
function createActor({ board, follower, database, isClosed, lose }: Keeper, clock: StoreClock) {
  const tryOnce = <Result>(operation: (db: Database) => Result, isWrite: boolean): Result => {
    const db = database();
    if (isClosed()) throw new Error('the store is closed');
    if (!db) {
      const status = board.current();
      throw new Error(`the store is away: ${status.state === 'away' ? status.reason : ''}`);
    }
    if (follower.isLeaseDue()) follower.look(db, false);
    const result = operation(db);
    if (isWrite) lookAtOwn(db);
    return result;
  };
  /** What was written is written; when telling has to wait, the next poll tells. */
  const lookAtOwn = (db: Database): void => {
    try {
      follower.look(db, true);
    } catch (error) {
      if (!isLocked(error)) lose(error);
    }
  };
  return async <Result>(
    problem: string | undefined,
    isWrite: boolean,
    operation: (db: Database) => Result,
  ): Promise<Result> => {
    if (problem !== undefined) throw new Error(problem);
    const startMs = clock.nowMs();
    for (;;) {
      try {
        return tryOnce(operation, isWrite);
      } catch (error) {
        if (isSqlite(error) && !isLocked(error)) lose(error);
        const isLate = clock.nowMs() - startMs >= CALL_TIMEOUT_MS;
        if (isLate && isLocked(error)) lose(error);
        if (isLate || !isLocked(error)) throw new Error(reasonOf(error));
      }
      await new Promise<void>((resolve) => clock.setTimer(LOCKED_RETRY_MS, resolve));
    }
  };
}

function storeOf(keeper: Keeper, clock: StoreClock): Store {
  const { board, book, follower } = keeper;
  const act = createActor(keeper, clock);
  const fit = (key: string, value?: string): string | undefined =>
    keyProblem(key) ?? valueProblem(key, value);
  return {
    get: (key) => act(keyProblem(key), false, (db) => db.get(key)),
    compareAndSet: (key, expectedVersion, value) =>
      act(fit(key, value), true, (db) =>
        db.compareAndSet(key, expectedVersion, value, clock.nowMs()),
      ),
    list: (prefix) => act(undefined, false, (db) => listAll(db, prefix)),
    watch(prefix, onChange, onResync) {
      if (keeper.isClosed()) return () => {};
      const watcher = book.add(prefix, onChange, onResync, follower.told());
      const db = keeper.database();
      try {
        if (db) follower.learn(db, watcher);
      } catch (error) {
        // Then it is told everything at the next resync.
        if (!isLocked(error)) keeper.lose(error);
      }
      return watcher.stop;
    },
    lease: (key, value, ttlMs) =>
      act(fit(key, value), true, (db) =>
        db.lease(key, value, Math.max(1, Math.round(ttlMs)), clock.nowMs()),
      ),
    append: (log, value, limit) =>
      act(fit(log, value), true, (db) => db.append(log, value, limit, clock.nowMs())),
    read: (log, afterId, count) =>
      act(keyProblem(log), false, (db) => db.read(log, afterId, count)),
    status: board.current,
    onStatus: board.listen,
    // The machine's clock as it is now, and not the steady one of this process: others read the same.
    nowMs: () => Date.now(),
    async close() {
      keeper.close();
    },
  };
}

type SqliteError = Error & { readonly code?: string; readonly errcode?: number };

function isSqlite(error: unknown): boolean {
  return error instanceof Error && (error as SqliteError).code === 'ERR_SQLITE_ERROR';
}

/** The low byte is the kind of error, the rest says more of it. */
function isLocked(error: unknown): boolean {
  const kind = ((error as SqliteError).errcode ?? 0) & 0xff;
  return isSqlite(error) && (kind === SQLITE_BUSY || kind === SQLITE_LOCKED);
}

function reasonOf(error: unknown): string {
  const { code, message } = error as SqliteError & NodeJS.ErrnoException;
  if (isLocked(error)) return 'another process has locked it';
  switch (code) {
    case 'ENOENT':
      return 'its directory does not exist';
    case 'EACCES':
    case 'EROFS':
    case 'EPERM':
      return `it cannot be written (${code})`;
    default:
      return message;
  }
}
