import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { closedPort } from '../closed-port.ts';

/** A Redis of the test's own: a free port, a directory that goes away, nothing on disk. */
export type RedisServer = {
  readonly port: number;
  readonly url: string;
  readonly directory: string;
  /** Answers nothing from now on, like a machine that hangs. */
  pause(): void;
  resume(): void;
  kill(): Promise<void>;
  /** The same port, empty. */
  restart(): Promise<void>;
  /** What redis-cli prints for the command. */
  cli(...words: readonly string[]): Promise<string>;
};

export type RedisSettings = {
  readonly port?: number;
  /** Further arguments of redis-server. */
  readonly words?: readonly string[];
  /** Further arguments of redis-cli, to be let in. */
  readonly cliWords?: readonly string[];
  /** False: it is there but does not run before `restart`. */
  readonly isRunning?: boolean;
};

const run = promisify(execFile);
const START_TIMEOUT_MS = 10_000;
const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

export async function startRedis(
  t: Pick<TestContext, 'after'>,
  settings: RedisSettings = {},
): Promise<RedisServer> {
  const directory = mkdtempSync(join(tmpdir(), 'meridian-redis-'));
  const port = settings.port ?? (await closedPort());
  const words = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', directory];
  words.push('--save', '', '--appendonly', 'no', ...(settings.words ?? []));
  let child: ChildProcess | undefined;
  const kill = async (): Promise<void> => {
    const running = child;
    child = undefined;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    const gone = once(running, 'exit');
    running.kill('SIGKILL');
    await gone;
    children.delete(running);
  };
  const restart = async (): Promise<void> => {
    await kill();
    child = await startProcess('redis-server', words, 'Ready to accept connections');
  };
  t.after(async () => {
    await kill();
    rmSync(directory, { recursive: true, force: true });
  });
  if (settings.isRunning !== false) await restart();
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    directory,
    pause: () => child?.kill('SIGSTOP'),
    resume: () => child?.kill('SIGCONT'),
    kill,
    restart,
    cli: (...command) => redisCli(port, [...(settings.cliWords ?? []), ...command]),
  };
}

export async function redisCli(port: number, words: readonly string[]): Promise<string> {
  const { stdout } = await run('redis-cli', ['-p', `${port}`, ...words], {
    timeout: START_TIMEOUT_MS,
  });
  return stdout.trim();
}

/** Starts a program and waits until it says that it is ready. */
export async function startProcess(
  program: string,
  words: readonly string[],
  readyWords: string,
): Promise<ChildProcess> {
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  let said = '';
  await new Promise<void>((resolve, reject) => {
    const fail = (): void => reject(new Error(`${program} ${words.join(' ')}: ${said}`));
    const timer = setTimeout(fail, START_TIMEOUT_MS);
    child.on('error', reject);
    child.once('exit', fail);
    child.stdout.on('data', (chunk) => {
      if (said.length < 100_000) said += chunk;
      if (!said.includes(readyWords)) return;
      clearTimeout(timer);
      child.off('exit', fail);
      resolve();
    });
  });
  return child;
}
