import { LIST_ENTRIES_MAX } from '../contract/limits.ts';
import type { Listing, WatchBook, Watcher } from '../contract/watch-book.ts';
import type { RemoteClock } from '../remote-clock.ts';
import type { StoreClock } from '../store.ts';
import { reasonOf } from './connection.ts';
import { type Notice, parseNotice } from './notice.ts';
import { parseDeletions, parsePage } from './replies.ts';
import { DELETIONS_PAGE } from './scripts.ts';
import type { Session } from './session.ts';

/**
 * Follows what happens in the store during one session. Notices tell of changes as they happen; each
 * names the version before it, and a tick asks for the newest one from time to time, so that nothing
 * can get lost unnoticed: then all is listed and compared. Ticks also remove leases when they run out,
 * which is everybody's task: each follower knows when the next one is due and comes a little later,
 * by chance, so that usually the first one does it for all.
 */
export type Follower = {
  /** A notice; also before `start`. */
  hear(message: string): void;
  /** Begins; rejects when the first tick fails. Afterwards a failure ends the session. */
  start(session: Session): Promise<void>;
  /** Tells every watcher what it missed. */
  resync(): void;
  /** Notes what is there, for a watcher that begins now. */
  learn(watcher: Watcher): void;
  /** The answer to a call here named this version. */
  answered(version: number): void;
  /** The newest version that was heard of, by notice or answer. */
  seen(): number;
  stop(): void;
};

export type FollowerWorld = {
  readonly book: WatchBook;
  readonly clock: StoreClock;
  readonly serverClock: RemoteClock;
  /** Between 0 and 1. */
  readonly draw: () => number;
};

const TICK_MS = 2000;
/** How far those who remove leases spread. */
const SWEEP_SPREAD_MS = 50;
/** A notice is this late at most when its server and we are well. */
const NOTICE_GRACE_MS = 100;
/** Changes that were found by asking, one after the other, before the notices count as broken. */
const UNHEARD_MAX = 3;

export function createFollower(world: FollowerWorld, seenBefore: number): Follower {
  const { book, clock, serverClock, draw } = world;
  const alarm = createAlarm(clock);
  const witness = createWitness(seenBefore);
  let session: Session | undefined;
  let nextTickAtMs = 0;
  /** Lists are made one after the other: two of one watcher would mix. */
  let lists: Promise<void> = Promise.resolve();

  const fail = (error: unknown): void => session?.end(reasonOf(error));
  const enqueue = (job: (session: Session) => Promise<void>): void => {
    lists = lists.then(() => (session ? job(session) : undefined)).catch(fail);
  };
  const resync = (): void => {
    enqueue(async (current) => {
      for (const watcher of book.watchers()) await catchUp(current, watcher);
    });
  };
  const arm = (dueMs: number | undefined): void => {
    const sweepMs = dueMs === undefined ? Infinity : dueMs + draw() * SWEEP_SPREAD_MS;
    if (session) alarm.set(Math.min(nextTickAtMs - clock.nowMs(), sweepMs), () => void beat());
  };
  const beat = (): Promise<void> => tick().catch(fail);
  const tick = async (): Promise<void> => {
    const current = session;
    if (!current) return;
    const sentMs = clock.nowMs();
    const asked = witness.seen();
    const { last, dueMs, serverMs } = await current.tick(asked);
    if (session !== current) return;
    const heardMs = clock.nowMs();
    serverClock.observe(sentMs, heardMs, serverMs);
    const finding = witness.compare(asked, last);
    if (finding === 'deaf') current.end('changes happen without notice');
    if (finding === 'missed') resync();
    nextTickAtMs = heardMs + (finding === 'wait' ? NOTICE_GRACE_MS : TICK_MS * (0.75 + draw() / 2));
    arm(dueMs);
  };

  return {
    hear(message) {
      const notice = parseNotice(message);
      if (notice === undefined) return;
      const { isNews, isGap } = witness.hear(notice);
      if (notice.change && isNews) book.hear(notice.change);
      if (isGap) resync();
      arm(notice.dueMs);
    },
    async start(started) {
      session = started;
      await tick();
    },
    resync,
    learn(watcher) {
      enqueue(async (current) => {
        watcher.begin();
        const { entries } = await listAll(current, watcher.prefix);
        watcher.learn(entries);
      });
    },
    answered: witness.answered,
    seen: witness.seen,
    stop() {
      session = undefined;
      alarm.cancel();
    },
  };
}

/** Holds notices and ticks against each other. */
export type Witness = {
  /** The newest version that exists, as far as notices and answers tell. */
  seen(): number;
  /** The answer to a call named this version: its notice may still be on the way. */
  answered(version: number): void;
  /** `isGap`: something happened before it that was not heard of. */
  hear(notice: Pick<Notice, 'before' | 'version'>): {
    readonly isNews: boolean;
    readonly isGap: boolean;
  };
  /**
   * What a tick tells: all is heard; a notice is not here yet; something was missed, so list; or
   * notices do not arrive at all.
   * @param asked the newest version that was seen when the tick was sent
   */
  compare(asked: number, last: number): 'heard' | 'wait' | 'missed' | 'deaf';
};

export function createWitness(seenBefore: number): Witness {
  let newest = seenBefore;
  let answered = 0;
  let hasCompared = false;
  /** Found by a tick, but not heard of yet. */
  let unheard = 0;
  let unheardCount = 0;
  return {
    seen: () => Math.max(newest, answered),
    answered(version) {
      answered = Math.max(answered, version);
    },
    hear({ before, version }) {
      const isNews = version > newest;
      const isGap = hasCompared && isNews && before !== newest;
      if (isNews) newest = version;
      unheardCount = 0;
      return { isNews, isGap };
    },
    compare(asked, last) {
      if (!hasCompared) {
        // What was before is listed anyway.
        hasCompared = true;
        newest = Math.max(newest, last);
        return 'heard';
      }
      const isMissed = newest < unheard || last < asked;
      if (newest < unheard) {
        newest = unheard;
        unheardCount += 1;
      }
      unheard = last > newest ? last : 0;
      if (unheardCount > UNHEARD_MAX) return 'deaf';
      if (isMissed) return 'missed';
      return unheard > 0 ? 'wait' : 'heard';
    },
  };
}

type Alarm = { set(afterMs: number, ring: () => void): void; cancel(): void };

/** One timer: setting it again forgets the time before. */
function createAlarm(clock: StoreClock): Alarm {
  let cancel: () => void = () => {};
  return {
    set(afterMs, ring) {
      cancel();
      cancel = clock.setTimer(Math.max(1, Math.ceil(afterMs)), ring);
    },
    cancel: () => cancel(),
  };
}

/** All entries under the prefix, page by page. Rejects when there are more than anybody should have. */
export async function listAll(session: Session, prefix: string): Promise<Listing> {
  const first = parsePage(await session.run('list', prefix, ''));
  const entries = [...first.entries];
  let { next } = first;
  while (next !== undefined) {
    const page = parsePage(await session.run('list', prefix, next));
    entries.push(...page.entries);
    if (entries.length > LIST_ENTRIES_MAX) {
      throw new Error(`more than ${LIST_ENTRIES_MAX} entries under "${prefix}"`);
    }
    next = page.next;
  }
  return { entries, last: first.last };
}

async function catchUp(session: Session, watcher: Watcher): Promise<void> {
  watcher.begin();
  const listing = await listAll(session, watcher.prefix);
  const missing = watcher.missing(listing);
  const deletions = new Map<string, number>();
  for (let from = 0; from < missing.length; from += DELETIONS_PAGE) {
    const keys = missing.slice(from, from + DELETIONS_PAGE);
    const reply = await session.run('deletions', ...keys);
    for (const [key, version] of parseDeletions(keys, reply)) deletions.set(key, version);
  }
  watcher.finish(listing, deletions);
}
