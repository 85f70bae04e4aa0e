import { type ChildProcess, spawn } from 'node:child_process';
import type { Course } from './course.ts';
import { localFault } from './failure.ts';

/**
 * A program that a probe runs: no shell, nothing on its input, only the environment that it is given,
 * a bounded output, and a process group of its own that is killed when the attempt ends, so that
 * nothing that the program started stays behind. What leaves its group on purpose (setsid) does.
 */
export type Ran = {
  /** Undefined when a signal ended it. */
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  readonly output: string;
  readonly errors: string;
};

/** Bytes of output and errors together; a program that writes more is ended. */
export const OUTPUT_BYTES_MAX = 16_384;
/** How long after its end a program's output may still come, held open by what left its group. */
const OUTPUT_GRACE_MS = 100;

export async function runProgram(
  course: Course,
  path: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Ran | 'too much output'> {
  const child = start(path, args, env);
  // By the number of its group: the program itself may be gone while what it started is not.
  const killGroup = (): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // Nobody is left in it.
    }
  };
  course.onEnd(() => {
    killGroup();
    child.stdout?.destroy();
    child.stderr?.destroy();
  });
  const failed = new Promise<never>((_, fail) => {
    child.on('error', (error: NodeJS.ErrnoException) => {
      fail(localFault(`cannot run ${path}: ${error.code ?? error.message}`));
    });
  });
  const closed = new Promise<void>((done) => child.on('close', () => done()));
  const exited = new Promise<void>((done) => {
    child.on('exit', () => {
      killGroup();
      setTimeout(done, OUTPUT_GRACE_MS).unref();
    });
  });
  const texts = { output: '', errors: '' };
  const { promise: flooded, resolve: flood } = Promise.withResolvers<'too much output'>();
  let length = 0;
  const collect = (into: keyof typeof texts) => (chunk: Buffer) => {
    length += chunk.length;
    if (length > OUTPUT_BYTES_MAX) flood('too much output');
    else texts[into] += chunk.toString('utf8');
  };
  child.stdout?.on('data', collect('output'));
  child.stderr?.on('data', collect('errors'));
  const end = await Promise.race([closed, exited, failed, flooded]);
  if (end === 'too much output') return end;
  return {
    exitCode: child.exitCode ?? undefined,
    signal: child.signalCode ?? undefined,
    ...texts,
  };
}

/** Without descriptors or memory for it there is an 'error' later and no output, or it throws at once. */
function start(
  path: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): ChildProcess {
  try {
    return spawn(path, args, {
      env: { ...env },
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw localFault(`cannot run ${path}: ${code ?? message}`);
  }
}
