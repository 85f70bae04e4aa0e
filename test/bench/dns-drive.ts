/** One server under one load: what it took, and what it said. */
import { allowedCores, coreBusySeconds, processCpuSeconds, residentBytes } from './cpu.ts';
import type { Server } from './dns-servers.ts';
import type { Measurement } from './dns-table.ts';
import { otherCodes, runLoad } from './load.ts';
import type { Scratch } from './scratch.ts';

/** A core for the servers and another one for the load generator; the same where there is only one. */
export function chooseCores(): readonly [number, number] {
  const [first = 0, second = first] = allowedCores();
  if (first === second)
    say('There is only one core: the load generator takes its time from the servers.');
  return [first, second];
}

export type Drive = {
  readonly scratch: Scratch;
  readonly file: string;
  readonly workload: string;
  readonly serverCore: number;
  readonly clientCore: number;
};

/** One run of the load generator against one server. */
export async function measure(
  { child, name, port }: Server,
  { scratch, file, workload, serverCore, clientCore }: Drive,
  { rate, seconds }: { readonly rate: number; readonly seconds: number },
): Promise<Measurement> {
  const before = { process: processCpuSeconds(child.pid), core: coreBusySeconds(serverCore) };
  const startedMs = performance.now();
  const load = await runLoad(scratch, { port, file, seconds, rate, core: clientCore });
  const elapsedSeconds = (performance.now() - startedMs) / 1000;
  if (!child.running()) throw new Error(`${name} ended under load:\n${child.output()}`);
  const cpuSeconds = processCpuSeconds(child.pid) - before.process;
  const busySeconds = coreBusySeconds(serverCore) - before.core;
  return {
    workload,
    server: name,
    round: 0,
    answersPerSecond: load.answered / load.seconds,
    cpuPerMillion: (cpuSeconds / load.answered) * 1e6,
    lost: load.lost,
    otherCodes: otherCodes(load),
    p50: load.p50,
    p99: load.p99,
    p999: load.p999,
    othersShare: Math.max(0, busySeconds - cpuSeconds) / elapsedSeconds,
  };
}

export function inWords({ answersPerSecond, cpuPerMillion, lost }: Measurement): string {
  const rate = `${Math.round(answersPerSecond / 1000)}k/s`;
  return `${rate}, ${cpuPerMillion.toFixed(2)} CPU s per million${lost > 0 ? `, ${lost} lost` : ''}`;
}

export function megabytes(pid: number): number {
  return Math.round(residentBytes(pid) / 1e6);
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
