import { type Transferable, Worker } from 'node:worker_threads';
import type { Log } from '../telemetry/log.ts';

/**
 * One supervised worker thread. A bug ends the worker; this replaces it, at once the first time and
 * with growing pauses while it keeps dying, and hands the successor everything anew (`start`).
 */
export type Thread = {
  readonly name: string;
  /** Lost when the worker is dead: its successor is told everything by `start`. */
  post(message: unknown, transfer?: readonly Transferable[]): void;
  state(): 'starting' | 'running' | 'dead';
  restarts(): number;
  /** Down, and not for the first time in a short while: more than a replacement under way. */
  isFailing(): boolean;
  engine(): string;
  /** Resolves when the worker first says that it is ready; rejects never. */
  readonly ready: Promise<void>;
  /** Asks the worker to finish with `message`, ends it after `graceMs`. */
  stop(graceMs: number, message?: unknown): Promise<void>;
  /** Ends the worker as a crash would; it is replaced. */
  kill(): Promise<void>;
};

export type ThreadOptions = ThreadVoice & {
  readonly name: string;
  readonly file: URL;
  /** Wakes the worker: called after every message, for one that waits in the kernel hears nothing by itself. */
  readonly wake?: () => void;
  /** Beyond so many MiB of heap the worker ends, and is replaced; default: the engine's limit. */
  readonly heapMb?: number;
  /** Of it what was just made: less room for what is soon thrown away. */
  readonly youngHeapMb?: number;
  /** The first message of every incarnation. When it throws, the next try comes after a pause. */
  start(): unknown;
  onMessage(message: { readonly type: string }): void;
  /** Called when an incarnation has ended, however it did. */
  ended?(): void;
};

/** Where deaths are told: the stack to the log, for whoever looks for the bug, the fact to everybody. */
export type ThreadVoice = {
  readonly log: Pick<Log, 'error'>;
  record(kind: string, subject: string, message: string, level: 'info' | 'warn'): void;
};

/** Pauses before a replacement: none, then doubling up to the last; a life longer than this resets. */
export const RESTART_DELAY_FIRST_MS = 100;
export const RESTART_DELAY_MAX_MS = 5000;
export const LIFE_RESETS_DELAY_MS = 10_000;
/** A pause this long comes after several deaths in a row. */
export const FAILING_DELAY_MS = 400;

export function createThread(options: ThreadOptions): Thread {
  let worker: Worker | undefined;
  let state: 'starting' | 'running' | 'dead' = 'starting';
  let engine = '';
  let restarts = 0;
  let delayMs: number | undefined;
  let stopping = false;
  let timer: NodeJS.Timeout | undefined;
  const { promise: ready, resolve: announceReady } = Promise.withResolvers<void>();

  const bury = (bornAtMs: number, how: string): void => {
    state = 'dead';
    options.ended?.();
    if (stopping) return;
    delayMs = restartDelayMs(delayMs, performance.now() - bornAtMs);
    const when = delayMs === 0 ? 'at once' : `in ${delayMs} ms`;
    const message = `Worker ${options.name} ${how}; it is replaced ${when}.`;
    options.record('worker.restart', options.name, message, 'warn');
    timer = setTimeout(spawn, delayMs);
    restarts += 1;
  };
  const complain = (error: unknown): void => {
    const fields = { worker: options.name, error: String((error as Error)?.stack ?? error) };
    options.log.error('worker.crash', `Worker ${options.name} died of an error.`, fields);
  };
  const end = (last: Worker): Promise<number> => {
    const ended = last.terminate();
    options.wake?.();
    return ended;
  };
  const spawn = (): void => {
    const bornAtMs = performance.now();
    state = 'starting';
    let next: Worker | undefined;
    try {
      const first = options.start();
      next = openWorker(options);
      next.postMessage(first);
    } catch (error) {
      complain(error);
      void next?.terminate();
      bury(bornAtMs, 'could not be started');
      return;
    }
    worker = next;
    next.on('message', (message: { type: string; engine?: string }) => {
      if (message.type === 'ready') {
        state = 'running';
        engine = message.engine ?? engine;
        announceReady();
      }
      options.onMessage(message);
    });
    next.on('error', complain);
    next.on('exit', (code) => bury(bornAtMs, `ended with code ${code}`));
  };
  spawn();

  return {
    name: options.name,
    ready,
    state: () => state,
    engine: () => engine,
    restarts: () => restarts,
    isFailing: () => state !== 'running' && (delayMs ?? 0) >= FAILING_DELAY_MS,
    post(message, transfer = []) {
      if (state === 'dead') return;
      worker?.postMessage(message, [...transfer]);
      options.wake?.();
    },
    async kill() {
      if (worker) await end(worker);
    },
    async stop(graceMs, message = { type: 'stop' }) {
      stopping = true;
      clearTimeout(timer);
      if (!worker || state === 'dead') return;
      const last = worker;
      const gone = new Promise<void>((resolve) => last.once('exit', () => resolve()));
      last.postMessage(message);
      options.wake?.();
      const late = setTimeout(() => void end(last), graceMs);
      await gone.finally(() => clearTimeout(late));
    },
  };
}

function openWorker({ file, heapMb, name, youngHeapMb }: ThreadOptions): Worker {
  const resourceLimits = {
    ...(heapMb === undefined ? {} : { maxOldGenerationSizeMb: heapMb }),
    ...(youngHeapMb === undefined ? {} : { maxYoungGenerationSizeMb: youngHeapMb }),
  };
  return new Worker(file, { name, resourceLimits });
}

/** The pause before a replacement, given the one before the life that has just ended, if any. */
export function restartDelayMs(beforeMs: number | undefined, livedMs: number): number {
  if (beforeMs === undefined || livedMs > LIFE_RESETS_DELAY_MS) return 0;
  return Math.min(RESTART_DELAY_MAX_MS, Math.max(RESTART_DELAY_FIRST_MS, beforeMs * 2));
}
