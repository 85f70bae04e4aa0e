import type { Change, Entry, Resync } from '../store.ts';

/**
 * Who watches what, and which version of each key every watcher has been told. A store that may miss
 * changes (a lost connection, a log that was cut) lists what there is, and the book finds what differs.
 *
 * Notices and lists come on different ways and overtake each other. Two rules keep them apart: a
 * notice of a version that was told already is dropped, and while a list is under way keys that
 * notices touch are not judged by it when the notice is newer than the list.
 */
export type WatchBook = {
  /** @param since notices of versions up to this one come late: they are from before */
  add(
    prefix: string,
    onChange: (change: Change) => void,
    onResync: ((resync: Resync) => void) | undefined,
    since: number,
  ): Watcher;
  watchers(): readonly Watcher[];
  /** A change as it happened: tells those whose prefix it has. */
  hear(change: Change): void;
  close(): void;
};

export type Watcher = {
  readonly prefix: string;
  stop(): void;
  /** A list is about to be made, either for `finish` or for `learn`. */
  begin(): void;
  /**
   * What was there when the watcher began, listed soon after: nothing of it is told. What changed
   * since is left to the notices, which are on their way.
   */
  learn(entries: readonly Entry[]): void;
  /** Keys that were told of once and that the list lacks: ask for their deletions before `finish`. */
  missing(listing: Listing): readonly string[];
  /** Tells whatever differs from what was told before, then that there was a resync. */
  finish(listing: Listing, deletions: ReadonlyMap<string, number>): void;
};

export type Listing = {
  readonly entries: readonly Entry[];
  /** The newest version in the store when the list was begun. */
  readonly last: number;
};

export function createWatchBook(): WatchBook {
  const pages = new Set<Page>();
  return {
    add(prefix, onChange, onResync, since) {
      const page: Page = { prefix, onChange, onResync, since, told: new Map(), touched: undefined };
      pages.add(page);
      return watcherOf(page, pages);
    },
    watchers: () => [...pages].map((page) => watcherOf(page, pages)),
    hear(change) {
      for (const page of pages) if (change.key.startsWith(page.prefix)) hear(page, pages, change);
    },
    close: () => pages.clear(),
  };
}

type Page = {
  readonly prefix: string;
  readonly onChange: (change: Change) => void;
  readonly onResync: ((resync: Resync) => void) | undefined;
  readonly since: number;
  /** The version of each key that is there, as this watcher was told. */
  told: Map<string, number>;
  /** The versions that notices brought since a list was begun. */
  touched: Map<string, number> | undefined;
};

function watcherOf(page: Page, pages: Set<Page>): Watcher {
  const isFresher = (key: string, { last }: Listing): boolean =>
    (page.touched?.get(key) ?? 0) > last;
  return {
    prefix: page.prefix,
    stop: () => pages.delete(page),
    begin() {
      page.touched = new Map();
    },
    learn(entries) {
      for (const { key, version } of entries) {
        if (version <= page.since && !page.touched?.has(key)) page.told.set(key, version);
      }
      page.touched = undefined;
    },
    missing(listing) {
      const there = new Set(listing.entries.map(({ key }) => key));
      return [...page.told.keys()].filter((key) => !there.has(key) && !isFresher(key, listing));
    },
    finish(listing, deletions) {
      const changes: Change[] = [];
      const gone = this.missing(listing);
      for (const entry of listing.entries) {
        const before = page.told.get(entry.key);
        if (entry.version === before || isFresher(entry.key, listing)) continue;
        page.told.set(entry.key, entry.version);
        changes.push(before !== undefined && before > entry.version ? lost(entry) : entry);
      }
      for (const key of gone) {
        const before = page.told.get(key) ?? 0;
        const deletedAs = deletions.get(key) ?? 0;
        page.told.delete(key);
        // A deletion that is older than what was told here cannot be what removed it.
        if (deletedAs > before) changes.push({ key, value: undefined, version: deletedAs });
        else changes.push(lost({ key, value: undefined, version: listing.last }));
      }
      page.touched = undefined;
      changes.sort((a, b) => a.version - b.version);
      for (const change of changes) tell(page, pages, change);
      const hasLosses = changes.some(({ isLoss }) => isLoss === true);
      queueMicrotask(() => {
        if (pages.has(page)) page.onResync?.({ hasLosses });
      });
    },
  };
}

function hear(page: Page, pages: Set<Page>, change: Change): void {
  const { key, value, version } = change;
  if (version <= Math.max(page.since, page.told.get(key) ?? 0)) return;
  if (value === undefined) page.told.delete(key);
  else page.told.set(key, version);
  page.touched?.set(key, version);
  tell(page, pages, change);
}

/** Later, in order, and never to a watcher that has been stopped meanwhile. */
function tell(page: Page, pages: Set<Page>, change: Change): void {
  queueMicrotask(() => {
    if (pages.has(page)) page.onChange(change);
  });
}

function lost({ key, value, version }: Change): Change {
  return { key, value, version, isLoss: true };
}
