import { stripVTControlCharacters } from 'node:util';
import { type Paint, percent, stateText, timeText } from './output.ts';
import { type Column, formatTable } from './table.ts';
import type { TopLine, TopSort, TopView } from './top-view.ts';

/** A view of `meridian top` as lines of text, as many and as long as the terminal holds. */
export type Size = { readonly columns: number; readonly rows: number };

/** Without a bound: for whoever reads what is printed once. */
export const UNBOUNDED: Size = {
  columns: Number.POSITIVE_INFINITY,
  rows: Number.POSITIVE_INFINITY,
};

/** The first lines of it say what a person may do. @param hint the last line, empty = none */
export function topText(
  view: TopView,
  sort: TopSort,
  size: Size,
  paint: Paint,
  hint: string,
): string {
  const tables = tablesOf(view, sort, paint);
  // The first line, one before each table and its heading, the hint.
  const fixed = 1 + 2 * tables.length + (hint === '' ? 0 : 1);
  const lengths = tables.map(({ rows }) => rows.length);
  const most = rowsThatFit(lengths, size.rows - fixed);
  const lines = [
    totalText(view, paint),
    ...tables.flatMap(({ columns, rows }) => ['', ...tableLines(columns, rows, most, paint)]),
    ...(hint === '' ? [] : [paint('dim', hint)]),
  ];
  return lines
    .slice(0, size.rows)
    .map((line) => `${cut(line, size.columns)}\n`)
    .join('');
}

function totalText({ atMs, seconds, total }: TopView, paint: Paint): string {
  const parts = [
    paint('bold', timeText(atMs)),
    `${rateText(total.rate)} requests/s`,
    `${shareText(total.errors)} of 5xx`,
    `${total.active} in flight`,
    `${total.connections} connections`,
    `${bytesText(total.bytesPerSecond)}/s sent`,
  ];
  if (seconds === undefined) parts.push('rates with the next reading');
  return parts.join(', ');
}

type Table = { readonly columns: readonly Column[]; readonly rows: readonly (readonly string[])[] };

function tablesOf(view: TopView, sort: TopSort, paint: Paint): readonly Table[] {
  const routes: Table = {
    columns: columnsOf(['ROUTE', 'LISTENER', 'WHEN'], [...NUMBERS, 'SENT/S'], sort),
    rows: view.routes.map((route) => [
      ...[route.name, route.listener, route.when, ...numbersOf(route, paint)],
      bytesText(route.bytesPerSecond),
    ]),
  };
  const upstreams: Table = {
    columns: columnsOf(['UPSTREAM', 'SERVERS'], [...NUMBERS, 'QUEUED', 'RETRIES/S'], sort),
    rows: view.upstreams.map((upstream) => [
      ...[upstream.name, serversText(upstream.serversUp, upstream.serversTotal, paint)],
      ...numbersOf(upstream, paint),
      ...[String(upstream.queued), rateText(upstream.retryRate)],
    ]),
  };
  const servers: Table = {
    columns: columnsOf(['SERVER', 'UPSTREAM', 'STATE'], NUMBERS, sort),
    rows: view.servers.map((server) => [
      ...[server.name, server.upstream, serverState(server.state, paint)],
      ...numbersOf(server, paint),
    ]),
  };
  return [routes, upstreams, servers].filter(({ rows }) => rows.length > 0);
}

const NUMBERS = ['REQ/S', 'ERRORS', 'P50', 'P99', 'ACTIVE'];
const SORTED: Readonly<Record<TopSort, string>> = {
  rate: 'REQ/S',
  errors: 'ERRORS',
  p50: 'P50',
  p99: 'P99',
  active: 'ACTIVE',
  name: '',
};

function columnsOf(words: readonly string[], numbers: readonly string[], sort: TopSort): Column[] {
  const marked = (title: string): string => (title === SORTED[sort] ? `${title}*` : title);
  return [
    ...words.map((title, place) => ({
      title: sort === 'name' && place === 0 ? `${title}*` : title,
    })),
    ...numbers.map((title): Column => ({ title: marked(title), align: 'right' })),
  ];
}

const numbersOf = (line: TopLine, paint: Paint): readonly string[] => [
  rateText(line.rate),
  (line.errors ?? 0) > 0 ? paint('red', shareText(line.errors)) : shareText(line.errors),
  msText(line.p50Ms),
  msText(line.p99Ms),
  String(line.active),
];

const serversText = (up: number, total: number, paint: Paint): string => {
  const text = `${up} of ${total} up`;
  return up < total ? paint(up === 0 ? 'red' : 'yellow', text) : text;
};

const serverState = (state: string, paint: Paint): string =>
  state === 'ejected' ? paint('red', '! ejected') : stateText(STATES[state] ?? state, paint);
/** What people say of a server is shown like what is said of regions. */
const STATES: Readonly<Record<string, string>> = { drain: 'drained', maintenance: 'stopped' };

function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  most: number,
  paint: Paint,
): readonly string[] {
  const isCut = rows.length > most;
  const shown = isCut ? rows.slice(0, Math.max(0, most - 1)) : rows;
  const lines = formatTable(columns, shown, (heading) => paint('bold', heading)).split('\n');
  return [...lines.slice(0, -1), ...(isCut ? [`… ${rows.length - shown.length} more`] : [])];
}

/** How many rows each table may have so that all together are no more than `available`. */
function rowsThatFit(lengths: readonly number[], available: number): number {
  let most = Math.max(1, ...lengths);
  const needed = (): number => lengths.reduce((all, length) => all + Math.min(length, most), 0);
  while (most > 1 && needed() > available) most -= 1;
  return most;
}

/** A coloured line that is too long loses its colours. */
function cut(line: string, columns: number): string {
  const plain = stripVTControlCharacters(line);
  const characters = [...plain];
  return characters.length <= columns ? line : characters.slice(0, columns).join('');
}

function rateText(rate: number | undefined): string {
  if (rate === undefined) return '-';
  return rate < 10 ? rate.toFixed(1) : String(Math.round(rate));
}

const shareText = (share: number | undefined): string =>
  share === undefined ? '-' : percent(share);

/** `0.4ms`, `12ms`, `1.2s`. */
export function msText(ms: number | undefined): string {
  if (ms === undefined) return '-';
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)}s`;
  return ms < 10 ? `${ms.toFixed(1)}ms` : `${Math.round(ms)}ms`;
}

/** In powers of 1000. */
export function bytesText(bytes: number | undefined): string {
  if (bytes === undefined) return '-';
  let [value, unit] = [bytes, 0];
  while (value >= 999.5 && unit < UNITS.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}
const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];
