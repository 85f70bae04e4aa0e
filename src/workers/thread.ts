import { Worker } from 'node:worker_threads';
import type { Log } from '../telemetry/log.ts';

/**
 * One supervised worker thread. A bug ends the worker; this replaces it, at once the first time and
 * with growing pauses while it keeps dying, and hands the successor everything anew (`start`).
 */
export type Thread = {
  readonly name: string;
  post(message: unknown): void;
  state(): 'starting' | 'running' | 'dead';
  restarts(): number;
  engine(): string;
  /** Resolves when the worker first says that it is ready; rejects never. */
  readonly ready: Promise<void>;
  /** Asks the worker to finish with `message`, ends it after `graceMs`. */
  stop(graceMs: number, message?: unknown): Promise<void>;
  /** Ends the worker as a crash would; it is replaced. */
  kill(): Promise<void>;
};

export type ThreadOptions = {
  readonly name: string;
  readonly file: URL;
  /** The first message of every incarnation. */
  start(): unknown;
  onMessage(message: { readonly type: string }): void;
  readonly log: Log;
};

/** Pauses before a replacement: none, then doubling up to the last; a life longer than this resets. */
const RESTART_DELAY_FIRST_MS = 100;
const RESTART_DELAY_MAX_MS = 5000;
const LIFE_RESETS_DELAY_MS = 10_000;

export function createThread(options: ThreadOptions): Thread {
  let worker: Worker | undefined;
  let state: 'starting' | 'running' | 'dead' = 'starting';
  let engine = '';
  let restarts = 0;
  let delayMs = 0;
  let stopping = false;
  let timer: NodeJS.Timeout | undefined;
  let announceReady: () => void = () => {};
  const ready = new Promise<void>((resolve) => {
    announceReady = resolve;
  });

  const spawn = (): void => {
    const bornAtMs = performance.now();
    state = 'starting';
    const next = new Worker(options.file, { name: options.name });
    worker = next;
    next.postMessage(options.start());
    next.on('message', (message: { type: string; engine?: string }) => {
      if (message.type === 'ready') {
        state = 'running';
        engine = message.engine ?? engine;
        announceReady();
      }
      options.onMessage(message);
    });
    next.on('error', (error) => {
      const fields = { worker: options.name, error: String((error as Error)?.stack ?? error) };
      options.log.error('worker.crash', `Worker ${options.name} died of an error.`, fields);
    });
    next.on('exit', (code) => {
      if (worker !== next) return;
      state = 'dead';
      if (stopping) return;
      if (performance.now() - bornAtMs > LIFE_RESETS_DELAY_MS) delayMs = 0;
      const fields = { worker: options.name, code, delayMs };
      options.log.warn('worker.restart', `Worker ${options.name} ended; it is replaced.`, fields);
      timer = setTimeout(spawn, delayMs);
      delayMs = Math.min(RESTART_DELAY_MAX_MS, Math.max(RESTART_DELAY_FIRST_MS, delayMs * 2));
      restarts += 1;
    });
  };
  spawn();

  return {
    name: options.name,
    ready,
    state: () => state,
    engine: () => engine,
    restarts: () => restarts,
    post: (message) => worker?.postMessage(message),
    async kill() {
      await worker?.terminate();
    },
    async stop(graceMs, message = { type: 'stop' }) {
      stopping = true;
      clearTimeout(timer);
      if (!worker || state === 'dead') return;
      const last = worker;
      const gone = new Promise<void>((resolve) => last.once('exit', () => resolve()));
      last.postMessage(message);
      const late = setTimeout(() => void last.terminate(), graceMs);
      await gone;
      clearTimeout(late);
    },
  };
}
