import { createInterface } from 'node:readline/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Config, Role } from '../config/config.ts';
import type {
  RequestExplanation,
  RequestProblem,
  RequestQuestion,
} from '../control/control-plane.ts';

/**
 * The world as a command sees it, as one argument: where text goes, what the environment says, time,
 * and the person. Tests pass their own; `processIo` is the real one.
 */
export type CliIo = {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** True when standard output is a terminal: colours, repainting and progress lines make sense. */
  readonly isTTY: boolean;
  nowMs(): number;
  /** Resolves after `ms`, or earlier when `signal` aborts; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Asks a yes/no question; only called when `isTTY`. */
  confirm(question: string): Promise<boolean>;
  /** Calls back on Ctrl-C until the returned function is called. */
  onInterrupt(callback: () => void): () => void;
  /** Of the terminal, in characters. */
  size(): { readonly columns: number; readonly rows: number };
  onResize(callback: () => void): () => void;
  /**
   * Calls back with each key as it is typed, Ctrl-C among them, until the returned function is called. Of
   * keys that are several characters the first is an escape. Where nobody can type, never.
   */
  onKey(callback: (key: string) => void): () => void;
  readFile(path: string): Promise<string>;
};

/** What needs the whole program rather than the API, injected by the program's root. */
export type Handlers = {
  run(options: RunOptions): Promise<number>;
  quickstart(options: QuickstartOptions): Promise<number>;
  origin(options: OriginOptions): Promise<number>;
  /** As a node with this configuration would, without one. */
  explainRequest(config: Config, question: RequestQuestion): RequestExplanation | RequestProblem;
};
/** Absent fields were not given. */
export type RunOptions = {
  readonly config?: string;
  readonly roles?: readonly Role[];
  readonly region?: string;
};
export type QuickstartOptions = { readonly config?: string };
export type OriginOptions = { readonly name: string; readonly listen: readonly string[] };

/** The real world: this process. */
export function processIo(): CliIo {
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    isTTY: process.stdout.isTTY === true,
    nowMs: () => Date.now(),
    sleep: (ms, signal) =>
      delay(ms, undefined, signal === undefined ? {} : { signal }).catch(() => {}),
    confirm,
    onInterrupt(callback) {
      process.on('SIGINT', callback);
      return () => process.off('SIGINT', callback);
    },
    size: () => ({ columns: process.stdout.columns ?? 80, rows: process.stdout.rows ?? 24 }),
    onResize(callback) {
      process.stdout.on('resize', callback);
      return () => process.stdout.off('resize', callback);
    },
    onKey,
    async readFile(path) {
      const { readFile } = await import('node:fs/promises');
      return readFile(path, 'utf8');
    },
  };
}

function onKey(callback: (key: string) => void): () => void {
  const { stdin } = process;
  if (!stdin.isTTY) return () => {};
  const hear = (typed: Buffer): void => {
    const text = typed.toString('utf8');
    for (const key of text.startsWith(ESCAPE) ? [text] : text) callback(key);
  };
  stdin.setRawMode(true);
  stdin.on('data', hear);
  return () => {
    stdin.off('data', hear);
    stdin.setRawMode(false);
    stdin.pause();
  };
}
const ESCAPE = '\x1b';

async function confirm(question: string): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  // Ctrl-C, Ctrl-D, or an input that has nothing to say: the question is never answered then.
  const closed = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
  try {
    const answer = await Promise.race([lines.question(`${question} [y/N] `), closed]);
    return /^y(es)?$/i.test(answer.trim());
  } catch {
    return false;
  } finally {
    lines.close();
  }
}
