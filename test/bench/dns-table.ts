/** The result of the DNS bench as a Markdown table, ready for docs/BENCHMARKS.md. */
import type { Agreement } from './dns-agreement.ts';

export type Measurement = {
  /** What is asked, and how fast. */
  readonly workload: string;
  readonly server: string;
  /** Servers are compared within a round: what disturbs the machine then disturbs both. */
  readonly round: number;
  /** When it began and ended, by the clock of `performance.timeOrigin`. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly answersPerSecond: number;
  /** CPU seconds, user and system, of the whole server process for a million answers. */
  readonly cpuPerMillion: number;
  readonly lost: number;
  readonly otherCodes: string;
  /** Microseconds, at this load. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  /** Share of the server's core that anything else took: interrupts, neighbours, the hypervisor. */
  readonly othersShare: number;
  /** How busy the load generator was at most, see LoadReport. */
  readonly generatorShare: number;
};

/** As many queries as get answers; half of what each server has reached; and rates that are the same for all. */
export const MOST = 'all that goes';
export const HALF = 'half of it';
export const FIXED_RATES = [20_000, 50_000, 100_000];
export const rateLoad = (rate: number): string => `${rate / 1000}k a second`;
/** What is asked, and how fast. */
export const loadName = (workload: string, load: string): string => `${workload}, ${load}`;

const HEAD = [
  'workload',
  'server',
  'CPU s per million, min / median',
  'CPU relative to the reference, median of rounds',
  'answers/s, median / max',
  'p50 / p99 / p99.9 in µs at this load, median',
  'p99 relative to the reference, median of rounds',
  'core used by others, max',
  'load generator, share of its core, max',
  'remarks',
];

/** One row for each workload and server; ratios are to the server named `reference`. */
export function resultTable(
  measured: readonly Measurement[],
  servers: readonly string[],
  reference: string,
): readonly string[] {
  const workloads = [...new Set(measured.map(({ workload }) => workload))];
  const rows = workloads.flatMap((workload) => {
    const ofWorkload = measured.filter((each) => each.workload === workload);
    const base = ofWorkload.filter(({ server }) => server === reference);
    return servers.flatMap((server) => {
      const rounds = ofWorkload.filter((each) => each.server === server);
      return rounds.length === 0 ? [] : [resultRow(rounds, base)];
    });
  });
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const head = HEAD.map((cell) => cell.replace('the reference', reference));
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}

/** How far two servers agree, as a sentence. */
export function agreementLine(workload: string, { asked, same, sameScope }: Agreement): string {
  const scope = /^(steered-ecs|cookies)/.test(workload)
    ? `, ${sameScope} with the same client subnet scope`
    : '';
  return `same answers, ${workload}: ${same} of ${asked} queries${scope}`;
}

function resultRow(
  rounds: readonly Measurement[],
  base: readonly Measurement[],
): readonly string[] {
  const cpu = rounds.map(({ cpuPerMillion }) => cpuPerMillion);
  const rates = rounds.map(({ answersPerSecond }) => answersPerSecond);
  const { server, workload } = rounds[0]!;
  return [
    workload,
    server,
    `${Math.min(...cpu).toFixed(2)} / ${median(cpu).toFixed(2)}`,
    ratioOf(rounds, base, ({ cpuPerMillion }) => cpuPerMillion)?.toFixed(2) ?? '-',
    `${thousands(median(rates))} / ${thousands(Math.max(...rates))}`,
    [rounds.map(({ p50 }) => p50), rounds.map(({ p99 }) => p99), rounds.map(({ p999 }) => p999)]
      .map((each) => Math.round(median(each)))
      .join(' / '),
    ratioOf(rounds, base, ({ p99 }) => p99)?.toFixed(2) ?? '-',
    percent(Math.max(...rounds.map(({ othersShare }) => othersShare))),
    percent(Math.max(...rounds.map(({ generatorShare }) => generatorShare))),
    remarksOf(rounds),
  ];
}

/**
 * How much more one takes than another, the median of what it was in each round; undefined where the other has not
 * been asked the same.
 */
export function ratioOf(
  rounds: readonly Measurement[],
  base: readonly Measurement[],
  of: (each: Measurement) => number,
): number | undefined {
  const ratios = rounds.flatMap((each) => {
    const other = base.find(({ round }) => round === each.round);
    return other === undefined ? [] : [of(each) / of(other)];
  });
  return ratios.length === 0 ? undefined : median(ratios);
}

/** A row whose queries were not all answered well must say so. */
function remarksOf(rounds: readonly Measurement[]): string {
  const lost = rounds.reduce((sum, each) => sum + each.lost, 0);
  const codes = [...new Set(rounds.map(({ otherCodes }) => otherCodes).filter(Boolean))];
  return [lost > 0 ? `**${lost} queries lost**` : 'none lost', ...codes].join('; ');
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function thousands(perSecond: number): string {
  return `${Math.round(perSecond / 1000)}k`;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
