import type { HealthEvent } from './health-table.ts';
import type { MonitoringClock } from './monitoring.ts';

/**
 * What keeps vantage points of this node from looking at all: no descriptors left, a source address
 * that is gone, a script that is not there. It is no word on any target, so that the vantage point
 * falls silent about it, and people are told why: once for each reason, and once when it is over.
 */
export type LocalFaults = {
  /** An attempt ended. @param reason why it could not be made; undefined = it was made */
  note(vantage: string, key: string, reason: string | undefined): void;
  /** What keeps vantage points from looking at this target, by vantage point. */
  of(key: string): ReadonlyMap<string, LocalFault>;
  close(): void;
};

export type LocalFault = { readonly reason: string; readonly sinceMs: number };

/** One that comes and goes is over when nothing has met it for so long. */
export const FAULT_OVER_MS = 10_000;

/** Reasons of one vantage point that are told at a time: some name the target, and there may be thousands. */
export const FAULTS_TOLD_MAX = 10;

type Trouble = {
  readonly vantage: string;
  readonly isTold: boolean;
  readonly targets: Set<string>;
  cancelOver: (() => void) | undefined;
};

export function createLocalFaults(
  clock: MonitoringClock,
  tell: (events: readonly HealthEvent[]) => void,
): LocalFaults {
  const byKey = new Map<string, Map<string, LocalFault>>();
  /** By vantage point and reason. */
  const troubles = new Map<string, Trouble>();

  const begin = (vantage: string, key: string, reason: string): void => {
    const id = `${vantage} ${reason}`;
    const trouble = troubles.get(id) ?? startTrouble(vantage, id);
    if (trouble.isTold && trouble.targets.size === 0 && trouble.cancelOver === undefined) {
      const message = `cannot probe ${key}: ${reason}`;
      tell([{ kind: 'probe.local-fault', subject: vantage, message }]);
    }
    trouble.targets.add(key);
    trouble.cancelOver?.();
    trouble.cancelOver = undefined;
  };
  const startTrouble = (vantage: string, id: string): Trouble => {
    const told = [...troubles.values()].filter((each) => each.vantage === vantage && each.isTold);
    const isTold = told.length < FAULTS_TOLD_MAX;
    const trouble: Trouble = { vantage, isTold, targets: new Set(), cancelOver: undefined };
    troubles.set(id, trouble);
    return trouble;
  };
  const end = (vantage: string, key: string, reason: string): void => {
    const id = `${vantage} ${reason}`;
    const trouble = troubles.get(id)!;
    trouble.targets.delete(key);
    if (trouble.targets.size > 0) return;
    trouble.cancelOver = clock.setTimer(FAULT_OVER_MS, () => {
      troubles.delete(id);
      if (!trouble.isTold) return;
      const message = `can probe again, which it could not: ${reason}`;
      tell([{ kind: 'probe.local-fault-over', subject: vantage, message }]);
    });
  };
  return {
    note(vantage, key, reason) {
      const before = byKey.get(key)?.get(vantage);
      if (before?.reason === reason) return;
      const faults = byKey.get(key) ?? new Map<string, LocalFault>();
      faults.delete(vantage);
      if (before !== undefined) end(vantage, key, before.reason);
      if (reason !== undefined) {
        faults.set(vantage, { reason, sinceMs: clock.nowMs() });
        begin(vantage, key, reason);
      }
      if (faults.size > 0) byKey.set(key, faults);
      else byKey.delete(key);
    },
    of: (key) => byKey.get(key) ?? NONE,
    close() {
      for (const { cancelOver } of troubles.values()) cancelOver?.();
    },
  };
}

const NONE: ReadonlyMap<string, LocalFault> = new Map();
