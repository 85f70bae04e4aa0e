/**
 * Loaded into every thread of a node before its own code (`node --import`): once a second it writes a line of what the
 * thread holds to the file that MERIDIAN_BENCH_MEMORY_FILE names.
 */
import { appendFileSync } from 'node:fs';
import { isMainThread, threadName } from 'node:worker_threads';

export type MemorySample = {
  readonly thread: string;
  /** By `Date.now()`. */
  readonly atMs: number;
  /** Of the whole process, in octets; the others are the thread's. */
  readonly rss: number;
  readonly heapUsed: number;
  readonly external: number;
  readonly arrayBuffers: number;
};

const INTERVAL_MS = 1000;

const file = process.env['MERIDIAN_BENCH_MEMORY_FILE'];
if (file !== undefined) {
  const thread = isMainThread ? 'main' : (threadName ?? '');
  setInterval(() => {
    const { arrayBuffers, external, heapUsed, rss } = process.memoryUsage();
    const atMs = Date.now();
    const sample: MemorySample = { thread, atMs, rss, heapUsed, external, arrayBuffers };
    appendFileSync(file, `${JSON.stringify(sample)}\n`);
  }, INTERVAL_MS).unref();
}
