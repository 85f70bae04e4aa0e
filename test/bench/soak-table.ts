/** What became of a soak: its faults, and a Markdown table for docs/BENCHMARKS.md. */
import { inCollections, isOfDataWorker } from './collections.ts';
import { median } from './dns-table.ts';
import type { Collection } from './gc-watch.ts';
import { explainedBy, overlapping, type Pause, type Span } from './pauses.ts';
import type { SoakReport } from './soak-generator.ts';

/** Something that was asked of the node, and when it had done it. */
export type Change = { readonly fromMs: number; readonly toMs: number };

export type SoakResult = {
  readonly report: SoakReport;
  readonly flips: readonly (Change & { readonly isWell: boolean })[];
  readonly reloads: readonly Change[];
  readonly memory: readonly { readonly atMs: number; readonly bytes: number }[];
  readonly collections: readonly Collection[];
  readonly beganMs: number;
  readonly cpuSeconds: number;
  /** Names without an answer in the end. */
  readonly gone: number;
};

/** Until then code is compiled and heaps find their size: a tenth, and a minute at most. */
const WARM_UP_SHARE = 0.1;
const WARM_UP_MS_MAX = 60_000;
/** Beyond this an answer is of a region that has been gone too long. */
const STALE_MS = 1000;

/** What must not be, in words. */
export function soakFaults(result: SoakResult): readonly string[] {
  const { gone, report } = result;
  const stale = staleFlips(result).filter((flip) => !wasBusy(report, flip));
  return [
    ...(report.wrong > 0 ? [`${report.wrong} wrong answers: ${report.examples.join('; ')}`] : []),
    ...(gone > 0 ? [`${gone} names have no answer in the end`] : []),
    ...(report.answered === 0 ? ['nothing was answered'] : []),
    ...(stale.length > 0
      ? [`${stale.length} flips were not seen within ${STALE_MS} ms, on a machine that was in time`]
      : []),
  ];
}

/** Those after which answers were as before for too long. */
function staleFlips({ flips, report }: SoakResult): readonly Change[] {
  const delays = flipDelays(flips, report);
  return flips.filter((_, index) => (delays[index] ?? STALE_MS) >= STALE_MS);
}

/** Whether clients or echo, who need nothing of the node, were late in the second after it. */
function wasBusy({ echoPauses, ownPauses }: SoakReport, { fromMs }: Change): boolean {
  return [...echoPauses, ...ownPauses].some(
    (pause) => pause.fromMs < fromMs + STALE_MS && pause.toMs > fromMs,
  );
}

export function soakTable(result: SoakResult): readonly string[] {
  const { collections, cpuSeconds, flips, gone, reloads, report } = result;
  const stale = staleFlips(result);
  const seen = flipDelays(flips, report).filter((delayMs) => delayMs !== undefined);
  const reloadMs = reloads.map(({ fromMs, toMs }) => toMs - fromMs);
  const warmMs = warmUpMs(report);
  const since = collections.filter(({ atMs }) => atMs >= result.beganMs + warmMs);
  const before = collections.filter((each) => isOfDataWorker(each) && !since.includes(each));
  const others = since.filter((each) => !isOfDataWorker(each));
  const rows: readonly Row[] = [
    ['answers', `${report.answered}, ${Math.round(report.answered / report.seconds)} a second`],
    ['wrong answers', `${report.wrong}`],
    ['names without an answer in the end', `${gone} of 1000 and of the steered one`],
    ['lost queries', `${report.lost}, of which ${report.late} were answered after a second`],
    ['CPU s per million answers, the whole node', perMillion(cpuSeconds, report.answered)],
    [
      'flips, until the last answer of before, median / max',
      `${flips.length}: ${inMs(median(seen))} / ${inMs(Math.max(...seen))}`,
    ],
    [
      `of these not seen within ${STALE_MS} ms; of these, while the machine was in time`,
      `${stale.length}; ${stale.filter((each) => !wasBusy(report, each)).length}`,
    ],
    [
      'reloads, until served, median / max',
      `${reloads.length}: ${inMs(median(reloadMs))} / ${inMs(Math.max(...reloadMs))}`,
    ],
    [
      `collections in the data worker after the first ${Math.round(warmMs / 1000)} s`,
      inCollections(since.filter(isOfDataWorker)),
    ],
    ['in the data worker before', inCollections(before)],
    ['in all other threads meanwhile', inCollections(others)],
    [
      'latency p50 / p99 / p99.9 / max',
      `${[report.p50, report.p99, report.p999].map((each) => `${Math.round(each)} µs`).join(' / ')} / ${inMs(report.maxMs)}`,
    ],
    ...pauseRows(result),
    ...memoryRows(result),
  ];
  return tableOf(rows);
}

const warmUpMs = ({ seconds }: SoakReport): number =>
  Math.min(WARM_UP_MS_MAX, seconds * 1000 * WARM_UP_SHARE);

/**
 * Of each flip, the time from its request to the last answer as before; undefined when the new one was not seen
 * before the next flip.
 */
function flipDelays(
  flips: SoakResult['flips'],
  { turns }: SoakReport,
): readonly (number | undefined)[] {
  return flips.map(({ fromMs, isWell }, index) => {
    const endMs = flips[index + 1]?.fromMs ?? Number.POSITIVE_INFINITY;
    const within = turns.filter(([atMs]) => atMs >= fromMs && atMs < endMs);
    const last = within.at(-1);
    return last === undefined || last[1] !== (isWell ? 1 : 0) ? undefined : last[0] - fromMs;
  });
}

/**
 * Whose they were: where several were late, it was what all of them need. But the echo shares the core with the whole
 * node, so whatever the node does can delay both: what meets a collection, a flip or a reload is never the machine's.
 */
function pauseRows(result: SoakResult): readonly Row[] {
  const { echoAnswered, echoMaxMs, echoPauses, ownPauses, pauses } = result.report;
  const byClient = explainedBy(pauses, ownPauses);
  const others = pauses.filter((pause) => !byClient.has(pause));
  const withEcho = explainedBy(others, echoPauses);
  const atWork = overlapping(withEcho, workOf(result));
  const alone = others.filter((pause) => !withEcho.has(pause));
  const machine = [...withEcho].filter((pause) => !atWork.has(pause));
  return [
    [
      "pauses above 10 ms, the node's own: the echo was in time, or the node collected, flipped or reloaded",
      inPauses([...alone, ...atWork]),
    ],
    ['of these, while the echo was late too', inPauses([...atWork])],
    ['pauses while the echo was late too, and the node did none of these', inPauses(machine)],
    ['pauses while the clients themselves did not run', inPauses([...byClient])],
    [
      'the echo, same core and clients: pauses above 10 ms; max',
      `${inPauses(echoPauses)}; ${inMs(echoMaxMs)} of ${echoAnswered} answers`,
    ],
    ['how often the machine itself is late, without the node', '`npm run soak -- --control`'],
  ];
}

/** When the node did more than answer, in whichever of its threads. */
function workOf({ collections, flips, reloads }: SoakResult): readonly Span[] {
  const collecting = collections.map(({ atMs, durationMs }) => ({
    fromMs: atMs,
    toMs: atMs + durationMs,
  }));
  return [...collecting, ...flips, ...reloads];
}

/** Of the echo alone on its core: what the machine does to whoever runs there. */
export function controlTable(report: SoakReport): readonly string[] {
  const { echoAnswered, echoMaxMs, echoPauses, ownPauses, seconds } = report;
  const byClient = explainedBy(echoPauses, ownPauses);
  const machine = echoPauses.filter((pause) => !byClient.has(pause));
  const lateMs = machine.reduce((sum, { longestMs }) => sum + longestMs, 0);
  return tableOf([
    ['answers of the echo, alone on its core', `${echoAnswered}`],
    [
      'pauses above 10 ms while the clients were in time',
      `${inPauses(machine)}; ${perMinute(machine.length, seconds)} a minute`,
    ],
    ['of these, the longest waits together', inMs(lateMs)],
    ['pauses while the clients themselves did not run', inPauses([...byClient])],
    ['longest wait of all', inMs(echoMaxMs)],
  ]);
}

type Row = readonly [what: string, figure: string];

function tableOf(rows: readonly Row[]): readonly string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(['what', 'figure']), line(['---', '---']), ...rows.map(line)];
}

function memoryRows({ memory }: SoakResult): readonly Row[] {
  const [first, last] = [memory[0], memory.at(-1)];
  if (first === undefined || last === undefined) return [];
  const settled = memory.slice(Math.floor(memory.length / 4));
  const most = Math.max(...memory.map(({ bytes }) => bytes));
  return [
    [
      'resident memory, first / last / max',
      [first.bytes, last.bytes, most].map(megabytes).join(' / '),
    ],
    [
      'its slope over the last three quarters',
      `${(slopePerMs(settled) * 60_000 * 1e-6).toFixed(2)} MB a minute`,
    ],
  ];
}

/** Least squares. */
function slopePerMs(samples: SoakResult['memory']): number {
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const [atMs, bytes] = [
    mean(samples.map((each) => each.atMs)),
    mean(samples.map((each) => each.bytes)),
  ];
  let [both, own] = [0, 0];
  for (const each of samples) {
    both += (each.atMs - atMs) * (each.bytes - bytes);
    own += (each.atMs - atMs) ** 2;
  }
  return own === 0 ? 0 : both / own;
}

function inPauses(pauses: readonly Pause[]): string {
  if (pauses.length === 0) return 'none';
  return `${pauses.length}, longest ${inMs(Math.max(...pauses.map(({ longestMs }) => longestMs)))}`;
}

const inMs = (milliseconds: number): string => `${milliseconds.toFixed(1)} ms`;
const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
const perMillion = (seconds: number, count: number): string => ((seconds / count) * 1e6).toFixed(2);
const perMinute = (count: number, seconds: number): string => ((count / seconds) * 60).toFixed(1);
