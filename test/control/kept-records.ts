import type { ZoneRecords } from '../../src/control/zone-records.ts';
import { type AddedRecord, changed, NO_ADDITIONS } from '../../src/nameserver/added-records.ts';

/** Added records of one zone, kept by nobody else, and what decides about them told where it is seen. */
export function keepRecords(nowMs: number) {
  let state = NO_ADDITIONS;
  let reason: string | undefined;
  const records: ZoneRecords = {
    additions: () => state,
    async change(_zone, decide) {
      if (reason !== undefined) return { ok: false, refusal: undefined, reason };
      const decided = decide(state.records, nowMs);
      if ('refusal' in decided) return { ok: false, refusal: decided.refusal };
      const before = state;
      state = changed(state, decided.records, 7, 'w');
      return { ok: true, state, isChanged: before !== state };
    },
  };
  return {
    parts: {
      serialOf: () => state.serial,
      records,
      clock: { nowMs: () => nowMs },
      shown: async () => ({ visible: true, confirmed: ['one'], pending: [], silent: [] }),
    },
    all: () => state.records,
    add(...more: readonly AddedRecord[]): void {
      state = changed(state, [...state.records, ...more], 7, 'w');
    },
    /** From now on nothing is kept, for this reason. */
    fail(next: string): void {
      reason = next;
    },
  };
}
