import { LIST_ENTRIES_MAX } from '../contract/limits.ts';
import type { Listing, WatchBook, Watcher } from '../contract/watch-book.ts';
import type { Entry, StoreClock } from '../store.ts';
import type { Database } from './database.ts';
import { createLeaseBook } from './lease-book.ts';

/** Follows what the processes of the machine write: tells watchers, and ends leases that ran out. */
export type Follower = {
  /** The file was opened, again perhaps: tells every watcher what it missed. */
  begin(db: Database): void;
  /** The newest version that watchers were told of. */
  told(): number;
  /** Notes what is there, for a watcher that begins now. */
  learn(db: Database, watcher: Watcher): void;
  /**
   * Tells what is new.
   * @param isOwn this process has just written, which the file does not tell it
   * @returns there is more to tell
   */
  look(db: Database, isOwn: boolean): boolean;
  /** A lease has run out, and a look would end it. */
  isLeaseDue(): boolean;
};

/** Changes told and leases ended in one go; the rest after other work. */
const CHANGES_PAGE = 500;
const LEASES_PAGE = 100;

export function createFollower(book: WatchBook, clock: StoreClock): Follower {
  const leases = createLeaseBook();
  let seenData = -1;
  let told = 0;

  const resync = (db: Database): void => {
    if (db.last() < told) db.raise(told);
    told = db.last();
    for (const watcher of book.watchers()) catchUp(db, watcher);
  };
  const tell = (db: Database): boolean => {
    const last = db.last();
    const changes = last < told ? undefined : db.changesAfter(told, CHANGES_PAGE);
    if (changes === undefined) {
      resync(db);
      return false;
    }
    for (const change of changes) book.hear(change);
    const isPage = changes.length === CHANGES_PAGE;
    told = isPage ? changes.at(-1)!.version : last;
    return isPage;
  };
  return {
    begin(db) {
      seenData = db.dataVersion();
      leases.see(db.leases(), clock.nowMs());
      resync(db);
    },
    told: () => told,
    learn(db, watcher) {
      watcher.begin();
      watcher.learn(listAll(db, watcher.prefix));
    },
    look(db, isOwn) {
      const data = db.dataVersion();
      const isNews = isOwn || data !== seenData;
      const isDue = leases.isAnyDue(clock.nowMs());
      if (!isNews && !isDue) return false;
      leases.see(db.leases(), clock.nowMs());
      if (leases.isAnyDue(clock.nowMs())) {
        db.endLeases(leases.due(clock.nowMs()).slice(0, LEASES_PAGE), clock.nowMs());
        leases.see(db.leases(), clock.nowMs());
      }
      const hasMore = tell(db);
      // Only now: when this failed the next look does it again.
      if (!hasMore) seenData = data;
      return hasMore;
    },
    isLeaseDue: () => leases.isAnyDue(clock.nowMs()),
  };
}

/** Throws when there are more than anybody should have. */
export function listAll(db: Database, prefix: string): readonly Entry[] {
  const entries = db.list(prefix, LIST_ENTRIES_MAX + 1);
  if (entries.length <= LIST_ENTRIES_MAX) return entries;
  throw new Error(`more than ${LIST_ENTRIES_MAX} entries under "${prefix}"`);
}

function catchUp(db: Database, watcher: Watcher): void {
  watcher.begin();
  const listing: Listing = { entries: listAll(db, watcher.prefix), last: db.last() };
  watcher.finish(listing, db.deletions(watcher.missing(listing)));
}
