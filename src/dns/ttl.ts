/** Times to live and other spans of a zone, in seconds. */

/** Largest TTL (RFC 2181 8). */
export const TTL_SECONDS_MAX = 0x7fffffff;

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** Seconds as master files write them: `300`, or with units as BIND does, `1h30m`; undefined = neither. */
export function parseTtl(text: string, max = TTL_SECONDS_MAX): number | undefined {
  if (!/^([0-9]{1,10}[smhdw])+$|^[0-9]{1,10}$/i.test(text)) return undefined;
  let seconds = 0;
  for (const [, digits, unit] of text.matchAll(/([0-9]+)([a-z]?)/gi)) {
    seconds += Number(digits) * UNITS[unit!.toLowerCase() || 's']!;
  }
  return seconds <= max ? seconds : undefined;
}
