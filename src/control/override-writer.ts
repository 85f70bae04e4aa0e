import type { Change, Store } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';

/**
 * Overrides on their way to the store and back. What is in force here was decided already, so the
 * store must end up with the last word spoken here, and its echo must not bring back an earlier one:
 * writes of a key go one after the other, and what is heard of a key meanwhile waits until they
 * are done and counts only when it is newer than what was written.
 */
export type OverrideWriter = {
  /**
   * Puts the value (undefined = deletes) over whatever is there; with `onlyIf`, only over a value
   * that it accepts. Never rejects: a store that fails is a warning.
   */
  write(
    key: string,
    value: string | undefined,
    onlyIf?: (stored: string) => boolean,
  ): Promise<void>;
  /** Takes a change that the store tells of. */
  hear(change: Change): void;
};

const ATTEMPTS_MAX = 5;

/** @param onNews called with changes that others made */
export function createOverrideWriter(
  store: Store,
  log: Pick<Log, 'warn'>,
  onNews: (change: Change) => void,
): OverrideWriter {
  const queues = new Map<string, Promise<void>>();
  const waiting = new Map<string, Change>();
  /** The newest version of each key that was written or heard of here. */
  const versions = new Map<string, number>();

  const hear = (change: Change): void => {
    const { key, value, version } = change;
    if (queues.has(key)) {
      waiting.set(key, change);
      return;
    }
    if (version <= (versions.get(key) ?? 0)) return;
    if (value === undefined) versions.delete(key);
    else versions.set(key, version);
    onNews(change);
  };
  const attempt = async (
    key: string,
    value: string | undefined,
    onlyIf: (stored: string) => boolean,
  ): Promise<boolean> => {
    const entry = await store.get(key);
    if (entry === undefined ? value === undefined : !onlyIf(entry.value)) return true;
    const { ok, version } = await store.compareAndSet(key, entry?.version ?? 0, value);
    if (ok && value !== undefined) versions.set(key, version);
    return ok;
  };
  const put = async (...words: Parameters<typeof attempt>): Promise<void> => {
    const [key] = words;
    try {
      for (let count = 0; count < ATTEMPTS_MAX; count += 1) if (await attempt(...words)) return;
      log.warn('store.conflict', `The store kept refusing ${key}.`);
    } catch (error) {
      log.warn(
        'store.unavailable',
        `A change of ${key} is in force here but did not reach the store: ${String(error)}.`,
      );
    }
  };
  return {
    hear,
    write(key, value, onlyIf = () => true) {
      const mine = (queues.get(key) ?? Promise.resolve())
        .then(() => put(key, value, onlyIf))
        .then(() => {
          if (queues.get(key) !== mine) return;
          queues.delete(key);
          const change = waiting.get(key);
          waiting.delete(key);
          if (change) hear(change);
        });
      queues.set(key, mine);
      return mine;
    },
  };
}
