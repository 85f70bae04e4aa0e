/**
 * How long a Retry-After field asks to wait (RFC 9110 section 10.2.3: seconds, or a date in one of the
 * three forms of section 5.6.7), in milliseconds.
 * @param nowMs the wall clock, for dates
 * @returns undefined when it is neither; never more than RETRY_AFTER_MAX_MS
 */
export function parseRetryAfter(value: string, nowMs: number): number | undefined {
  if (value.length > VALUE_MAX_CHARS) return undefined;
  if (/^\d+$/.test(value)) return Math.min(Number(value) * 1000, RETRY_AFTER_MAX_MS);
  const dateMs = parseHttpDate(value, nowMs);
  if (dateMs === undefined) return undefined;
  return Math.min(Math.max(0, dateMs - nowMs), RETRY_AFTER_MAX_MS);
}

/** Nobody is believed for longer than this (linkerd caps it alike). */
export const RETRY_AFTER_MAX_MS = 300_000;

const VALUE_MAX_CHARS = 64;
const MONTHS = 'JanFebMarAprMayJunJulAugSepOctNovDec';
const MONTH = '(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)';
const TIME = '(\\d\\d):(\\d\\d):(\\d\\d)';
const IMF_FIXDATE = new RegExp(`^[A-Z][a-z]{2}, (\\d\\d) ${MONTH} (\\d{4}) ${TIME} GMT$`);
const RFC_850 = new RegExp(`^[A-Z][a-z]{5,8}, (\\d\\d)-${MONTH}-(\\d\\d) ${TIME} GMT$`);
const ASCTIME = new RegExp(`^[A-Z][a-z]{2} ${MONTH} ([ \\d]\\d) ${TIME} (\\d{4})$`);

function parseHttpDate(value: string, nowMs: number): number | undefined {
  const fixed = IMF_FIXDATE.exec(value);
  if (fixed !== null) return instant(fixed[3], fixed[2], fixed[1], fixed.slice(4, 7));
  const rfc850 = RFC_850.exec(value);
  if (rfc850 !== null) {
    const year = fullYear(Number(rfc850[3]), new Date(nowMs).getUTCFullYear());
    return instant(String(year), rfc850[2], rfc850[1], rfc850.slice(4, 7));
  }
  const asctime = ASCTIME.exec(value);
  if (asctime !== null) return instant(asctime[6], asctime[1], asctime[2], asctime.slice(3, 6));
  return undefined;
}

/** A two-digit year more than 50 years ahead is the latest past one with those digits. */
function fullYear(twoDigits: number, thisYear: number): number {
  const year = thisYear - (thisYear % 100) + twoDigits;
  return year > thisYear + 50 ? year - 100 : year;
}

function instant(
  year: string | undefined,
  month: string | undefined,
  day: string | undefined,
  time: readonly string[],
): number | undefined {
  const [hour, minute, second] = [Number(time[0]), Number(time[1]), Number(time[2])];
  // 60 is a leap second.
  if (hour > 23 || minute > 59 || second > 60) return undefined;
  const monthIndex = MONTHS.indexOf(month ?? '') / 3;
  const dayMs = Date.UTC(Number(year), monthIndex, Number(day));
  // The 31st of a month with 30 days would be another day.
  if (new Date(dayMs).getUTCDate() !== Number(day)) return undefined;
  return dayMs + ((hour * 60 + minute) * 60 + second) * 1000;
}
