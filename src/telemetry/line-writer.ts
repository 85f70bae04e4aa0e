import type { Stats } from 'node:fs';
import { write } from 'node:fs';
import { type FileHandle, open as openFile, stat } from 'node:fs/promises';

/**
 * Appends batches of whole lines to a file or to standard output, one write after the other, without
 * ever making its caller wait. A file that was renamed or removed (logrotate) is opened anew by its
 * name, looked for once a second, or when somebody says so. What waits has a bound; what is beyond it
 * is dropped.
 */
export type LineWriter = {
  write(bytes: Uint8Array): void;
  /** Opens the file anew after what waits has been written, whether there is more to write or not. */
  reopen(): void;
  /** Why nothing could be written last, or the file not be opened anew; undefined when it could. */
  problem(): string | undefined;
  /** Settles once everything has been written that was taken. */
  close(): Promise<void>;
};

/** What became of lines: added to by writers, for whoever asks. */
export type LineCounts = { lines: number; bytes: number; dropped: number };
export const noLines = (): LineCounts => ({ lines: 0, bytes: 0, dropped: 0 });

export const PENDING_BYTES_MAX = 16 * 1024 * 1024;
const REOPEN_CHECK_MS = 1_000;
const RETRY_MS = 50;
const STDOUT = 1;
/** A pipe takes so much as a whole or not at all (POSIX PIPE_BUF), so that lines of threads do not mix. */
const PIPE_BYTES = 4096;
const NEWLINE = 0x0a;
/** In place of a batch: the file is to be opened anew. */
const REOPEN = Symbol('reopen');

/** @param file path; empty = standard output */
export function createLineWriter(
  file: string,
  nowMs: () => number,
  counts: LineCounts = noLines(),
): LineWriter {
  const pending: (Uint8Array | typeof REOPEN)[] = [];
  let pendingBytes = 0;
  let handle: FileHandle | undefined;
  let checkedMs = Number.NEGATIVE_INFINITY;
  let problem: string | undefined;
  let working: Promise<void> | undefined;
  /** A write broke off within a line, which nothing may be written behind. */
  let isWithinLine = false;

  /** The file that was written until now stays open until the next one is. */
  const open = async (): Promise<void> => {
    const next = await openFile(file, 'a', 0o640);
    await handle?.close();
    handle = next;
    isWithinLine = false;
  };
  const follow = async (): Promise<void> => {
    if (handle && nowMs() - checkedMs < REOPEN_CHECK_MS) return;
    checkedMs = nowMs();
    const there = await stat(file).catch(() => undefined);
    if (handle && there && isSame(there, await handle.stat())) return;
    await open();
  };
  const append = async (bytes: Uint8Array): Promise<void> => {
    let written = 0;
    if (isWithinLine) await writeAll(handle?.fd ?? STDOUT, NEWLINES, () => {});
    isWithinLine = false;
    try {
      const parts = file === '' ? pipeParts(bytes) : [bytes];
      for (const part of parts) {
        await writeAll(handle?.fd ?? STDOUT, part, (count) => {
          written += count;
        });
      }
    } finally {
      isWithinLine = written > 0 && bytes[written - 1] !== NEWLINE;
      counts.bytes += written;
      counts.lines += linesIn(bytes.subarray(0, written));
      counts.dropped += linesIn(bytes.subarray(written));
    }
  };
  const workOne = async (next: Uint8Array | typeof REOPEN): Promise<void> => {
    problem = undefined;
    const opened = file === '' ? undefined : next === REOPEN ? open() : follow();
    await opened?.catch((error: Error) => {
      problem = error.message;
    });
    if (next === REOPEN) return;
    pendingBytes -= next.length;
    // In a file that was renamed lines are still found.
    if (file !== '' && handle === undefined) counts.dropped += linesIn(next);
    else {
      await append(next).catch((error: Error) => {
        problem = error.message;
      });
    }
  };
  const work = async (): Promise<void> => {
    for (let next = pending.shift(); next !== undefined; next = pending.shift())
      await workOne(next);
    working = undefined;
  };
  const take = (next: Uint8Array | typeof REOPEN): void => {
    pending.push(next);
    working ??= work();
  };
  return {
    write(bytes) {
      if (pendingBytes + bytes.length > PENDING_BYTES_MAX) {
        counts.dropped += linesIn(bytes);
        return;
      }
      pendingBytes += bytes.length;
      take(bytes);
    },
    reopen: () => take(REOPEN),
    problem: () => problem,
    async close() {
      await working;
      await handle?.close();
    },
  };
}

const NEWLINES = Uint8Array.of(NEWLINE);

function linesIn(bytes: Uint8Array): number {
  let lines = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) lines++;
  return lines;
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
async function writeAll(
  fd: number,
  bytes: Uint8Array,
  onWritten: (count: number) => void,
): Promise<void> {
  let at = 0;
  while (at < bytes.length) {
    const { promise, reject, resolve } = Promise.withResolvers<number>();
    write(fd, bytes, at, bytes.length - at, null, (error, written) => {
      if (error === null) resolve(written);
      else if (error.code === 'EAGAIN') setTimeout(() => resolve(0), RETRY_MS);
      else reject(error);
    });
    const written = await promise;
    onWritten(written);
    at += written;
  }
}
