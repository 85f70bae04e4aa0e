import type { Events } from '../control/events.ts';
import type { HealthDesk } from '../monitoring/health-desk.ts';
import type { Log } from '../telemetry/log.ts';
import { writeState } from './state-file.ts';

/** Everything is written this often, and once more at the end. */
const STATE_INTERVAL_MS = 5000;
/** Targets that change together are written together. */
const STATE_DELAY_MS = 100;

/**
 * Writes what is known of health: a change soon, everything now and then. A killed node comes back
 * with what it had. Returns the function that writes the last and ends it.
 */
export function keepState(
  directory: string | undefined,
  { desk, events, log }: { readonly desk: HealthDesk; readonly events: Events; readonly log: Log },
): () => void {
  if (directory === undefined) return () => {};
  let complained = false;
  let later: NodeJS.Timeout | undefined;
  const write = (): void => {
    clearTimeout(later);
    later = undefined;
    const problem = writeState(directory, { overrides: [], ...desk.exportState() });
    if (problem !== undefined && !complained) {
      log.warn('state.unwritable', `${problem}: health is not kept over a restart.`);
    }
    complained = problem !== undefined;
  };
  const unsubscribe = events.subscribe(() => {
    later ??= setTimeout(write, STATE_DELAY_MS).unref();
  });
  const timer = setInterval(write, STATE_INTERVAL_MS);
  timer.unref();
  return () => {
    unsubscribe();
    clearInterval(timer);
    write();
  };
}
