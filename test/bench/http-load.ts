/** Load for HTTP proxies by wrk (as much as goes) and h2load (at a fixed rate), on a core of their own. */
import { readFileSync } from 'node:fs';
import { coreBusySeconds } from './cpu.ts';
import type { HttpWorkload } from './http-workload.ts';
import type { LoadReport } from './load-generator.ts';
import type { Scratch } from './scratch.ts';

/** What wrk says at its end, by the script below. */
type WrkSummary = {
  readonly requests: number;
  readonly microseconds: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly connect: number;
  readonly read: number;
  readonly write: number;
  readonly timeout: number;
  readonly status: number;
};

export type HttpLoad = {
  readonly port: number;
  readonly seconds: number;
  readonly clientCore: number;
};

/** A 4xx or 5xx; a proxy that forwards has none. */
const BAD_STATUS = 1;
const MARK = 'SUMMARY ';
/**
 * Of the fixed rate. h2load lets all of them send at nearly the same moment: with many, the queue would be measured;
 * with fewer, an answer that takes some milliseconds would hold back the next request.
 */
export const STEADY_CONNECTIONS = 4;

/** Lua: the request, and at the end one line of JSON. */
function scriptOf({ bodyOctets, headers = {} }: HttpWorkload): string {
  const fields = Object.entries(headers).map(
    ([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}\n`,
  );
  const post = `wrk.method = "POST"\nwrk.body = string.rep("x", ${bodyOctets})\n`;
  return `${bodyOctets === undefined ? '' : post}${fields.join('')}
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '${MARK}{"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"p999":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    e.connect, e.read, e.write, e.timeout, e.status))
end
`;
}

/** As many requests as go, one under way on each connection. */
export async function runWrk(
  scratch: Scratch,
  workload: HttpWorkload,
  { clientCore, port, seconds }: HttpLoad,
): Promise<LoadReport> {
  const script = scratch.write('request.lua', scriptOf(workload));
  const words = ['wrk', '-t1', `-c${workload.connections}`, `-d${seconds}s`, '-s', script];
  words.push(`http://127.0.0.1:${port}${workload.path}`);
  const { share, text } = await runOn(scratch, clientCore, words);
  const line = text.split('\n').find((each) => each.startsWith(MARK));
  if (line === undefined) throw new Error(`wrk said:\n${text}`);
  const summary = JSON.parse(line.slice(MARK.length)) as WrkSummary;
  if (summary.requests === 0) throw new Error(`wrk got no response:\n${text}`);
  const { connect, p50, p99, p999, read, requests, status, timeout, write } = summary;
  return {
    answered: requests,
    lost: connect + read + write + timeout,
    codes: countsOf(requests, status),
    seconds: summary.microseconds / 1e6,
    p50,
    p99,
    p999,
    generatorShare: share,
  };
}

/** So many small requests a second over STEADY_CONNECTIONS, by h2load. */
export async function runSteady(
  scratch: Scratch,
  { clientCore, port, rate, seconds }: HttpLoad & { readonly rate: number },
): Promise<LoadReport> {
  const log = scratch.write('h2load-requests', '');
  const words = ['h2load', '--h1', '-t1', '-c', String(STEADY_CONNECTIONS)];
  words.push('--rps', String(rate / STEADY_CONNECTIONS), '-n', String(rate * seconds));
  words.push(`--log-file=${log}`, `http://127.0.0.1:${port}/hello`);
  const { share, text } = await runOn(scratch, clientCore, words);
  const counts = text.match(/(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/);
  const [, succeeded = 0, failed = 0, errored = 0, late = 0] = counts?.map(Number) ?? [];
  if (succeeded === 0) throw new Error(`h2load said:\n${text}`);
  const latencies = exactly(readFileSync(log, 'utf8'));
  return {
    answered: succeeded,
    lost: errored + late,
    codes: countsOf(succeeded, failed),
    seconds,
    p50: latencies(0.5),
    p99: latencies(0.99),
    p999: latencies(0.999),
    generatorShare: share,
  };
}

const countsOf = (good: number, bad: number): readonly number[] => {
  const counts = [good - bad];
  counts[BAD_STATUS] = bad;
  return counts;
};

/** What was answered with a 4xx or 5xx, in words; empty when nothing was. */
export function badStatuses({ codes }: Pick<LoadReport, 'codes'>): string {
  const count = codes[BAD_STATUS] ?? 0;
  return count === 0 ? '' : `**${count} responses not 2xx**`;
}

/**
 * From h2load's log: time of sending, status, microseconds. Not by buckets, for what a proxy adds is the small
 * difference of two.
 */
function exactly(log: string): (share: number) => number {
  const sorted = Float64Array.from(
    log.split('\n').flatMap((line) => {
      const microseconds = line.split('\t')[2];
      return microseconds === undefined ? [] : [Number(microseconds)];
    }),
  ).sort();
  return (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

/** What a program wrote, and how busy its core was, with whoever else runs there (the backend does). */
async function runOn(scratch: Scratch, core: number, words: readonly string[]) {
  const busyBefore = coreBusySeconds(core);
  const startedMs = performance.now();
  const child = scratch.start('taskset', ['-c', String(core), ...words]);
  const code = await child.ended;
  if (code !== 0) {
    throw new Error(`${words[0]} ended with code ${code} and said:\n${child.output()}`);
  }
  const elapsedSeconds = (performance.now() - startedMs) / 1000;
  return { text: child.output(), share: (coreBusySeconds(core) - busyBefore) / elapsedSeconds };
}
