/**
 * Loaded into every thread of a node before its own code (`node --import`): writes a line for each collection of its
 * heap to the file that MERIDIAN_BENCH_GC_FILE names. The engine's own `--trace-gc` tells threads apart by an address
 * alone. A thread that collects nothing does nothing here.
 */
import { appendFileSync } from 'node:fs';
import { PerformanceObserver, performance } from 'node:perf_hooks';
import { isMainThread, threadName } from 'node:worker_threads';

export type Collection = {
  readonly thread: string;
  readonly atMs: number;
  readonly durationMs: number;
};

const file = process.env['MERIDIAN_BENCH_GC_FILE'];
if (file !== undefined) {
  const thread = isMainThread ? 'main' : (threadName ?? '');
  const observer = new PerformanceObserver((list) => {
    const lines = list.getEntries().map(({ duration, startTime }) => {
      const collection: Collection = {
        thread,
        atMs: performance.timeOrigin + startTime,
        durationMs: duration,
      };
      return `${JSON.stringify(collection)}\n`;
    });
    appendFileSync(file, lines.join(''));
  });
  observer.observe({ entryTypes: ['gc'] });
}
