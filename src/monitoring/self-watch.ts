import { type Sight, selfTrust } from '../health/self-trust.ts';
import type { Statement, VantageWord } from '../health/statement.ts';
import { canaryOf } from './jobs.ts';
import type { MonitoringClock } from './monitoring.ts';

/**
 * This node's vantage points watching themselves: what each sees of canaries and of other regions,
 * judged by health/self-trust.ts. Calls back for each of them, and when one begins or ends to
 * distrust itself.
 */
export type SelfWatch = {
  setVantages(vantages: readonly Omit<VantageWord, 'trusted' | 'reason'>[]): void;
  /** A statement of a vantage point of this node. */
  observe(statement: Statement): void;
  /** The vantage point looks at this canary no more: what it saw last counts no longer. */
  forget(vantage: string, key: string): void;
  words(): readonly VantageWord[];
  close(): void;
};

export type SelfWatchDeps = {
  readonly clock: MonitoringClock;
  /** What the vantage point sees of other regions. */
  readonly regionSights: (vantage: string) => readonly Sight[];
  /** `isNews` when trust has changed. */
  readonly onWord: (word: VantageWord, isNews: boolean) => void;
};

/** A failure is looked into after this: sooner than any target can fail several times. */
export const LOOK_DELAY_MS = 100;

export function createSelfWatch({ clock, onWord, regionSights }: SelfWatchDeps): SelfWatch {
  const words = new Map<string, VantageWord>();
  const canaries = new Map<string, Map<string, Sight>>();
  const looking = new Map<string, () => void>();

  const look = (vantage: string): void => {
    const before = words.get(vantage);
    if (before === undefined) return;
    const sights = [...(canaries.get(vantage)?.values() ?? []), ...regionSights(vantage)];
    const { reason, trusted } = selfTrust(sights);
    if (before.trusted === trusted) return;
    const word = { ...before, trusted, reason };
    words.set(vantage, word);
    onWord(word, true);
  };
  return {
    setVantages(vantages) {
      const staying = new Set(vantages.map(({ vantage }) => vantage));
      for (const name of words.keys()) if (!staying.has(name)) words.delete(name);
      for (const name of canaries.keys()) if (!staying.has(name)) canaries.delete(name);
      for (const vantage of vantages) {
        const { reason = '', trusted = true } = words.get(vantage.vantage) ?? {};
        const word = { ...vantage, trusted, reason };
        words.set(vantage.vantage, word);
        onWord(word, false);
      }
    },
    observe({ failing, key, vantage, verdict }) {
      const isFailing = failing || verdict === 'down';
      const canary = canaryOf(key);
      if (canary !== undefined) {
        const sights = canaries.get(vantage) ?? new Map<string, Sight>();
        const thing = `canary ${canary}`;
        sights.set(key, { thing, isCanary: true, failing: isFailing, confirmed: false });
        canaries.set(vantage, sights);
      }
      // All is well, and was: nothing to look into.
      if (!isFailing && words.get(vantage)?.trusted !== false) return;
      if (looking.has(vantage)) return;
      const cancel = clock.setTimer(LOOK_DELAY_MS, () => {
        looking.delete(vantage);
        look(vantage);
      });
      looking.set(vantage, cancel);
    },
    forget(vantage, key) {
      canaries.get(vantage)?.delete(key);
    },
    words: () => [...words.values()],
    close() {
      for (const cancel of looking.values()) cancel();
      looking.clear();
    },
  };
}
