import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Another nameserver of a test's own: files in a directory of its own, one process, nothing left after it. */
export type ServerProcess = {
  readonly directory: string;
  /** What it has written so far. */
  said(): string;
  signal(name: NodeJS.Signals): void;
  stop(): Promise<void>;
};

/**
 * @param files by name in its directory
 * @param words the command; files by their paths in the directory
 */
export function startServer(
  files: (directory: string) => Readonly<Record<string, string>>,
  words: (directory: string) => readonly [string, ...string[]],
): ServerProcess {
  const directory = mkdtempSync(join(tmpdir(), 'meridian-server-'));
  for (const [name, text] of Object.entries(files(directory))) {
    writeFileSync(join(directory, name), text);
  }
  const [program, ...rest] = words(directory);
  const child = spawn(program, rest, { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
  }
  child.on('error', (error) => {
    said += String(error);
  });
  return {
    directory,
    said: () => said,
    signal: (name) => void child.kill(name),
    async stop() {
      if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
        const gone = once(child, 'exit');
        child.kill('SIGTERM');
        await gone;
      }
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
