import { keyProblem, valueProblem } from '../contract/limits.ts';
import { createStatusBoard } from '../contract/status-board.ts';
import { createWatchBook } from '../contract/watch-book.ts';
import { createRemoteClock } from '../remote-clock.ts';
import type { Store, StoreClock } from '../store.ts';
import { CONNECTION_NAME, reasonOf } from './connection.ts';
import { createFollower, type Follower, listAll } from './follower.ts';
import { addressText, locate } from './locate.ts';
import type { Target } from './options.ts';
import { parseEntry, parseLog, parseWritten } from './replies.ts';
import { openSession, type Session } from './session.ts';

/**
 * The store over Redis: keeps a session while there is a server, and looks for one while there is
 * none, without anybody waiting for it. Between sessions every call rejects at once.
 */

/** Between attempts: from the first to the last, doubling, a quarter more or less by chance. */
const RETRY_FIRST_MS = 50;
const RETRY_LAST_MS = 1600;
/** `open` waits this long for the first attempt, so that a store that is there is ready at once. */
const OPEN_WAIT_MS = 1500;
/** How often Sentinels are asked whether the server is still the one: a partition may hide it. */
const SENTINEL_CHECK_MS = 5000;

export async function openRedisStore(
  target: Target,
  clock: StoreClock,
  draw: () => number,
): Promise<Store> {
  const keeper = createKeeper(target, clock, draw);
  await keeper.firstOutcome;
  return storeOf(keeper, clock);
}

type Keeper = ReturnType<typeof createKeeper>;

function createKeeper(target: Target, clock: StoreClock, draw: () => number) {
  const board = createStatusBoard({ state: 'connecting' });
  const book = createWatchBook();
  const serverClock = createRemoteClock();
  let session: Session | undefined;
  let follower: Follower | undefined;
  let seen = 0;
  let failures = 0;
  let isClosed = false;
  let cancelRetry: () => void = () => {};
  let cancelSentinelCheck: () => void = () => {};

  const closing = new AbortController();

  const lose = (reason: string): void => {
    seen = Math.max(seen, follower?.seen() ?? 0);
    follower?.stop();
    cancelSentinelCheck();
    session = undefined;
    follower = undefined;
    if (isClosed) return;
    board.set({ state: 'away', reason });
    const delayMs = Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** Math.min(failures, 16));
    failures += 1;
    cancelRetry = clock.setTimer(delayMs * (0.75 + draw() / 2), () => void attempt());
  };
  const attempt = async (): Promise<void> => {
    const mine = createFollower({ book, clock, serverClock, draw }, seen);
    follower = mine;
    let opened: Session | undefined;
    try {
      const events = {
        onMessage: mine.hear,
        onEnd(reason: string): void {
          // One that ends while it begins is told of by what rejects below.
          if (session !== undefined && session === opened) lose(reason);
        },
      };
      opened = await openSession(target, events, closing.signal);
      await mine.start(opened);
      if (isClosed) throw new Error('the store is closed');
    } catch (error) {
      opened?.end('it failed');
      lose(reasonOf(error));
      return;
    }
    session = opened;
    failures = 0;
    board.set({ state: 'ready' });
    mine.resync();
    if (target.mode === 'sentinel') {
      cancelSentinelCheck = watchSentinels(opened, target, { clock, draw, signal: closing.signal });
    }
  };
  const firstOutcome = new Promise<void>((resolve) => {
    const cancel = clock.setTimer(OPEN_WAIT_MS, resolve);
    void attempt().then(() => {
      cancel();
      resolve();
    });
  });
  return {
    board,
    book,
    serverClock,
    firstOutcome,
    session: () => session,
    follower: () => (session ? follower : undefined),
    seen: () => follower?.seen() ?? seen,
    isClosed: () => isClosed,
    close(): void {
      isClosed = true;
      cancelRetry();
      book.close();
      board.close();
      closing.abort();
      session?.end('the store is closed');
      follower?.stop();
    },
  };
}

type Surroundings = {
  readonly clock: StoreClock;
  readonly draw: () => number;
  readonly signal: AbortSignal;
};

/** Ends the session when the Sentinels name another server; returns what stops it. */
function watchSentinels(
  session: Session,
  target: Target,
  { clock, draw, signal }: Surroundings,
): () => void {
  let isStopped = false;
  let cancel: () => void = () => {};
  const check = async (): Promise<void> => {
    // Sentinels that are away do not make a server wrong that works.
    const [named] = await locate(target, { name: CONNECTION_NAME, signal }).catch(() => []);
    if (isStopped) return;
    if (named && addressText(named) !== addressText(session.address)) {
      session.end(`the Sentinels name ${addressText(named)} now`);
    } else checkLater();
  };
  const checkLater = (): void => {
    cancel = clock.setTimer(SENTINEL_CHECK_MS * (0.75 + draw() / 2), () => void check());
  };
  checkLater();
  return () => {
    isStopped = true;
    cancel();
  };
}

function storeOf(keeper: Keeper, clock: StoreClock): Store {
  const { board, book, serverClock } = keeper;
  const act = async <Result>(
    problem: string | undefined,
    operation: (session: Session) => Promise<Result>,
  ): Promise<Result> => {
    if (problem !== undefined) throw new Error(problem);
    if (keeper.isClosed()) throw new Error('the store is closed');
    const session = keeper.session();
    if (session) return operation(session);
    const status = board.current();
    throw new Error(
      status.state === 'away'
        ? `the store is away: ${status.reason}`
        : 'the store is not found yet',
    );
  };
  const fit = (key: string, value?: string): string | undefined =>
    keyProblem(key) ?? valueProblem(key, value);
  return {
    get: (key) =>
      act(keyProblem(key), async (session) => parseEntry(key, await session.run('fetch', key))),
    compareAndSet: (key, expectedVersion, value) =>
      act(fit(key, value), async (session) => {
        const words = [key, String(expectedVersion), value === undefined ? '0' : '1', value ?? ''];
        const written = parseWritten(await session.run('compareAndSet', ...words));
        keeper.follower()?.answered(written.version);
        return written;
      }),
    list: (prefix) => act(undefined, async (session) => (await listAll(session, prefix)).entries),
    watch(prefix, onChange, onResync) {
      if (keeper.isClosed()) return () => {};
      const watcher = book.add(prefix, onChange, onResync, keeper.seen());
      // Without a session it is told everything when there is one.
      keeper.follower()?.learn(watcher);
      return watcher.stop;
    },
    lease: (key, value, ttlMs) =>
      act(fit(key, value), async (session) => {
        await session.run('lease', key, value, String(Math.max(1, Math.round(ttlMs))));
      }),
    append: (log, value, limit) =>
      act(fit(log, value), async (session) => String(await session.append(log, value, limit))),
    read: (log, afterId, count) =>
      act(keyProblem(log), async (session) => parseLog(await session.read(log, afterId, count))),
    status: board.current,
    onStatus: board.listen,
    nowMs: () => serverClock.nowMs(clock.nowMs()),
    async close() {
      keeper.close();
    },
  };
}
