import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { NODE_FLAGS } from '../../src/node-flags.mjs';
import { shareCompiledCode } from './compile-cache.ts';
import { until } from './until.ts';

/** The program as a real process: `node src/main.ts WORDS`, killed with the test if it still runs. */
export type Program = {
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  /** Settles when the process is gone and all that it wrote is read. */
  readonly exited: Promise<Exit>;
  isRunning(): boolean;
  kill(signal: NodeJS.Signals): void;
  /** Into its standard input, where it has one. */
  type(text: string): void;
  /** Waits until standard output and error together match. */
  said(pattern: RegExp, deadlineMs?: number): Promise<void>;
};
export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };
export type Result = Exit & { readonly stdout: string; readonly stderr: string };

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const SAID_DEADLINE_MS = 30_000;

export function startProgram(
  t: TestContext,
  words: readonly string[],
  options: SpawnOptions = {},
): Program {
  shareCompiledCode();
  const flags = [...NODE_FLAGS, MAIN];
  return startCommand(t, process.execPath, [...flags, ...words], options);
}

/** Runs it to its end. */
export async function runProgram(
  t: TestContext,
  words: readonly string[],
  options: SpawnOptions = {},
): Promise<Result> {
  return ended(startProgram(t, words, options));
}

/** As `runProgram`, for any command. */
export async function runCommand(
  t: TestContext,
  command: string,
  words: readonly string[],
  options: SpawnOptions = {},
): Promise<Result> {
  return ended(startCommand(t, command, words, options));
}

async function ended(program: Program): Promise<Result> {
  const exit = await program.exited;
  return { ...exit, stdout: program.stdout(), stderr: program.stderr() };
}

/** As `startProgram`, for any command. */
export function startCommand(
  t: TestContext,
  command: string,
  words: readonly string[],
  options: SpawnOptions = {},
): Program {
  const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;
  const exited = exitOf(child);
  t.after(async () => {
    if (isRunning()) child.kill('SIGKILL');
    await exited;
  });
  return {
    pid: child.pid ?? 0,
    stdout,
    stderr,
    exited,
    isRunning,
    kill: (signal) => void child.kill(signal),
    type: (text) => void child.stdin?.write(text),
    async said(pattern, deadlineMs = SAID_DEADLINE_MS) {
      const heard = (): boolean => pattern.test(stdout() + stderr());
      const what = (): string => `${pattern} in the words of the process: ${stdout()}${stderr()}`;
      await until(() => heard() || !isRunning(), deadlineMs, what);
      if (!heard()) throw new Error(`the process ended without ${what()}`);
    },
  };
}

function collect(stream: ChildProcess['stdout']): () => string {
  let text = '';
  stream?.setEncoding('utf8');
  stream?.on('data', (chunk: string) => {
    text += chunk;
  });
  return () => text;
}

function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
}
