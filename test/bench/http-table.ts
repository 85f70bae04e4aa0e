/** The results of the HTTP bench as Markdown tables, ready for docs/BENCHMARKS.md. */
import { type Measurement, median, ratioOf } from './dns-table.ts';
import { HAPROXY, NGINX } from './http-peers.ts';

/** The backend, asked without a proxy. */
export const DIRECT = 'direct';

const HEAD = [
  'workload',
  'server',
  'CPU s per million requests, min / median',
  `CPU relative to ${HAPROXY}, median of rounds`,
  `CPU relative to ${NGINX}, median of rounds`,
  'requests/s, median / max',
  'p50 / p99 in ms at this load, median',
  'core used by others, max',
  'core of load generator and backend, max',
  'remarks',
];
const LATENCY_HEAD = [
  'server',
  'p50 / p99 in µs, median',
  'added p50 / p99 in µs, median of rounds',
  'CPU s per million requests, median',
  'remarks',
];

/** One row for each workload and server. */
export function httpTable(
  measured: readonly Measurement[],
  servers: readonly string[],
): readonly string[] {
  const workloads = [...new Set(measured.map(({ workload }) => workload))];
  const rows = workloads.flatMap((workload) => {
    const ofWorkload = measured.filter((each) => each.workload === workload);
    return servers.flatMap((server) => {
      const rounds = ofWorkload.filter((each) => each.server === server);
      return rounds.length === 0 ? [] : [rowOf(rounds, ofWorkload)];
    });
  });
  return markdownTable(HEAD, rows);
}

function rowOf(
  rounds: readonly Measurement[],
  ofWorkload: readonly Measurement[],
): readonly string[] {
  const cpu = rounds.map(cpuOf);
  const rates = rounds.map(({ answersPerSecond }) => answersPerSecond);
  const beside = (name: string): string => {
    const base = ofWorkload.filter(({ server }) => server === name);
    return ratioOf(rounds, base, cpuOf)?.toFixed(2) ?? '-';
  };
  const { server, workload } = rounds[0]!;
  return [
    workload,
    server,
    `${Math.min(...cpu).toFixed(2)} / ${median(cpu).toFixed(2)}`,
    beside(HAPROXY),
    beside(NGINX),
    `${Math.round(median(rates))} / ${Math.round(Math.max(...rates))}`,
    [rounds.map(({ p50 }) => p50), rounds.map(({ p99 }) => p99)]
      .map((each) => (median(each) / 1000).toFixed(2))
      .join(' / '),
    percent(Math.max(...rounds.map(({ othersShare }) => othersShare))),
    percent(Math.max(...rounds.map(({ generatorShare }) => generatorShare))),
    remarksOf(rounds),
  ];
}

/** Of one fixed rate: what each adds to the backend asked directly. */
export function latencyTable(
  measured: readonly Measurement[],
  servers: readonly string[],
): readonly string[] {
  const rows = [DIRECT, ...servers].flatMap((server) => {
    const rounds = measured.filter((each) => each.server === server);
    if (rounds.length === 0) return [];
    const micro = (of: (each: Measurement) => number): string =>
      String(Math.round(median(rounds.map(of))));
    const [p50, p99] = [added(measured, server, p50Of), added(measured, server, p99Of)];
    return [
      [
        server,
        `${micro(p50Of)} / ${micro(p99Of)}`,
        server === DIRECT ? '-' : `${Math.round(p50 ?? NaN)} / ${Math.round(p99 ?? NaN)}`,
        server === DIRECT ? '-' : median(rounds.map(cpuOf)).toFixed(2),
        remarksOf(rounds),
      ],
    ];
  });
  return markdownTable(LATENCY_HEAD, rows);
}

/**
 * Microseconds that a server adds to the backend asked directly, the median of the differences within a round;
 * undefined where one of them was not asked.
 */
export function added(
  measured: readonly Measurement[],
  server: string,
  of: (each: Measurement) => number,
): number | undefined {
  const differences = measured.flatMap((each) => {
    const direct = measured.find(
      ({ round, server: name }) => name === DIRECT && round === each.round,
    );
    return each.server === server && direct !== undefined ? [of(each) - of(direct)] : [];
  });
  return differences.length === 0 ? undefined : median(differences);
}

export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): readonly string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}

/** A row whose requests were not all answered well must say so. */
function remarksOf(rounds: readonly Measurement[]): string {
  const lost = rounds.reduce((sum, each) => sum + each.lost, 0);
  const codes = [...new Set(rounds.map(({ otherCodes }) => otherCodes).filter(Boolean))];
  return [lost > 0 ? `**${lost} errors**` : 'no errors', ...codes].join('; ');
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;
export const cpuOf = ({ cpuPerMillion }: Measurement): number => cpuPerMillion;
export const p50Of = ({ p50 }: Measurement): number => p50;
export const p99Of = ({ p99 }: Measurement): number => p99;
