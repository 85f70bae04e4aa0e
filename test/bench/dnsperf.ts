/** Runs Debian's dnsperf and reads its statistics. */
import type { Scratch } from './scratch.ts';

export type Load = {
  readonly port: number;
  /** Length-prefixed messages, as on a TCP stream: so each query has EDNS options of its own. */
  readonly file: string;
  readonly seconds: number;
  /** Queries per second at most; 0 = as fast as answers come. */
  readonly rate: number;
  readonly core: number;
};

export type LoadResult = {
  readonly completed: number;
  readonly lost: number;
  readonly perSecond: number;
  /** What is not NOERROR among the answers, in dnsperf's words; empty when there is none. */
  readonly otherCodes: string;
};

/** Source ports, and queries under way at once over all of them. */
export const CLIENTS = 8;
export const OUTSTANDING = 100;
/** Loopback loses nothing but what a full socket queue drops; no need to wait long for it. */
const TIMEOUT_SECONDS = 2;

export async function runDnsperf(scratch: Scratch, load: Load): Promise<LoadResult> {
  const words = ['-c', String(load.core), 'dnsperf', '-s', '127.0.0.1', '-p', String(load.port)];
  words.push('-B', '-d', load.file, '-l', String(load.seconds), '-t', String(TIMEOUT_SECONDS));
  words.push('-c', String(CLIENTS), '-T', '1', '-q', String(OUTSTANDING));
  if (load.rate > 0) words.push('-Q', String(load.rate));
  const child = scratch.start('taskset', words);
  const code = await child.ended;
  const result = parseStatistics(child.output());
  if (code !== 0 || result === undefined) {
    throw new Error(`dnsperf ended with code ${code} and said:\n${child.output()}`);
  }
  return result;
}

/** The numbers at the end of dnsperf's output; undefined when they are not there. */
export function parseStatistics(output: string): LoadResult | undefined {
  const number = (label: string): number =>
    Number(output.match(new RegExp(`^\\s*${label}:\\s+([\\d.]+)`, 'm'))?.[1] ?? Number.NaN);
  const codes = output.match(/^\s*Response codes:\s+(.*)$/m)?.[1] ?? '';
  const result: LoadResult = {
    completed: number('Queries completed'),
    lost: number('Queries lost'),
    perSecond: number('Queries per second'),
    otherCodes: codes
      .split(', ')
      .filter((part) => part !== '' && !part.startsWith('NOERROR '))
      .join(', '),
  };
  const { completed, lost, perSecond } = result;
  return [completed, lost, perSecond].every(Number.isFinite) ? result : undefined;
}
