/** Results as a Markdown table. */
import { FOLLOWED, type Result } from './simulate.ts';

const HEAD = [
  'scenario',
  'rule',
  'mean way, ms',
  'beside the least within capacities',
  'beside the least within what it fills them to',
  'likewise, as far as answers can tell clients apart',
  'requests beyond capacity',
  'largest use of a region',
  'regions felled by overload',
  'changes of answers, per day',
  `seconds until ${FOLLOWED.map((part) => `${part * 100} %`).join(' / ')} had left the lost region`,
  'loads beside the plan',
];

export function resultRows(results: readonly Result[]): readonly string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(HEAD), line(HEAD.map(() => '---')), ...results.map((each) => line(cellsOf(each)))];
}

function cellsOf(result: Result): readonly string[] {
  const { askersMs, changesPerDay, felled, followed, loadError, meanMs, optimumMs, targetMs } =
    result;
  return [
    result.scenario,
    result.rule,
    meanMs.toFixed(1),
    more(meanMs, optimumMs),
    targetMs === undefined ? '' : more(meanMs, targetMs),
    askersMs === undefined ? '' : more(meanMs, askersMs),
    `${(result.overloadShare * 100).toFixed(2)} %`,
    `${Math.round(result.useMax * 100)} %`,
    String(felled),
    changesPerDay.toFixed(1),
    result.scenario === 'loss' ? followed.map((each) => each ?? 'never').join(' / ') : '',
    loadError === undefined ? '' : `${(loadError * 100).toFixed(1)} %`,
  ];
}

function more(ms: number, least: number): string {
  const percent = (ms / least - 1) * 100;
  return `${percent < 0 ? '' : '+'}${percent.toFixed(1)} %`;
}
