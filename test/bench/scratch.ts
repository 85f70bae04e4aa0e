/**
 * What a bench leaves behind: nothing. Its files lie in one temporary directory and its servers are children
 * that it knows; both go when it ends, also by an error, Ctrl-C, or the end of the process that started it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export type Scratch = {
  /** Writes a file, and the directories above it; returns its path. */
  write(name: string, content: string | Uint8Array): string;
  /** Makes a directory; returns its path. */
  directory(name: string): string;
  start(command: string, words: readonly string[]): Child;
  /** Ends the whole bench with this sentence unless it has ended before. */
  endAfter(seconds: number, sentence: string): void;
};

export type Child = {
  readonly pid: number;
  /** The exit code, or null after a signal. Rejects when the program cannot be started. */
  readonly ended: Promise<number | null>;
  running(): boolean;
  /** The last of what it wrote to its standard output and error. */
  output(): string;
};

const OUTPUT_CHARACTERS_MAX = 64 * 1024;
const PARENT_INTERVAL_MS = 500;
/** Exit codes of a process that a signal ends: 128 and the signal's number. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

export function openScratch(name: string): Scratch {
  const root = mkdtempSync(join(tmpdir(), `meridian-bench-${name}-`));
  const children = new Set<ChildProcess>();
  process.on('exit', () => {
    for (const child of children) endGroup(child);
    rmSync(root, { recursive: true, force: true, maxRetries: 3 });
  });
  for (const [signal, code] of Object.entries(SIGNALS)) {
    process.on(signal, () => process.exit(code));
  }
  // A parent that is killed cannot pass a signal on; its child then gets another parent.
  const parent = process.ppid;
  setInterval(() => process.ppid !== parent && process.exit(1), PARENT_INTERVAL_MS).unref();
  return {
    write(path, content) {
      const full = join(root, path);
      mkdirSync(dirname(full), { recursive: true });
      writeFileSync(full, content);
      return full;
    },
    directory(path) {
      mkdirSync(join(root, path), { recursive: true });
      return join(root, path);
    },
    start: (command, words) => startChild(children, command, words),
    endAfter(seconds, sentence) {
      const end = (): void => {
        process.stderr.write(`${sentence}\n`);
        process.exit(1);
      };
      setTimeout(end, seconds * 1000).unref();
    },
  };
}

/** The same, for files below a folder of it. */
export function scratchBelow(scratch: Scratch, folder: string): Scratch {
  return {
    ...scratch,
    write: (name, content) => scratch.write(join(folder, name), content),
    directory: (name) => scratch.directory(join(folder, name)),
  };
}

/** With its own children: workers of nginx outlive a master that is killed. */
function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

function startChild(children: Set<ChildProcess>, command: string, words: readonly string[]): Child {
  const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  children.add(child);
  let output = '';
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-OUTPUT_CHARACTERS_MAX);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const ended = new Promise<number | null>((done, fail) => {
    child.on('error', (error) => fail(new Error(`${command} cannot be started: ${error.message}`)));
    child.on('close', (code) => {
      children.delete(child);
      done(code);
    });
  });
  // Who never waits for a child's end sees its failure in running().
  ended.catch(() => children.delete(child));
  return {
    pid: child.pid ?? 0,
    ended,
    running: () => children.has(child) && child.exitCode === null && child.signalCode === null,
    output: () => output,
  };
}
