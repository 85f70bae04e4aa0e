/** What Meridian is meant to cost beside the other proxies, and whether it did, as a Markdown table. */
import { type Measurement, ratioOf } from './dns-table.ts';
import type { IdleMemory } from './http-idle.ts';
import { NODE_PEER_NAMES } from './http-node-peers.ts';
import { HAPROXY, MERIDIAN, NGINX, PORTABLE } from './http-peers.ts';
import { added, cpuOf, markdownTable, p50Of, p99Of } from './http-table.ts';
import { CLOSE, GET_1M, GET_16K, GET_64, GET_256 } from './http-workload.ts';

/** The cheapest of them in each round. */
const BEST_NODE = 'the best Node proxy';

/** Of the CPU time of another; the first figure is for io_uring, the second for the portable engine. */
const CPU_GOALS: readonly {
  readonly workload: string;
  readonly beside: readonly string[];
  readonly max: readonly [number, number];
}[] = [
  { workload: GET_64, beside: [HAPROXY, NGINX], max: [1, 1.3] },
  { workload: GET_256, beside: [HAPROXY, NGINX], max: [1, 1.3] },
  { workload: GET_16K, beside: [HAPROXY, NGINX], max: [0.9, 1.1] },
  { workload: GET_1M, beside: [HAPROXY, NGINX], max: [0.7, 1.1] },
  { workload: CLOSE, beside: [HAPROXY, NGINX], max: [1.2, 1.8] },
  { workload: GET_64, beside: [BEST_NODE], max: [0.45, 0.6] },
  { workload: GET_256, beside: [BEST_NODE], max: [0.45, 0.6] },
];
const ADDED_P50_MICROSECONDS_MAX = 200;
const ADDED_P99_MICROSECONDS_MAX = 1000;
const ADDED_P99_OF_HAPROXY_MAX = 2;
const IDLE_BYTES_MAX = [1024, 3072] as const;
const ENGINES = [MERIDIAN, PORTABLE] as const;

type Row = readonly [goal: string, measured: string, met: string];

const HEAD = ['goal', 'measured, median of rounds (minimum by minimum)', 'met'];

export type HttpResults = {
  readonly loads: readonly Measurement[];
  /** At the fixed rate. */
  readonly steady: readonly Measurement[];
  readonly idle: readonly IdleMemory[];
};

/** A row for each goal of which both servers were measured; nothing at all where there is none. */
export function httpGoalTable({ idle, loads, steady }: HttpResults): readonly string[] {
  const rows = [
    ...ENGINES.flatMap((server, engine) => [
      ...CPU_GOALS.flatMap(({ beside, max, workload }) => {
        const asked = loads.filter((each) => each.workload === workload);
        return beside.flatMap((other) => cpuRow(asked, server, other, max[engine]!));
      }),
      ...latencyRows(steady, server),
      ...idle.flatMap((each) =>
        each.server === server ? [idleRow(each, IDLE_BYTES_MAX[engine]!)] : [],
      ),
    ]),
  ];
  return rows.length === 0 ? [] : markdownTable(HEAD, rows);
}

/** None or one. */
function cpuRow(
  asked: readonly Measurement[],
  server: string,
  beside: string,
  max: number,
): readonly Row[] {
  const own = asked.filter((each) => each.server === server);
  const others =
    beside === BEST_NODE ? cheapestNode(asked) : asked.filter((each) => each.server === beside);
  // The goal is for the ratio within a round, where both met the same disturbance.
  const ratio = ratioOf(own, others, cpuOf);
  if (ratio === undefined) return [];
  const minima = Math.min(...own.map(cpuOf)) / Math.min(...others.map(cpuOf));
  const goal = `CPU of ${server}, ${own[0]!.workload}: at most ${max.toFixed(2)} of ${beside}`;
  return [[goal, `${ratio.toFixed(2)} (${minima.toFixed(2)})`, met(Number(ratio.toFixed(2)), max)]];
}

/** The cheapest proxy on Node of each round. */
function cheapestNode(asked: readonly Measurement[]): readonly Measurement[] {
  const rounds = Map.groupBy(
    asked.filter(({ server }) => NODE_PEER_NAMES.includes(server)),
    ({ round }) => round,
  );
  return [...rounds.values()].map((each) => each.toSorted((a, b) => cpuOf(a) - cpuOf(b))[0]!);
}

function latencyRows(steady: readonly Measurement[], server: string): readonly Row[] {
  const [p50, p99] = [added(steady, server, p50Of), added(steady, server, p99Of)];
  if (p50 === undefined || p99 === undefined) return [];
  const row = (name: string, value: number, max: number): Row => [
    `${name} that ${server} adds: under ${max / 1000} ms`,
    `${(value / 1000).toFixed(3)} ms`,
    value < max ? 'yes' : '**no**',
  ];
  const rows = [
    row('p50', p50, ADDED_P50_MICROSECONDS_MAX),
    row('p99', p99, ADDED_P99_MICROSECONDS_MAX),
  ];
  const other = added(steady, HAPROXY, p99Of);
  // Where HAProxy was not slower than nothing at all, noise is all that was measured.
  if (other === undefined || other <= 0) return rows;
  const ratio = Number((p99 / other).toFixed(2));
  const goal = `p99 that ${server} adds: at most ${ADDED_P99_OF_HAPROXY_MAX} of what ${HAPROXY} adds`;
  return [...rows, [goal, ratio.toFixed(2), met(ratio, ADDED_P99_OF_HAPROXY_MAX)]];
}

function idleRow({ perConnectionBytes, server }: IdleMemory, max: number): Row {
  return [
    `memory of ${server} per idle connection: at most ${max / 1024} KiB`,
    `${(perConnectionBytes / 1024).toFixed(2)} KiB`,
    met(perConnectionBytes, max),
  ];
}

/** As printed: nobody reads a figure that equals the goal as one that misses it. */
const met = (value: number, max: number): string => (value <= max ? 'yes' : '**no**');
