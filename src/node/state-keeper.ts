import type { Events } from '../control/events.ts';
import type { HealthDesk } from '../monitoring/health-desk.ts';
import type { Log } from '../telemetry/log.ts';
import { openStateFile, type SavedState } from './state-file.ts';

/** Everything is written this often, and once more at the end. */
const STATE_INTERVAL_MS = 5000;
/** Targets that change together are written together, */
const STATE_DELAY_MS = 100;
/** and so long after the last time: in an incident much changes, and what probes has better to do. */
const STATE_REST_MS = 1000;

/**
 * Writes what is known of health: a change soon, everything now and then. A killed node comes back
 * with what it had. Returns the function that writes the last and ends it. A disk that hangs holds up
 * nothing but this.
 */
export function keepState(
  directory: string | undefined,
  { desk, events, log }: { readonly desk: HealthDesk; readonly events: Events; readonly log: Log },
): () => void {
  if (directory === undefined) return () => {};
  const file = openStateFile(directory);
  const state = (): SavedState => ({ overrides: [], ...desk.exportState() });
  let hasComplained = false;
  let isWriting = false;
  /** Since it was written last. */
  let isChanged = false;
  let isOver = false;
  let later: NodeJS.Timeout | undefined;
  let writtenMs = Number.NEGATIVE_INFINITY;
  const tell = (problem: string | undefined): void => {
    if (problem !== undefined && !hasComplained) {
      log.warn('state.unwritable', `${problem}: health is not kept over a restart.`);
    } else if (problem === undefined && hasComplained) {
      log.info('state.recovered', 'Health is kept over a restart again.');
    }
    hasComplained = problem !== undefined;
  };
  const write = async (): Promise<void> => {
    later = undefined;
    isWriting = true;
    isChanged = false;
    try {
      tell(await file.write(state()));
    } finally {
      isWriting = false;
      writtenMs = performance.now();
    }
    if (isChanged && !isOver) soon();
  };
  const soon = (): void => {
    isChanged = true;
    if (isWriting) return;
    const restMs = writtenMs + STATE_REST_MS - performance.now();
    later ??= setTimeout(() => void write(), Math.max(STATE_DELAY_MS, restMs)).unref();
  };
  const unsubscribe = events.subscribe(soon);
  const timer = setInterval(soon, STATE_INTERVAL_MS);
  timer.unref();
  return () => {
    unsubscribe();
    clearInterval(timer);
    clearTimeout(later);
    isOver = true;
    tell(file.writeLast(state()));
  };
}
