import { appendFileSync } from 'node:fs';
import type { Counts } from './referee.ts';

/** What was measured, as a table for people. */
export type Round = Counts & {
  readonly name: string;
  readonly detectMs: number;
  readonly propagateMs: number;
  readonly answersMs: number;
  readonly resolversMs: number | undefined;
  readonly backMs: number;
  readonly resolversBackMs: number | undefined;
  readonly drainMs?: number;
  readonly undrainMs?: number;
};

const COLUMNS = [
  ['detected', 'detectMs'],
  ['told to all', 'propagateMs'],
  ['left the answers', 'answersMs'],
  ['at resolvers', 'resolversMs'],
  ['back', 'backMs'],
  ['at resolvers', 'resolversBackMs'],
  ['a drain', 'drainMs'],
] as const;

/** Median and worst of all rounds, in milliseconds; to the file that LAB_TABLE names, too. */
export function tableOf(title: string, rounds: readonly Round[]): string {
  const names = [...new Set(rounds.map(({ name }) => name))];
  const heads = COLUMNS.map(([head]) => head);
  const lines = [
    `| ${title} | rounds | ${heads.join(' | ')} | answers | wrong | empty |`,
    `|---|---|${heads.map(() => '---').join('|')}|---|---|---|`,
    ...names.map((name) => {
      const mine = rounds.filter((round) => round.name === name);
      const cells = COLUMNS.map(([, key]) => medianAndWorst(mine.map((round) => round[key])));
      const sum = (key: 'asked' | 'wrong' | 'empty'): number =>
        mine.reduce((total, round) => total + round[key], 0);
      return `| ${name} | ${mine.length} | ${cells.join(' | ')} | ${sum('asked')} | ${sum('wrong')} | ${sum('empty')} |`;
    }),
  ];
  const text = `${lines.join('\n')}\n`;
  const file = process.env['LAB_TABLE'];
  if (file !== undefined) appendFileSync(file, `${text}\n`);
  return text;
}

function medianAndWorst(values: readonly (number | undefined)[]): string {
  const known = values.filter((value) => value !== undefined).sort((one, other) => one - other);
  if (known.length === 0) return '';
  const median = known[Math.floor((known.length - 1) / 2)]!;
  const worst = known.at(-1)!;
  return known.length === 1 ? `${median}` : `${median} / ${worst}`;
}
