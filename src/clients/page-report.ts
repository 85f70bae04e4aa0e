/**
 * What a page says of the ways to regions: `frankfurt=12.3&singapore=180.5`, milliseconds. Anybody may send anything:
 * it is a report, whole and within bounds, or it is none.
 */
import { RTT_MS_MAX } from './rtt-collector.ts';

export type PageReading = { readonly region: string; readonly rttMs: number };

export const REPORT_LENGTH_MAX = 1024;
/** A shorter way is none to a browser. */
const RTT_MS_MIN = 0.1;
const NUMBER = /^\d{1,4}(\.\d{1,3})?$/;

/** @param regions those that there are. Undefined = it is no report. */
export function readPageReport(
  text: string,
  regions: ReadonlySet<string>,
): readonly PageReading[] | undefined {
  if (text.length > REPORT_LENGTH_MAX) return undefined;
  const readings = new Map<string, PageReading>();
  for (const pair of text.split('&')) {
    const [region = '', value = '', ...more] = pair.split('=');
    const rttMs = Number(value);
    const isReading =
      more.length === 0 &&
      regions.has(region) &&
      !readings.has(region) &&
      NUMBER.test(value) &&
      rttMs >= RTT_MS_MIN &&
      rttMs <= RTT_MS_MAX;
    if (!isReading) return undefined;
    readings.set(region, { region, rttMs });
  }
  return [...readings.values()];
}
