export type Outbox = {
  add(key: string): void;
  /** The key waits or is on its way. */
  has(key: string): boolean;
  pause(): void;
  resume(): void;
};

/** Writes on their way at once. */
const WRITES_MAX = 8;

/**
 * Keys whose word must go out: each once, a few at a time, none while paused (as it is at first).
 * @param push brings one out; it rejects when that cannot be done now
 * @param onDone called when nothing of a key is on its way any more
 */
export function createOutbox(
  push: (key: string) => Promise<void>,
  onFailure: (error: unknown) => void,
  onDone: (key: string) => void,
): Outbox {
  const waiting = new Set<string>();
  const busy = new Set<string>();
  let isPaused = true;
  const run = (): void => {
    for (const key of waiting) {
      if (isPaused || busy.size >= WRITES_MAX) return;
      if (!busy.has(key)) void send(key);
    }
  };
  const send = async (key: string): Promise<void> => {
    waiting.delete(key);
    busy.add(key);
    try {
      await push(key);
    } catch (error) {
      waiting.add(key);
      onFailure(error);
    }
    busy.delete(key);
    if (!waiting.has(key)) onDone(key);
    run();
  };
  return {
    add(key) {
      waiting.add(key);
      run();
    },
    has: (key) => waiting.has(key) || busy.has(key),
    pause() {
      isPaused = true;
    },
    resume() {
      isPaused = false;
      run();
    },
  };
}
