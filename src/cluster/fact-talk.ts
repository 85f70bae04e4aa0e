import type { Peers } from './peers.ts';
import type { DigestRecord, FactRecord } from './wire.ts';

/**
 * Durable facts between nodes that hear each other: told at once, and once more in case the datagram is
 * lost; who learns something from one says what it holds now, so that the author knows that it is shared.
 */
export type FactTalk = {
  tell(records: readonly FactRecord[]): void;
  take(record: FactRecord, from: string): void;
  close(): void;
};

/** Durable facts (replica.ts), as far as they travel between nodes directly. */
export type FactExchange = {
  digest(): string;
  /** What the other lacks, judging by its digest. */
  missing(digest: string, from: string): readonly FactRecord[];
  /** True when it is news. */
  hear(record: FactRecord): boolean;
};

type Timers = { setTimer(ms: number, run: () => void): () => void };

/** A lost datagram costs no more than this. */
export const FACT_REPEAT_MS = 80;
/** A whole configuration is not sent twice: what is lost of it is asked for. */
const REPEATED_RECORDS_MAX = 20;
/** Facts come in bunches; what was learnt of all of them is confirmed together. */
export const CONFIRM_MS = 50;

export function createFactTalk(
  clock: Timers,
  facts: FactExchange | undefined,
  peers: () => Pick<Peers, 'broadcast' | 'send'> | undefined,
): FactTalk {
  const owed = new Set<string>();
  const timers = new Set<() => void>();
  const later = (ms: number, run: () => void): void => {
    const cancel = clock.setTimer(ms, () => {
      timers.delete(cancel);
      run();
    });
    timers.add(cancel);
  };
  const confirm = (): void => {
    if (facts === undefined) return;
    for (const name of owed) peers()?.send(name, [digestRecord(facts)]);
    owed.clear();
  };
  return {
    tell(records) {
      peers()?.broadcast(records);
      if (records.length > REPEATED_RECORDS_MAX) return;
      later(FACT_REPEAT_MS, () => peers()?.broadcast(records));
    },
    take(record, from) {
      if (facts?.hear(record) !== true) return;
      if (owed.size === 0) later(CONFIRM_MS, confirm);
      owed.add(from);
    },
    close() {
      for (const cancel of timers) cancel();
    },
  };
}

export const digestRecord = (facts: FactExchange): DigestRecord => ({
  kind: 'digest',
  text: facts.digest(),
});
