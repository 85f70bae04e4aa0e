import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * A temporary directory for something that writes until it is stopped: it is removed when the process
 * ends, since hooks of a test run in the order in which they were set, before those that stop things.
 */
export function scratchDirectory(name: string): string {
  if (directories.size === 0) process.on('exit', removeAll);
  const directory = mkdtempSync(join(tmpdir(), `meridian-${name}-`));
  directories.add(directory);
  return directory;
}

const directories = new Set<string>();

function removeAll(): void {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
}
