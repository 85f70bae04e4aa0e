/** Times of the week, in the local time of a place: when a part of a policy is in force. */

export type TimeWindow = {
  /** 0 = Sunday to 6 = Saturday: the days on which it begins; [] = every day. */
  readonly days: readonly number[];
  /** Minutes after midnight; an end at or before the beginning is on the next day. */
  readonly fromMinute: number;
  readonly toMinute: number;
  /** IANA time zone. */
  readonly zone: string;
};

const MINUTE_MS = 60_000;
const DAY_MINUTES = 1440;
const WEEK_DAYS = 7;
/** Clocks of time zones change by half an hour at least, at minutes that are multiples of this. */
const STEP_MINUTES = 15;

/**
 * Whether one of the windows is open, and until when that stays so: milliseconds since the epoch, at most a day
 * ahead, for who asks then asks again.
 * @param nowMs undefined = outside of all of them, for ever
 */
export function windowAt(
  windows: readonly TimeWindow[],
  nowMs: number | undefined,
): { readonly isOpen: boolean; readonly untilMs: number } {
  if (nowMs === undefined) return { isOpen: false, untilMs: Number.POSITIVE_INFINITY };
  const isOpen = windows.some((window) => isOpenAt(window, nowMs));
  const untilMs = Math.min(...windows.map((window) => nextEdge(window, nowMs)));
  return { isOpen, untilMs };
}

function isOpenAt({ days, fromMinute, toMinute, zone }: TimeWindow, atMs: number): boolean {
  const { day, minute } = localTime(zone, atMs);
  const isOn = (which: number): boolean => days.length === 0 || days.includes(which);
  if (fromMinute < toMinute) return isOn(day) && minute >= fromMinute && minute < toMinute;
  const before = (day + WEEK_DAYS - 1) % WEEK_DAYS;
  return (isOn(day) && minute >= fromMinute) || (isOn(before) && minute < toMinute);
}

/**
 * When the window could open or close next: the next minute of its edges on the local clock, or the next change
 * of that clock, whichever comes first.
 */
function nextEdge({ fromMinute, toMinute, zone }: TimeWindow, nowMs: number): number {
  const { minute } = localTime(zone, nowMs);
  const startOfMinute = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS;
  const ahead = [fromMinute, toMinute].map(
    (edge) => ((edge - minute + DAY_MINUTES - 1) % DAY_MINUTES) + 1,
  );
  const edgeMs = startOfMinute + Math.min(...ahead) * MINUTE_MS;
  return Math.min(edgeMs, clockChangeMs(zone, startOfMinute, edgeMs));
}

/** The first multiple of STEP_MINUTES at which the zone's offset is another; Infinity when there is none before. */
function clockChangeMs(zone: string, fromMs: number, toMs: number): number {
  const offset = offsetMinutes(zone, fromMs);
  if (offsetMinutes(zone, toMs) === offset) return Number.POSITIVE_INFINITY;
  const step = STEP_MINUTES * MINUTE_MS;
  for (let at = Math.ceil(fromMs / step) * step; at <= toMs; at += step) {
    if (offsetMinutes(zone, at) !== offset) return at;
  }
  return Number.POSITIVE_INFINITY;
}

function offsetMinutes(zone: string, atMs: number): number {
  const { day, minute } = localTime(zone, atMs);
  const utc = new Date(atMs);
  const utcMinute = utc.getUTCHours() * 60 + utc.getUTCMinutes();
  const days = ((day - utc.getUTCDay() + WEEK_DAYS + 3) % WEEK_DAYS) - 3;
  return days * DAY_MINUTES + minute - utcMinute;
}

export function isTimeZone(zone: string): boolean {
  try {
    return clockOf(zone) !== undefined;
  } catch {
    return false;
  }
}

/** The day of the week and the minute of the day that clocks in the zone show. */
function localTime(zone: string, atMs: number): { readonly day: number; readonly minute: number } {
  const parts = clockOf(zone).formatToParts(atMs);
  const read = (type: Intl.DateTimeFormatPartTypes): string =>
    parts.find((part) => part.type === type)?.value ?? '';
  const minute = (Number(read('hour')) % 24) * 60 + Number(read('minute'));
  return { day: WEEKDAYS.indexOf(read('weekday')), minute };
}

const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const clocks = new Map<string, Intl.DateTimeFormat>();

function clockOf(zone: string): Intl.DateTimeFormat {
  const known = clocks.get(zone);
  if (known !== undefined) return known;
  const hourly = {
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  } as const;
  const clock = new Intl.DateTimeFormat('en-US', { ...hourly, timeZone: zone });
  clocks.set(zone, clock);
  return clock;
}
