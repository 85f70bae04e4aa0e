/** One server under one load: what it took, and what it said. */
import { allowedCores, coreBusySeconds, residentBytes, startCpuClock } from './cpu.ts';
import type { Server } from './dns-servers.ts';
import type { Measurement } from './dns-table.ts';
import { type Load, otherCodes, runLoad } from './load.ts';
import type { LoadReport } from './load-generator.ts';
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
  /** What is asked. */
  readonly file: string;
  readonly draws?: Load['draws'];
  /** Of the queries, those for names that do not exist; none unless said. */
  readonly missingShare?: number;
  readonly workload: string;
  readonly serverCore: number;
  readonly clientCore: number;
};

/** One run of the load generator against one server. */
export async function measure(
  server: Server,
  { clientCore, draws, file, missingShare, scratch, serverCore, workload }: Drive,
  { rate, seconds }: { readonly rate: number; readonly seconds: number },
): Promise<Measurement> {
  const asked = { file, ...(draws && { draws }) };
  const load = {
    port: server.port,
    address: server.address,
    ...asked,
    seconds,
    rate,
    cores: [clientCore],
  };
  const run = () => runLoad(scratch, load);
  return measureLoad(server, workload, [serverCore], run, missingShare);
}

/** What a server took while this load ran, alone among the servers of these cores. */
export async function measureLoad(
  { child, name }: Pick<Server, 'child' | 'name'>,
  workload: string,
  serverCores: readonly number[],
  run: () => Promise<LoadReport>,
  missingShare = 0,
): Promise<Measurement> {
  const busyNow = () => serverCores.reduce((sum, core) => sum + coreBusySeconds(core), 0);
  const busyBefore = busyNow();
  const cpuSoFar = startCpuClock(child.pid);
  const startedMs = performance.now();
  const load = await run();
  const elapsedSeconds = (performance.now() - startedMs) / 1000;
  if (!child.running()) throw new Error(`${name} ended under load:\n${child.output()}`);
  const cpuSeconds = cpuSoFar();
  const busySeconds = busyNow() - busyBefore;
  return {
    workload,
    server: name,
    round: 0,
    fromMs: performance.timeOrigin + startedMs,
    toMs: performance.timeOrigin + startedMs + elapsedSeconds * 1000,
    answersPerSecond: load.answered / load.seconds,
    cpuPerMillion: (cpuSeconds / load.answered) * 1e6,
    lost: load.lost,
    otherCodes: otherCodes(load, missingShare),
    p50: load.p50,
    p99: load.p99,
    p999: load.p999,
    othersShare: Math.max(0, busySeconds - cpuSeconds) / elapsedSeconds / serverCores.length,
    generatorShare: load.generatorShare,
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
