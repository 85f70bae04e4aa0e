import { systemClock } from '../control/clock.ts';
import { createJournal } from '../control/journal.ts';
import { createReplay, type Replay } from '../control/journal-replay.ts';
import type { Serving } from '../control/serving.ts';
import type { HealthWords } from '../health/health-words.ts';
import { openJournalFiles } from './journal-file.ts';
import type { Parts } from './parts.ts';

/** The record of what this node serves with, and who reads it. */
export type NodeRecord = {
  /** Called when either has changed: what is served now, with this health. */
  note(words: HealthWords): void;
  readonly replay: Replay;
  close(): Promise<void>;
};

/** Kept beside the node's state, when it has a place for that. */
export function openRecord(
  { compiler, config, desk, facts, log }: Parts,
  current: () => Serving,
): NodeRecord {
  const directory = config.node.stateDirectory;
  const journal = createJournal({
    clock: systemClock,
    log,
    statusOf: desk.status,
    disk: directory === undefined ? undefined : openJournalFiles(directory),
  });
  const replay = createReplay({
    journal,
    current,
    compile: compiler.compile,
    clocks: { agreedMs: facts.clock.nowMs, steadyMs: systemClock.nowMs, wallMs: Date.now },
  });
  return { note: (words) => journal.note(current(), words), replay, close: journal.close };
}
