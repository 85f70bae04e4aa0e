/** What became of an HTTP soak: its faults, and Markdown tables for docs/BENCHMARKS.md. */
import { median } from './dns-table.ts';
import type { HttpSoakReport, SoakFailure } from './http-soak-clients.ts';
import { markdownTable } from './http-table.ts';
import type { MemorySample } from './memory-watch.ts';

export type HttpSoakResult = {
  readonly report: HttpSoakReport;
  readonly memory: readonly MemorySample[];
  /** When a server died, by `Date.now()`; it came back later. */
  readonly deathsMs: readonly number[];
  /** Milliseconds that each reload took. */
  readonly reloadMs: readonly number[];
  readonly beganMs: number;
};

/** Octets of one stretch of time. */
type Row = {
  readonly atSeconds: number;
  readonly rss: number;
  readonly mainHeap: number;
  readonly mainExternal: number;
  readonly workerHeap: number;
  readonly workerExternal: number;
};

/** The thread that requests go through, by its name. */
const WORKER = /balancer/;
const ROW_MS = 10_000;
/** What was under way on a server that died, and what was sent until that was known. */
const DEATH_MS = 2000;
const EXAMPLES = 5;
/** The rule of a flat memory, below. */
const GROWTH_BYTES_MAX = 16e6;
const GROWTH_SHARE_MAX = 0.08;
/** Fewer rows say nothing of growth. */
const ROWS_MIN = 8;
const QUARTERS = 4;
export const FLAT_RULE = `the median of the last quarter is at most ${GROWTH_SHARE_MAX * 100} % or ${GROWTH_BYTES_MAX / 1e6} MB, whichever is more, above that of the second quarter`;

const FIGURES: readonly { readonly name: string; readonly of: (row: Row) => number }[] = [
  { name: 'resident', of: ({ rss }) => rss },
  { name: 'heap of the worker', of: ({ workerHeap }) => workerHeap },
  { name: 'external of the worker', of: ({ workerExternal }) => workerExternal },
  { name: 'heap of the main thread', of: ({ mainHeap }) => mainHeap },
  { name: 'external of the main thread', of: ({ mainExternal }) => mainExternal },
];

/** What must not be, in words. */
export function httpSoakFaults(result: HttpSoakResult): readonly string[] {
  const { report } = result;
  const unexplained = unexplainedFailures(result);
  const silent = Object.values(report.right).reduce((sum, each) => sum + each, 0) === 0;
  return [
    ...(silent ? ['nothing was answered'] : []),
    ...(report.wrong.length > 0
      ? [`${report.wrong.length} wrong answers: ${inWords(report.wrong)}`]
      : []),
    ...(unexplained.length > 0
      ? [`${unexplained.length} failures while no server died: ${inWords(unexplained)}`]
      : []),
    ...growths(rowsOf(result)),
  ];
}

/** Those that no death of a server was near. */
function unexplainedFailures({ deathsMs, report }: HttpSoakResult): readonly SoakFailure[] {
  return report.failed.filter(
    ({ fromMs, toMs }) =>
      !deathsMs.some((deathMs) => fromMs < deathMs + DEATH_MS && toMs >= deathMs),
  );
}

/** A sentence for each figure that breaks FLAT_RULE. */
function growths(rows: readonly Row[]): readonly string[] {
  if (rows.length < ROWS_MIN) return [];
  const quarter = Math.floor(rows.length / QUARTERS);
  return FIGURES.flatMap(({ name, of }) => {
    const before = median(rows.slice(quarter, 2 * quarter).map(of));
    const after = median(rows.slice(-quarter).map(of));
    const most = Math.max(GROWTH_BYTES_MAX, GROWTH_SHARE_MAX * before);
    if (after - before <= most) return [];
    return [`not flat: ${name} grew from ${megabytes(before)} to ${megabytes(after)} MB`];
  });
}

/** Of each stretch the least heap, which is what is left after a collection, and the most of all else. */
export function rowsOf({ beganMs, memory }: HttpSoakResult): readonly Row[] {
  const groups = Map.groupBy(memory, ({ atMs }) => Math.floor((atMs - beganMs) / ROW_MS));
  return [...groups]
    .filter(([group]) => group >= 0)
    .toSorted(([a], [b]) => a - b)
    .map(([group, samples]) => {
      const main = samples.filter(({ thread }) => thread === 'main');
      const worker = samples.filter(({ thread }) => WORKER.test(thread));
      return {
        atSeconds: ((group + 1) * ROW_MS) / 1000,
        rss: most(samples.map(({ rss }) => rss)),
        mainHeap: least(main.map(({ heapUsed }) => heapUsed)),
        mainExternal: least(main.map(({ external }) => external)),
        workerHeap: least(worker.map(({ heapUsed }) => heapUsed)),
        workerExternal: least(worker.map(({ external }) => external)),
      };
    });
}

export function httpSoakTable(result: HttpSoakResult): readonly string[] {
  const { deathsMs, reloadMs, report } = result;
  const { failed, right, wrong } = report;
  const all = Object.values(right).reduce((sum, each) => sum + each, 0);
  const kinds = Object.entries(right).map(([kind, count]) => `${kind} ${count}`);
  const rows = rowsOf(result);
  const unexplained = unexplainedFailures(result);
  const atDeath = failed.filter((failure) => !unexplained.includes(failure));
  const hasVerdict = rows.length >= ROWS_MIN;
  const isFlat = growths(rows).length === 0;
  return [
    ...markdownTable(
      ['what', 'figure'],
      [
        ['right answers', `${all}: ${kinds.join(', ')}`],
        ['wrong answers', String(wrong.length)],
        [
          'failed while a server died; at other times',
          `${atDeath.length}${atDeath.length > 0 ? ` (${inWords(atDeath)})` : ''}; ${unexplained.length}`,
        ],
        ['deaths of a server', String(deathsMs.length)],
        [
          'reloads, until served, median / max',
          reloadMs.length === 0
            ? 'none'
            : `${reloadMs.length}: ${median(reloadMs).toFixed(1)} / ${Math.max(...reloadMs).toFixed(1)} ms`,
        ],
        [
          `memory is flat: ${FLAT_RULE}`,
          hasVerdict ? (isFlat ? 'yes' : '**no**') : 'too short to tell',
        ],
      ],
    ),
    '',
    ...markdownTable(
      ['after', 'resident MB', 'worker: heap / external MB', 'main thread: heap / external MB'],
      rows.map(({ atSeconds, mainExternal, mainHeap, rss, workerExternal, workerHeap }) => [
        `${atSeconds} s`,
        megabytes(rss),
        `${megabytes(workerHeap)} / ${megabytes(workerExternal)}`,
        `${megabytes(mainHeap)} / ${megabytes(mainExternal)}`,
      ]),
    ),
  ];
}

function inWords(failures: readonly SoakFailure[]): string {
  const counts = new Map<string, number>();
  for (const { kind, what } of failures) {
    const words = `${kind}: ${what}`;
    counts.set(words, (counts.get(words) ?? 0) + 1);
  }
  const often = [...counts].toSorted(([, a], [, b]) => b - a).slice(0, EXAMPLES);
  return often.map(([words, count]) => `${count} ${words}`).join('; ');
}

const least = (values: readonly number[]): number =>
  values.length === 0 ? 0 : Math.min(...values);
const most = (values: readonly number[]): number => (values.length === 0 ? 0 : Math.max(...values));
const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
