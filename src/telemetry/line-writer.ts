import type { Stats } from 'node:fs';
import { write } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';

/**
 * Appends batches of whole lines to a file or to standard output, one write after the other, without
 * ever making its caller wait. A file that was renamed or removed (logrotate) is opened anew by its
 * name, looked for once a second. What waits has a bound; what is beyond it is dropped.
 */
export type LineWriter = {
  /** @returns false when there is no room for these lines, or no file; they are dropped */
  write(bytes: Uint8Array): boolean;
  /** Why nothing could be written last; undefined when it could. */
  problem(): string | undefined;
  /** Settles once everything has been written that was taken. */
  close(): Promise<void>;
};

export const PENDING_BYTES_MAX = 16 * 1024 * 1024;
const REOPEN_CHECK_MS = 1_000;
const RETRY_MS = 50;
const STDOUT = 1;
/** A pipe takes so much as a whole or not at all (POSIX PIPE_BUF), so that lines of threads do not mix. */
const PIPE_BYTES = 4096;
const NEWLINE = 0x0a;

/** @param file path; empty = standard output */
export function createLineWriter(file: string, nowMs: () => number): LineWriter {
  const pending: Uint8Array[] = [];
  let pendingBytes = 0;
  let handle: FileHandle | undefined;
  let checkedMs = Number.NEGATIVE_INFINITY;
  let problem: string | undefined;
  let working: Promise<void> | undefined;

  const reopen = async (): Promise<void> => {
    if (handle && nowMs() - checkedMs < REOPEN_CHECK_MS) return;
    checkedMs = nowMs();
    const there = await stat(file).catch(() => undefined);
    if (handle && there && isSame(there, await handle.stat())) return;
    await handle?.close();
    handle = undefined;
    handle = await open(file, 'a', 0o640);
  };
  const writeOne = async (bytes: Uint8Array): Promise<void> => {
    if (file === '') {
      for (const part of pipeParts(bytes)) await writeAll(STDOUT, part);
      return;
    }
    await reopen();
    if (handle) await writeAll(handle.fd, bytes);
  };
  const work = async (): Promise<void> => {
    for (;;) {
      const bytes = pending.shift();
      if (bytes === undefined) break;
      try {
        await writeOne(bytes);
        problem = undefined;
      } catch (error) {
        problem = (error as Error).message;
      }
      pendingBytes -= bytes.length;
    }
    working = undefined;
  };
  return {
    write(bytes) {
      if (pendingBytes + bytes.length > PENDING_BYTES_MAX) return false;
      pending.push(bytes);
      pendingBytes += bytes.length;
      working ??= work();
      return problem === undefined;
    },
    problem: () => problem,
    async close() {
      await working;
      await handle?.close();
    },
  };
}

const isSame = (a: Stats, b: Stats): boolean => a.ino === b.ino && a.dev === b.dev;

/** Whole lines, as many as a pipe takes at once. */
function* pipeParts(bytes: Uint8Array): Generator<Uint8Array> {
  let start = 0;
  while (start < bytes.length) {
    const last = bytes.lastIndexOf(NEWLINE, start + PIPE_BYTES - 1) + 1;
    const end = last > start ? last : bytes.indexOf(NEWLINE, start) + 1 || bytes.length;
    yield bytes.subarray(start, end);
    start = end;
  }
}

/** Goes on after a part that was taken, and waits for a pipe that is full. */
async function writeAll(fd: number, bytes: Uint8Array): Promise<void> {
  let at = 0;
  while (at < bytes.length) {
    const { promise, reject, resolve } = Promise.withResolvers<number>();
    write(fd, bytes, at, bytes.length - at, null, (error, written) => {
      if (error === null) resolve(written);
      else if (error.code === 'EAGAIN') setTimeout(() => resolve(0), RETRY_MS);
      else reject(error);
    });
    at += await promise;
  }
}
