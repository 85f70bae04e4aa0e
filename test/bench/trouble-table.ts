/** The results of the trouble bench as Markdown tables, ready for docs/BENCHMARKS.md. */
import { markdownTable } from './http-table.ts';
import { OUTCOME } from './trouble-clients.ts';
import {
  HALF_FAILS,
  RECOVERY,
  RELOAD,
  SLOW_READERS,
  SLOWLORIS,
  type Trouble,
} from './trouble-scenarios.ts';

const HEAD = [
  'trouble',
  'proxy',
  'failed answers',
  'p50 / p99 / max in ms',
  'p99 before, ms',
  'requests that went to bad servers',
  'left out after',
  'requests at servers per request',
  'resident MB before / after',
  'remarks',
];
const GOAL_HEAD = ['goal', 'proxy', 'measured', 'met'];
/** A machine that lets the clients wait for longer tells of itself. */
const PAUSE_MS = 20;
/** With half of the pool failing. */
const AMPLIFICATION_MAX = 1.2;
const WORDS = new Map<number, string>([
  [OUTCOME.none, 'not ended'],
  [OUTCOME.broken, 'broken off'],
  [OUTCOME.late, 'not answered'],
  [OUTCOME.wrong, 'wrong'],
  [OUTCOME.noRoom, 'not sent'],
]);

export function troubleTable(troubles: readonly Trouble[]): readonly string[] {
  return markdownTable(HEAD, troubles.map(rowOf));
}

function rowOf(trouble: Trouble): readonly string[] {
  const { amplification, badShare, bytes, during, leftOut, p99Before, proxy, scenario } = trouble;
  return [
    scenario,
    proxy,
    percent(during.failed / Math.max(1, during.requests)),
    [during.p50, during.p99, during.max].map(inMs).join(' / '),
    inMs(p99Before),
    badShare === undefined ? '-' : percent(badShare),
    leftOut === undefined ? '-' : inSeconds(leftOut),
    amplification.toFixed(2),
    bytes.map((each) => Math.round(each / 1e6)).join(' / '),
    remarksOf(trouble),
  ];
}

function remarksOf(trouble: Trouble): string {
  const { during, held, longestPauseMs, remarks, repeated, settled } = trouble;
  const failures = [...during.failures].map(
    ([outcome, count]) => `${count} ${WORDS.get(outcome) ?? outcome}`,
  );
  const holders = Object.entries(held).flatMap(([kind, { longestMs, others, well }]) => [
    `${kind}: ${well} well`,
    ...Object.entries(others).map(([what, count]) => `${count} ${what}`),
    ...(longestMs > 0 ? [`longest echo ${inMs(longestMs)} ms`] : []),
  ]);
  return [
    ...failures,
    ...(repeated > 0 ? [`${repeated} asked again on another connection`] : []),
    ...(settled === undefined ? [] : [`p99 settled after ${inSeconds(settled)}`]),
    ...holders,
    ...remarks,
    ...(longestPauseMs < PAUSE_MS
      ? []
      : [`the clients stood still for ${inMs(longestPauseMs)} ms`]),
  ].join('; ');
}

/** A row for each goal that was measured; nothing where there is none. */
export function troubleGoals(troubles: readonly Trouble[]): readonly string[] {
  const rows = troubles.flatMap((trouble): (readonly string[])[] => {
    const { amplification, during, held, proxy, scenario, settled } = trouble;
    const row = (goal: string, measured: string, isMet: boolean): readonly string[] => [
      `${scenario}: ${goal}`,
      proxy,
      measured,
      isMet ? 'yes' : '**no**',
    ];
    const failed = `${during.failed} of ${during.requests} failed`;
    switch (scenario) {
      case HALF_FAILS: {
        // As it is printed: nobody reads a figure that equals the goal as one that misses it.
        const figure = amplification.toFixed(2);
        const goal = `at most ${AMPLIFICATION_MAX} requests at servers per request`;
        return [row(goal, figure, Number(figure) <= AMPLIFICATION_MAX)];
      }
      case RECOVERY: {
        const goal = 'p99 back under twice of before within the slow start';
        return [row(goal, inSeconds(settled ?? 'never'), settled !== 'never')];
      }
      case RELOAD: {
        const lost = Object.values(held).flatMap(({ others }) => Object.entries(others));
        const dropped =
          lost.map(([what, count]) => `${count} ${what}`).join('; ') || 'none dropped';
        const isMet = lost.length === 0 && during.failed === 0;
        return [row('no WebSocket, upload or request is dropped', `${dropped}; ${failed}`, isMet)];
      }
      case SLOWLORIS:
      case SLOW_READERS:
        return [row('no other request fails', failed, during.failed === 0)];
      default:
        return [];
    }
  });
  return rows.length === 0 ? [] : markdownTable(GOAL_HEAD, rows);
}

const percent = (share: number): string => `${(share * 100).toFixed(share < 0.1 ? 2 : 1)} %`;
const inMs = (milliseconds: number): string => milliseconds.toFixed(milliseconds < 10 ? 1 : 0);
const inSeconds = (seconds: number | 'never'): string =>
  seconds === 'never' ? 'never' : `${seconds.toFixed(1)} s`;
