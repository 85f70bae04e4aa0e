import type { Log } from '../telemetry/log.ts';
import type { Clock } from './clock.ts';
import type { HashedPart } from './journal-config.ts';

/** Where segments are kept over a restart. Every call rejects when the disk refuses. */
export type JournalDisk = {
  /** Where the segments begin, in ascending order. */
  starts(): Promise<readonly number[]>;
  /** A new segment, there as a whole or not at all. */
  begin(startMs: number, text: string): Promise<void>;
  append(startMs: number, text: string): Promise<void>;
  /** The lines of a segment; undefined when it is gone. */
  read(startMs: number): Promise<readonly string[] | undefined>;
  /** Keeps a configuration as long as segments do that begin at this time or later. */
  keepConfig(config: HashedPart, nowMs: number): Promise<void>;
  readConfig(hash: string): Promise<string | undefined>;
  /** Removes what is beyond the limits. */
  prune(nowMs: number): Promise<void>;
};

/** Lines wait for each other this long before they are written. */
export const FLUSH_MS = 250;
/** Characters that may wait for the disk; one that is slower than that is as good as none. */
export const PENDING_LENGTH_MAX = 8 * 1024 * 1024;
/** A node that ends waits no longer than this for its disk. */
const CLOSE_GRACE_MS = 1000;
/** How long a disk that refused is left alone. */
export const RETRY_MS = 60_000;

/**
 * Brings the record to the disk: in batches, one write at a time, never waited for. When the disk
 * refuses or lags, that is said once and the record goes on in memory; after a while a segment that
 * is complete in itself is tried.
 */
export type JournalWriter = {
  begin(startMs: number, head: string, config: HashedPart): void;
  append(line: string): void;
  keepConfig(config: HashedPart): void;
  /** Writes what waits, as far as the disk takes it. */
  close(): Promise<void>;
};

export type JournalWriterParts = {
  readonly disk: JournalDisk;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn'>;
  /** Asks for a new segment to be begun, as the last one on the disk has a gap. */
  onRetry(): void;
};

type Batch = {
  readonly startMs: number;
  readonly isNew: boolean;
  text: string;
  configs: readonly HashedPart[];
};

export function createJournalWriter(parts: JournalWriterParts): JournalWriter {
  const { clock, disk, log } = parts;
  let pending: Batch[] = [];
  let startMs: number | undefined;
  /** The disk refused, or the record is closed. */
  let isAway = false;
  let hasComplained = false;
  let running: Promise<void> | undefined;
  let cancelTimer: (() => void) | undefined;

  const abandon = (reason: string): void => {
    pending = [];
    startMs = undefined;
    isAway = true;
    if (!hasComplained) {
      const message = `The record of what was served is kept in memory only: ${reason}.`;
      log.warn('journal.unwritable', message);
    }
    hasComplained = true;
    cancelTimer?.();
    cancelTimer = clock.setTimer(RETRY_MS, () => {
      cancelTimer = undefined;
      isAway = false;
      parts.onRetry();
    });
  };
  const write = async ({ configs, isNew, startMs: at, text }: Batch): Promise<void> => {
    for (const config of configs) await disk.keepConfig(config, clock.nowMs());
    await (isNew ? disk.begin(at, text) : disk.append(at, text));
    if (isNew) await disk.prune(clock.nowMs());
    if (hasComplained)
      log.info('journal.recovered', 'The record of what was served is kept again.');
    hasComplained = false;
  };
  /** What comes while it writes waits where it is counted. */
  const writeAll = async (): Promise<void> => {
    try {
      for (let batch = pending.shift(); batch && !isAway; batch = pending.shift()) {
        await write(batch);
      }
    } catch (error) {
      abandon((error as NodeJS.ErrnoException).code ?? String(error));
    }
  };
  const flush = (): Promise<void> => {
    running ??= writeAll().finally(() => {
      running = undefined;
    });
    return running;
  };
  const later = (): void => {
    const length = pending.reduce((sum, { text }) => sum + text.length, 0);
    if (length > PENDING_LENGTH_MAX) abandon('the disk is too slow');
    else {
      cancelTimer ??= clock.setTimer(FLUSH_MS, () => {
        cancelTimer = undefined;
        void flush();
      });
    }
  };
  const add = (text: string, configs: readonly HashedPart[]): void => {
    if (isAway || startMs === undefined) return;
    const last = pending.at(-1);
    if (last === undefined) pending.push({ startMs, isNew: false, text, configs });
    else {
      last.text += text;
      last.configs = [...last.configs, ...configs];
    }
    later();
  };
  return {
    begin(at, head, config) {
      if (isAway) return;
      startMs = at;
      pending.push({ startMs: at, isNew: true, text: `${head}\n`, configs: [config] });
      later();
    },
    append: (line) => add(`${line}\n`, []),
    keepConfig: (config) => add('', [config]),
    async close() {
      cancelTimer?.();
      const late = new Promise<void>((done) => clock.setTimer(CLOSE_GRACE_MS, done));
      await Promise.race([flush().then(flush), late]);
      isAway = true;
      // What failed just now has set one again.
      cancelTimer?.();
    },
  };
}
