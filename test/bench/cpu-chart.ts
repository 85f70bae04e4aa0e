/** The result of a bench as a picture: what an answer or a request costs beside the reference, a bar for each server and workload. */
import { type Measurement, median, ratioOf } from './dns-table.ts';

export type Chart = {
  readonly measured: readonly Measurement[];
  /** In the order to draw. */
  readonly servers: readonly string[];
  readonly reference: string;
  /** What is counted. */
  readonly unit: 'DNS answer' | 'request';
  /** Below the picture: machine, date, command. */
  readonly caption: readonly string[];
};

const WIDTH = 920;
const MARGIN = 24;
const BARS_X = 200;
const BARS_WIDTH = 560;
/** Dearer servers are bars with an open end: else the others could not be told apart. */
const RATIO_MAX = 5;
const ROW = 22;
const BAR = 14;
const GROUP_GAP = 34;
const HEAD = 74;
const CAPTION_ROW = 17;

/** @returns an SVG that suits a light and a dark page */
export function cpuChart({ caption, measured, reference, servers, unit }: Chart): string {
  const workloads = [...new Set(measured.map(({ workload }) => workload))];
  const parts: string[] = [];
  let y = HEAD;
  for (const workload of workloads) {
    const own = measured.filter((each) => each.workload === workload);
    const base = own.filter(({ server }) => server === reference);
    parts.push(text(MARGIN, y + 16, 'ink bold', workload));
    y += ROW + 4;
    const top = y;
    for (const server of servers) {
      const rounds = own.filter((each) => each.server === server);
      const ratio = ratioOf(rounds, base, ({ cpuPerMillion }) => cpuPerMillion);
      if (ratio === undefined) continue;
      const seconds = median(rounds.map(({ cpuPerMillion }) => cpuPerMillion));
      parts.push(...barOf(server, ratio, seconds, y));
      y += ROW;
    }
    parts.push(lineAt(1, top, y));
    y += GROUP_GAP - ROW / 2;
  }
  const lines = caption.map((line, index) =>
    text(MARGIN, y + 10 + index * CAPTION_ROW, 'faint', line),
  );
  const height = y + caption.length * CAPTION_ROW + MARGIN / 2;
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="13">`,
    `<title>CPU time per ${unit} relative to ${escaped(reference)}, by server and workload</title>`,
    STYLE,
    `<rect class="page" width="${WIDTH}" height="${height}" rx="8"/>`,
    text(MARGIN, 32, 'ink bold title', `CPU time per ${unit}, relative to ${reference}`),
    text(
      MARGIN,
      54,
      'faint',
      `User and system time of the whole server, at all that goes; shorter is better. In brackets: CPU seconds per million ${unit}s.`,
    ),
    ...parts,
    ...lines,
    '</svg>',
  ].join('\n')}\n`;
}

const STYLE = `<style>
  .page { fill: #fbfcfd; }
  .ink { fill: #1b2026; }
  .faint { fill: #55606c; font-size: 12px; }
  .bold { font-weight: 600; }
  .title { font-size: 17px; }
  .other { fill: #9fb3c6; }
  .own { fill: #1d5fa8; }
  .floor { fill: none; stroke: #8895a3; stroke-dasharray: 3 2; }
  .line { stroke: #1b2026; stroke-dasharray: 2 3; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #14181d; }
    .ink { fill: #e8edf2; }
    .faint { fill: #a3afbb; }
    .other { fill: #5b6b7b; }
    .own { fill: #5aa2ee; }
    .floor { stroke: #8895a3; }
    .line { stroke: #e8edf2; }
  }
</style>`;

function barOf(server: string, ratio: number, seconds: number, y: number): readonly string[] {
  const isOpen = ratio > RATIO_MAX;
  const end = xOf(Math.min(ratio, RATIO_MAX));
  const kind = server.startsWith('Meridian')
    ? 'own'
    : server.startsWith('echo')
      ? 'floor'
      : 'other';
  const name = server === 'echo' ? 'echo (the kernel alone)' : server;
  const [top, bottom] = [y + (ROW - BAR) / 2, y + (ROW + BAR) / 2];
  const shape = isOpen
    ? `<path class="${kind}" d="M${BARS_X} ${top} H${end} l-6 ${BAR / 4} l6 ${BAR / 4} l-6 ${BAR / 4} l6 ${BAR / 4} H${BARS_X}z"/>`
    : `<rect class="${kind}" x="${BARS_X}" y="${top}" width="${round(end - BARS_X)}" height="${BAR}"/>`;
  const figures = `${ratio.toFixed(2)} (${seconds.toFixed(2)})`;
  return [
    text(BARS_X - 10, bottom - 2, `ink${kind === 'own' ? ' bold' : ''}`, name, 'end'),
    shape,
    // Beyond the line of the reference, which would cross it.
    text(Math.max(end, xOf(1)) + 10, bottom - 2, 'ink', figures),
  ];
}

const xOf = (ratio: number): number => round(BARS_X + (ratio / RATIO_MAX) * BARS_WIDTH);

function lineAt(ratio: number, top: number, bottom: number): string {
  const x = xOf(ratio);
  return `<path class="line" d="M${x} ${top - 2} V${bottom + 2}"/>`;
}

function text(x: number, y: number, kind: string, words: string, anchor = 'start'): string {
  const side = anchor === 'start' ? '' : ` text-anchor="${anchor}"`;
  return `<text class="${kind}" x="${x}" y="${round(y)}"${side}>${escaped(words)}</text>`;
}

function escaped(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

const round = (value: number): number => Math.round(value * 10) / 10;
