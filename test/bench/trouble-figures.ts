/** What a trouble was like for clients and for the servers behind a proxy: sums over what both wrote down. */
import type { ClientReport } from './trouble-clients.ts';
import { BIN_MS, type ServerCounts } from './trouble-servers.ts';

/** By `Date.now()`. */
export type Stretch = { readonly fromMs: number; readonly toMs: number };

export type ClientFigures = {
  readonly requests: number;
  readonly failed: number;
  /** Of all requests, those that failed too, in milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** How often each answer came that was not 200, by its status or by OUTCOME. */
  readonly failures: ReadonlyMap<number, number>;
};

const GOOD = 200;
const SECOND_MS = 1000;
/** Left out is a server with less than so much of an equal share. */
const LEFT_OUT_SHARE = 0.2;

/** Of the requests that were due in a stretch of time. */
export function clientFigures(report: ClientReport, { fromMs, toMs }: Stretch): ClientFigures {
  const place = (ms: number): number =>
    Math.max(0, Math.round(((ms - report.startedMs) / SECOND_MS) * report.rate));
  const [from, to] = [place(fromMs), place(toMs)];
  const sorted = Float64Array.from(report.microseconds.slice(from, to)).sort();
  const outcomes = report.outcomes.slice(from, to);
  const failures = new Map<number, number>();
  for (const outcome of outcomes) {
    if (outcome !== GOOD) failures.set(outcome, (failures.get(outcome) ?? 0) + 1);
  }
  const at = (share: number): number =>
    (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0) / SECOND_MS;
  return {
    requests: outcomes.length,
    failed: [...failures.values()].reduce((sum, each) => sum + each, 0),
    p50: at(0.5),
    p99: at(0.99),
    max: at(1),
    failures,
  };
}

/** Requests that each server got in a stretch of time, to a bin. */
export function serverRequests(
  { bins, sinceMs }: ServerCounts,
  { fromMs, toMs }: Stretch,
): readonly number[] {
  const place = (ms: number): number => Math.max(0, Math.round((ms - sinceMs) / BIN_MS));
  return bins.map((row) =>
    row.slice(place(fromMs), place(toMs)).reduce((sum, each) => sum + each, 0),
  );
}

/** Part of all requests that went to these servers; 0 when there were none. */
export function shareOf(requests: readonly number[], servers: readonly number[]): number {
  const all = requests.reduce((sum, each) => sum + each, 0);
  const theirs = servers.reduce((sum, server) => sum + requests[server]!, 0);
  return all === 0 ? 0 : theirs / all;
}

/**
 * Seconds from the beginning until for a whole second these servers got less than a fifth of what an equal share is;
 * undefined when there was no such second.
 */
export function leftOutAfter(
  counts: ServerCounts,
  { fromMs, toMs }: Stretch,
  servers: readonly number[],
): number | undefined {
  const most = (LEFT_OUT_SHARE * servers.length) / counts.bins.length;
  for (let atMs = fromMs; atMs + SECOND_MS <= toMs; atMs += BIN_MS) {
    const second = serverRequests(counts, { fromMs: atMs, toMs: atMs + SECOND_MS });
    if (shareOf(second, servers) < most) return (atMs - fromMs) / SECOND_MS;
  }
  return undefined;
}

/**
 * Seconds from a server's return until for two seconds in a row p99 was below twice what it had been, and nothing
 * failed; undefined when that never was.
 */
export function settledAfter(
  report: ClientReport,
  { fromMs, toMs }: Stretch,
  p99Before: number,
): number | undefined {
  const isSettled = (atMs: number): boolean => {
    const { failed, p99, requests } = clientFigures(report, {
      fromMs: atMs,
      toMs: atMs + SECOND_MS,
    });
    return requests > 0 && failed === 0 && p99 < 2 * p99Before;
  };
  for (let atMs = fromMs; atMs + 2 * SECOND_MS <= toMs; atMs += SECOND_MS) {
    if (isSettled(atMs) && isSettled(atMs + SECOND_MS)) return (atMs - fromMs) / SECOND_MS;
  }
  return undefined;
}
