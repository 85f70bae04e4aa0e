import { TTL_MASK, wordTtlSeconds } from '../health/health-word.ts';
import { type HealthWords, writeExceptions } from '../health/health-words.ts';
import type { MonitoringClock } from './monitoring.ts';

/**
 * Words on their way to those who answer. A change of flags is told at once. TTLs move with nearly
 * every observation, so a change of TTL is told when it is material, and together with others.
 */
export type HealthPublisher<Event> = {
  words(): HealthWords;
  /** The endpoint's word, and those of the client regions that see it otherwise. */
  put(index: number, word: number, near: ReadonlyMap<number, number>): void;
  /** Tells now when there are events or flags changed, and soon when a TTL moved. */
  tell(events: readonly Event[]): void;
  /** Another generation: forgets all words; `put` them, then `settle`. */
  reset(count: number): void;
  /** What is put by now counts as told. */
  settle(): HealthWords;
  close(): void;
};

/** Changes of TTLs alone wait for each other this long. */
export const COALESCE_MS = 20;
/** A TTL is told when it moved by more than this factor. */
const TTL_STEP = 1.25;

export function createHealthPublisher<Event>(
  clock: MonitoringClock,
  onChange: (words: HealthWords, events: readonly Event[]) => void,
): HealthPublisher<Event> {
  let current = new Uint32Array(0);
  let told = new Uint32Array(0);
  /** Of the few endpoints that some region sees otherwise. */
  let near = new Map<number, ReadonlyMap<number, number>>();
  let toldNear: typeof near = new Map();
  let urgency: 'none' | 'soon' | 'now' = 'none';
  let cancelLater: (() => void) | undefined;

  const words = (): HealthWords => ({
    words: current.slice(),
    exceptions: writeExceptions(
      [...near]
        .sort(([a], [b]) => a - b)
        .flatMap(([endpoint, exceptions]) =>
          [...exceptions].map(([region, word]) => ({ near: region, endpoint, word })),
        ),
    ),
  });
  const settle = (): HealthWords => {
    cancelLater?.();
    cancelLater = undefined;
    urgency = 'none';
    told = current.slice();
    toldNear = new Map(near);
    return words();
  };
  const heed = (before: number, word: number): void => {
    if (flagsOf(word) !== flagsOf(before)) urgency = 'now';
    else if (urgency === 'none' && isMaterial(before, word)) urgency = 'soon';
  };
  return {
    words,
    put(index, word, exceptions) {
      current[index] = word;
      heed(told[index] ?? 0, word);
      const before = toldNear.get(index);
      if (exceptions.size === 0) near.delete(index);
      else near.set(index, exceptions);
      if (before === undefined && exceptions.size === 0) return;
      const regions = new Set([...(before?.keys() ?? []), ...exceptions.keys()]);
      for (const region of regions) {
        heed(before?.get(region) ?? told[index] ?? 0, exceptions.get(region) ?? word);
      }
    },
    tell(events) {
      if (urgency === 'now' || events.length > 0) onChange(settle(), events);
      else if (urgency === 'soon') {
        cancelLater ??= clock.setTimer(COALESCE_MS, () => onChange(settle(), []));
      }
    },
    reset(count) {
      current = new Uint32Array(count);
      told = new Uint32Array(count);
      near = new Map();
      toldNear = new Map();
    },
    settle,
    close: () => void settle(),
  };
}

const flagsOf = (word: number): number => (word & ~TTL_MASK) >>> 0;

function isMaterial(before: number, after: number): boolean {
  const [less, more] = [wordTtlSeconds(before), wordTtlSeconds(after)].toSorted((a, b) => a - b);
  return more! > less! * TTL_STEP;
}
