import { InvalidArgumentError } from 'commander';

/**
 * An instant as people write it at night: `5m`, `-5m`, `5m ago`, `1h30m ago`, an ISO 8601 time as logs
 * have it (UTC when it has no zone), a time of day (`03:12` or `03:12:30`, UTC, the last one that was),
 * or seconds or milliseconds since 1970. Returns milliseconds; throws what commander shows.
 */
export function parseInstant(text: string, nowMs: number): number {
  const trimmed = text.trim();
  const ms =
    readAgo(trimmed, nowMs) ??
    readTimeOfDay(trimmed, nowMs) ??
    readEpoch(trimmed) ??
    readIso(trimmed);
  if (ms !== undefined) return ms;
  throw new InvalidArgumentError(
    'Give a time such as 5m (ago), 03:12, 2026-11-20T03:12:00Z or 1795144320.',
  );
}

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
/** Epochs with more digits than this are milliseconds: ten digits of seconds last until 2286. */
const SECONDS_DIGITS_MAX = 10;

function readAgo(text: string, nowMs: number): number | undefined {
  if (text === 'now') return nowMs;
  const match = /^-?((?:\d{1,9}\s*[smhd]\s*)+)(?:ago)?$/.exec(text);
  if (match === null) return undefined;
  const parts = [...(match[1] ?? '').matchAll(/(\d+)\s*([smhd])/g)];
  return parts.reduce((ms, [, count, unit]) => ms - Number(count) * (UNIT_MS[unit!] ?? 0), nowMs);
}

function readTimeOfDay(text: string, nowMs: number): number | undefined {
  const match = /^([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?Z?$/.exec(text);
  if (match === null) return undefined;
  const [, hours, minutes, seconds] = match;
  const midnight = Math.floor(nowMs / 86_400_000) * 86_400_000;
  const ms =
    midnight + Number(hours) * 3_600_000 + Number(minutes) * 60_000 + Number(seconds ?? 0) * 1000;
  return ms <= nowMs ? ms : ms - 86_400_000;
}

function readEpoch(text: string): number | undefined {
  if (!/^\d{9,14}(\.\d+)?$/.test(text)) return undefined;
  const isSeconds = (text.split('.')[0] ?? '').length <= SECONDS_DIGITS_MAX;
  return isSeconds ? Number(text) * 1000 : Number(text);
}

function readIso(text: string): number | undefined {
  if (!/^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$/i.test(text)) {
    return undefined;
  }
  const iso = text.replace(' ', 'T');
  const hasTime = iso.includes('T');
  const hasZone = hasTime && /(Z|[+-]\d{2}:?\d{2})$/i.test(iso.slice(11));
  const ms = Date.parse(hasTime && !hasZone ? `${iso}Z` : iso);
  return Number.isNaN(ms) ? undefined : ms;
}
