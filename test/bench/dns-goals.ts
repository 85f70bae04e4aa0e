/** What Meridian is meant to cost beside the others, and whether it did, as a Markdown table. */
import {
  FIXED_RATES,
  HALF,
  loadName,
  type Measurement,
  MOST,
  rateLoad,
  ratioOf,
} from './dns-table.ts';

type Goal = {
  readonly workload: string;
  readonly load: string;
  /** Which Meridian; the plain one unless said. */
  readonly server?: string;
  readonly beside: string;
  readonly figure: 'CPU' | 'p99';
  readonly max: number;
};

const CPU = { workload: 'steered-ecs', load: MOST, figure: 'CPU' } as const;

export const GOALS: readonly Goal[] = [
  { ...CPU, beside: 'gdnsd', max: 1 },
  { ...CPU, beside: 'Knot geoip', max: 0.8 },
  { ...CPU, beside: 'PowerDNS geoip', max: 0.3 },
  { ...CPU, beside: 'echo', max: 1.15 },
  ...FIXED_RATES.map((rate) => ({ ...CPU, load: rateLoad(rate), beside: 'gdnsd', max: 1.1 })),
  { ...CPU, workload: 'static', beside: 'gdnsd', max: 1.05 },
  { ...CPU, workload: 'static', beside: 'NSD', max: 1 },
  { ...CPU, server: 'Meridian portable', beside: 'gdnsd', max: 2.2 },
  { workload: 'steered-ecs', load: HALF, beside: 'gdnsd', figure: 'p99', max: 1.2 },
];

const HEAD = ['goal', 'measured, median of rounds (minimum by minimum)', 'met'];

/** A row for each goal of which both servers were measured; nothing at all where there is none. */
export function goalTable(measured: readonly Measurement[]): readonly string[] {
  const rows = GOALS.flatMap((goal) => {
    const row = goalRow(goal, measured);
    return row === undefined ? [] : [row];
  });
  if (rows.length === 0) return [];
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(HEAD), line(HEAD.map(() => '---')), ...rows.map(line)];
}

function goalRow(goal: Goal, measured: readonly Measurement[]): readonly string[] | undefined {
  const { beside, figure, load, max, server = 'Meridian', workload } = goal;
  const of = figure === 'CPU' ? cpuOf : p99Of;
  const asked = measured.filter((each) => each.workload === loadName(workload, load));
  const own = asked.filter((each) => each.server === server);
  const others = asked.filter((each) => each.server === beside);
  // The goal is for the ratio within a round, where both met the same disturbance.
  const ratio = ratioOf(own, others, of);
  if (ratio === undefined) return undefined;
  const minima = Math.min(...own.map(of)) / Math.min(...others.map(of));
  return [
    `${figure} of ${server}, ${workload}, ${load}: at most ${max.toFixed(2)} of ${beside}`,
    `${ratio.toFixed(2)} (${minima.toFixed(2)})`,
    // As printed: nobody reads a figure that equals the goal as one that misses it.
    Number(ratio.toFixed(2)) <= max ? 'yes' : '**no**',
  ];
}

const cpuOf = ({ cpuPerMillion }: Measurement): number => cpuPerMillion;
const p99Of = ({ p99 }: Measurement): number => p99;
