import { styleText } from 'node:util';
import type { Sharing } from '../control/control-plane.ts';
import type { CliIo } from './io.ts';

/** How results are written: a table for people, JSON or YAML for programs; and colours, or not. */
export type OutputFormat = 'table' | 'json' | 'yaml';
export const OUTPUT_FORMATS: readonly OutputFormat[] = ['table', 'json', 'yaml'];

export type Style = Parameters<typeof styleText>[0];
export type Paint = (style: Style, text: string) => string;

export type Output = {
  readonly format: OutputFormat;
  /** Colours the text when the terminal wants it; the text says the same without. */
  readonly paint: Paint;
  /** Writes `value` as JSON or YAML, or for people what `text` returns. */
  result(value: unknown, text: () => string): Promise<void>;
};

export function createOutput(
  io: CliIo,
  options: { readonly format: OutputFormat; readonly color: boolean },
): Output {
  const coloured =
    options.color && io.isTTY && (io.env['NO_COLOR'] ?? '') === '' && io.env['TERM'] !== 'dumb';
  const paint: Paint = (style, text) =>
    coloured ? styleText(style, text, { validateStream: false }) : text;
  return {
    format: options.format,
    paint,
    async result(value, text) {
      if (options.format === 'json') io.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
      else if (options.format === 'yaml') io.stdout.write((await import('yaml')).stringify(value));
      else io.stdout.write(text());
    },
  };
}

/** A state with a mark of its own, so that it is told apart without colour. */
export function stateText(state: string, paint: Paint): string {
  const [mark, style] = STATE_MARKS[state] ?? ['?', 'yellow'];
  return paint(style, `${mark} ${state}`);
}

const STATE_MARKS: Readonly<Record<string, readonly [mark: string, style: Style]>> = {
  up: ['+', 'green'],
  here: ['+', 'green'],
  silent: ['?', 'yellow'],
  gone: ['x', 'red'],
  running: ['+', 'green'],
  finished: ['+', 'green'],
  'forced-up': ['+', 'cyan'],
  degraded: ['!', 'yellow'],
  unready: ['=', 'yellow'],
  reduced: ['!', 'yellow'],
  ejected: ['x', 'red'],
  aborted: ['!', 'yellow'],
  starting: ['.', 'yellow'],
  stopped: ['=', 'cyan'],
  drained: ['=', 'cyan'],
  abstains: ['?', 'yellow'],
  unknown: ['?', 'yellow'],
  down: ['x', 'red'],
  frozen: ['!', 'red'],
  dead: ['x', 'red'],
  'forced-down': ['x', 'magenta'],
};

/** `37.5 %`, of a fraction. */
export const percent = (fraction: number): string => `${(fraction * 100).toFixed(1)} %`;

/** `2026-11-20 12:00:00Z`. */
export const timeText = (ms: number): string =>
  new Date(ms)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, 'Z');

/** `1h05m`, `3m20s` or `42s`; the two largest units. */
export function spanText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const [days, hours, minutes] = [86_400, 3600, 60].map((unit) => Math.floor(seconds / unit)) as [
    number,
    number,
    number,
  ];
  const two = (value: number): string => String(value).padStart(2, '0');
  if (days > 0) return `${days}d${two(hours % 24)}h`;
  if (hours > 0) return `${hours}h${two(minutes % 60)}m`;
  if (minutes > 0) return `${minutes}m${two(seconds % 60)}s`;
  return `${seconds}s`;
}

/** A line when what was said has not got beyond the node yet; nothing when all is well. */
export function sharingText(sharing: Sharing | undefined): string {
  return sharing === undefined || sharing.shared ? '' : `Note: it is ${sharing.detail}.\n`;
}

/** A revision of the shared configuration, or that a node goes by its own file. */
export function revisionText(revision: number): string {
  return revision === 0 ? 'own file' : `revision ${revision}`;
}
